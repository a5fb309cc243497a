//! The receiver of a webhook: it records what is posted to it, and answers as it is told.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
};

use crate::peer::soon;

/// How requests are answered.
#[derive(Clone, Debug)]
pub(crate) enum Manner {
    /// With these bytes.
    Says(String),
    /// With 200, once it is let go.
    Holds,
    /// Holds those whose body has this text; the others get 200.
    HoldsAbout(&'static str),
    /// Never.
    Silent,
}

/// A request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Posted {
    pub(crate) request_line: String,
    /// In lower case, sorted.
    pub(crate) headers: Vec<String>,
    pub(crate) body: String,
    /// The number of its connection, from 0 up.
    pub(crate) connection: usize,
}

impl Posted {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// A parameter of the query.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        let target = self.request_line.split(' ').nth(1).unwrap();
        let (_, query) = target.split_once('?').unwrap();
        let mut parameters = query.split('&').map(|pair| pair.split_once('=').unwrap());
        parameters
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }
}

/// A receiver that runs.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    posted: mpsc::UnboundedReceiver<Posted>,
    told: Arc<Told>,
}

struct Told {
    manner: Mutex<Manner>,
    releases: Semaphore,
}

/// An answer of this status.
pub(crate) fn status(status: &str) -> Manner {
    Manner::Says(answer_of(status))
}

fn answer_of(status: &str) -> String {
    let body = r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}"#;
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}")
}

impl Receiver {
    pub(crate) async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let told = Arc::new(Told {
            manner: Mutex::new(manner),
            releases: Semaphore::new(0),
        });
        let (sender, posted) = mpsc::unbounded_channel();
        let telling = told.clone();
        tokio::spawn(async move {
            for connection in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, connection, sender.clone(), telling.clone()));
            }
        });
        Self {
            address,
            posted,
            told,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    pub(crate) fn answer(&self, manner: Manner) {
        *self.told.manner.lock().unwrap() = manner;
    }

    /// Lets go what is held, and all that comes from now on.
    pub(crate) fn release(&self) {
        self.answer(status("200 OK"));
        self.told.releases.add_permits(1000);
    }

    /// Waits for the next request.
    pub(crate) async fn posted(&mut self) -> Posted {
        soon(self.posted.recv()).await.unwrap()
    }

    /// What has come and was not asked for.
    pub(crate) fn more(&mut self) -> Vec<Posted> {
        std::iter::from_fn(|| self.posted.try_recv().ok()).collect()
    }
}

/// Ends with the connection.
async fn serve(
    mut stream: TcpStream,
    connection: usize,
    sender: mpsc::UnboundedSender<Posted>,
    told: Arc<Told>,
) {
    let mut received = Vec::new();
    while let Some(posted) = read(&mut stream, &mut received, connection).await {
        let manner = told.manner.lock().unwrap().clone();
        let is_held = match &manner {
            Manner::Holds => true,
            Manner::HoldsAbout(text) => posted.body.contains(text),
            Manner::Says(_) | Manner::Silent => false,
        };
        // The test may be over, and the caller gone.
        let _ = sender.send(posted);
        if is_held {
            told.releases.acquire().await.unwrap().forget();
        }
        let answer = match manner {
            Manner::Says(answer) => answer,
            Manner::Holds | Manner::HoldsAbout(_) => answer_of("200 OK"),
            Manner::Silent => continue,
        };
        let _ = stream.write_all(answer.as_bytes()).await;
    }
}

async fn read(stream: &mut TcpStream, received: &mut Vec<u8>, connection: usize) -> Option<Posted> {
    loop {
        let text = String::from_utf8(received.clone()).unwrap();
        if let Some((head, after)) = text.split_once("\r\n\r\n") {
            let mut lines = head.split("\r\n");
            let request_line = lines.next().unwrap().to_owned();
            let mut headers: Vec<_> = lines.map(str::to_lowercase).collect();
            headers.sort();
            let length = headers
                .iter()
                .find_map(|header| header.strip_prefix("content-length: "))
                .map_or(0, |length| length.parse().unwrap());
            if after.len() >= length {
                received.drain(..head.len() + 4 + length);
                return Some(Posted {
                    request_line,
                    headers,
                    body: after[..length].to_owned(),
                    connection,
                });
            }
        }
        if stream.read_buf(received).await.ok()? == 0 {
            return None;
        }
    }
}
