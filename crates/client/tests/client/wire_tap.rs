//! A listener that gives the answers that it was told to, and hands the requests over.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

pub(crate) struct WireTap {
    pub(crate) base: String,
    taken: JoinHandle<Vec<Sent>>,
}

/// A request as it was sent.
pub(crate) struct Sent {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: String,
    headers: Vec<(String, String)>,
}

impl WireTap {
    /// Gives one answer to one request.
    pub(crate) async fn answering(answer: &str) -> WireTap {
        WireTap::answering_each(&[answer]).await
    }

    /// The same with an answer for each of several requests.
    pub(crate) async fn answering_each(answers: &[&str]) -> WireTap {
        WireTap::on(silent_listener().await, answers)
    }

    /// Gives each answer to one request, on a connection of its own that then ends, and no more. An
    /// empty one is a connection that is cut.
    pub(crate) fn on(listener: TcpListener, answers: &[&str]) -> WireTap {
        let base = base(&listener);
        let answers: Vec<String> = answers.iter().map(|&answer| answer.to_owned()).collect();
        let taken = tokio::spawn(async move {
            let mut taken = Vec::new();
            for answer in answers {
                taken.push(exchange(&listener, &answer).await);
            }
            taken
        });
        WireTap { base, taken }
    }

    /// The only request.
    pub(crate) async fn request(self) -> Sent {
        let mut taken = self.requests().await;
        assert_eq!(taken.len(), 1);
        taken.remove(0)
    }

    /// As many requests as there are answers.
    pub(crate) async fn requests(self) -> Vec<Sent> {
        self.taken.await.unwrap()
    }
}

/// A listener that always gives the same answer: its base, and how many requests it has had.
pub(crate) async fn always(answer: &str) -> (String, Arc<AtomicUsize>) {
    let listener = silent_listener().await;
    let base = base(&listener);
    let answer = answer.to_owned();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    tokio::spawn(async move {
        loop {
            exchange(&listener, &answer).await;
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    (base, count)
}

fn base(listener: &TcpListener) -> String {
    format!("http://{}", listener.local_addr().unwrap())
}

async fn exchange(listener: &TcpListener, answer: &str) -> Sent {
    let (mut connection, _) = listener.accept().await.unwrap();
    let sent = read(&mut connection).await;
    connection.write_all(answer.as_bytes()).await.unwrap();
    sent
}

impl Sent {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn parameter(&self, name: &str) -> &str {
        find(&self.query, name)
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        find(&self.headers, name)
    }
}

fn find<'a>(pairs: &'a [(String, String)], name: &str) -> &'a str {
    let found = pairs.iter().find(|(key, _)| key == name);
    &found.unwrap_or_else(|| panic!("no {name}")).1
}

pub(crate) async fn silent_listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

pub(crate) fn status_200(body: &str) -> String {
    status(200, body)
}

pub(crate) fn status(status: u16, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} Said\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

async fn read(connection: &mut TcpStream) -> Sent {
    let mut bytes = Vec::new();
    loop {
        assert_ne!(connection.read_buf(&mut bytes).await.unwrap(), 0, "cut off");
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let mut lines = head.lines();
        let mut words = lines.next().unwrap().split(' ');
        let method = words.next().unwrap().to_owned();
        let target = words.next().unwrap();
        let headers: Vec<(String, String)> = lines.map(|line| pair(line, ": ")).collect();
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let length = length.map_or(0, |(_, value)| value.parse().unwrap());
        if body.len() < length {
            continue;
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query = query.split('&').filter(|text| !text.is_empty());
        return Sent {
            method,
            path: path.to_owned(),
            query: query.map(|text| pair(text, "=")).collect(),
            body: body.to_owned(),
            headers,
        };
    }
}

fn pair(text: &str, separator: &str) -> (String, String) {
    let (name, value) = text.split_once(separator).unwrap();
    (name.to_lowercase(), value.to_owned())
}
