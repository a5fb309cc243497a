//! The smallest HTTP/1.1 client: it sends exactly the bytes it is given.

use std::{net::SocketAddr, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// How long a test waits for what has to come. Reached only by a test that fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for what has to come.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("waited in vain")
}

/// One connection.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    received: Vec<u8>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// `ErrorCode` of an answer of the protocol, which always has HTTP status 200.
    pub(crate) fn code(&self) -> u64 {
        assert_eq!(self.status, 200, "{self:?}");
        self.json()["ErrorCode"].as_u64().unwrap()
    }

    pub(crate) fn closes(&self) -> bool {
        self.header("connection") == Some("close")
    }
}

impl Peer {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = soon(TcpStream::connect(address)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(stream)
    }

    /// A connection that was made elsewhere.
    pub(crate) fn over(stream: TcpStream) -> Self {
        Self {
            stream,
            received: Vec::new(),
        }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        soon(self.stream.write_all(bytes.as_ref())).await.unwrap();
    }

    /// Reads one answer.
    pub(crate) async fn answer(&mut self) -> Answer {
        soon(self.read_answer(false))
            .await
            .expect("closed without an answer")
    }

    /// Reads the answer to a HEAD request.
    pub(crate) async fn answer_to_head(&mut self) -> Answer {
        soon(self.read_answer(true))
            .await
            .expect("closed without an answer")
    }

    /// Waits until the server has closed the connection, and says whether it had sent nothing more.
    pub(crate) async fn closed_in_silence(&mut self) -> bool {
        soon(async { while self.read_more().await {} }).await;
        self.received.is_empty()
    }

    /// Waits until these bytes have come, which are not taken for read.
    pub(crate) async fn receives(&mut self, bytes: &[u8]) {
        soon(async {
            while !self.received.windows(bytes.len()).any(|seen| seen == bytes) {
                assert!(self.read_more().await, "closed before it sent them");
            }
        })
        .await;
    }

    /// The head of the answer, which is not taken for read.
    pub(crate) async fn head_of_answer(&mut self) -> String {
        self.receives(b"\r\n\r\n").await;
        let text = String::from_utf8_lossy(&self.received);
        text.split("\r\n\r\n").next().unwrap_or_default().to_owned()
    }

    /// What has come and was not read as an answer.
    pub(crate) fn received(&self) -> &[u8] {
        &self.received
    }

    async fn read_answer(&mut self, is_head: bool) -> Option<Answer> {
        let head_bytes = loop {
            if let Some(end) = self
                .received
                .windows(4)
                .position(|bytes| bytes == b"\r\n\r\n")
            {
                break end + 4;
            }
            if !self.read_more().await {
                return None;
            }
        };
        let head: Vec<u8> = self.received.drain(..head_bytes).collect();
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines
            .next()
            .unwrap()
            .split(' ')
            .nth(1)
            .unwrap()
            .parse()
            .unwrap();
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(key, value)| (key.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let mut answer = Answer {
            status,
            headers,
            body: Vec::new(),
        };
        if answer.header("transfer-encoding") == Some("chunked") {
            while let Some(chunk) = self.chunk().await {
                answer.body.extend(chunk);
            }
        } else if status >= 200 && status != 204 && !is_head {
            let length: usize = answer.header("content-length").unwrap().parse().unwrap();
            while self.received.len() < length {
                assert!(
                    self.read_more().await,
                    "closed within an answer: {answer:?}"
                );
            }
            answer.body = self.received.drain(..length).collect();
        }
        Some(answer)
    }

    /// The next chunk of an answer that comes in chunks; `None` is the end of the answer.
    async fn chunk(&mut self) -> Option<Vec<u8>> {
        let size = self.line().await;
        let size = usize::from_str_radix(&size, 16).unwrap();
        while self.received.len() < size + 2 {
            assert!(self.read_more().await, "closed within a chunk");
        }
        let chunk = self.received.drain(..size).collect();
        assert_eq!(self.line().await, "");
        (size > 0).then_some(chunk)
    }

    async fn line(&mut self) -> String {
        let end = loop {
            if let Some(end) = self.received.windows(2).position(|bytes| bytes == b"\r\n") {
                break end;
            }
            assert!(self.read_more().await, "closed within an answer");
        };
        let line = self.received.drain(..end + 2).take(end).collect();
        String::from_utf8(line).unwrap()
    }

    /// Whether more came; an error is an end, too.
    async fn read_more(&mut self) -> bool {
        self.received.reserve(16 * 1024);
        self.stream
            .read_buf(&mut self.received)
            .await
            .is_ok_and(|bytes| bytes > 0)
    }
}
