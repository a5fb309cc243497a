//! A listener that gives one answer to one request, and hands the request over.

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

pub(crate) struct WireTap {
    pub(crate) base: String,
    taken: JoinHandle<Sent>,
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
    pub(crate) async fn answering(answer: &str) -> WireTap {
        let listener = silent_listener().await;
        let base = format!("http://{}", listener.local_addr().unwrap());
        let answer = answer.to_owned();
        let taken = tokio::spawn(async move {
            let (mut connection, _) = listener.accept().await.unwrap();
            let sent = read(&mut connection).await;
            connection.write_all(answer.as_bytes()).await.unwrap();
            sent
        });
        WireTap { base, taken }
    }

    pub(crate) async fn request(self) -> Sent {
        self.taken.await.unwrap()
    }
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
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
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
