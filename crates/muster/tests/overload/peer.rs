//! Connections by the thousand: the smallest HTTP/1 client that waits without a thread.

use std::{collections::BTreeMap, io};

use muster_testkit::{PATIENCE, http::request};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{
        TcpSocket,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::{error::Elapsed, timeout},
};

/// One connection to the account API.
pub(crate) struct Peer {
    incoming: BufReader<OwnedReadHalf>,
    outgoing: OwnedWriteHalf,
}

/// What came of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// HTTP status 200, and this `ErrorCode`.
    Code(u64),
    /// Another status: what came was no call.
    Status(u16),
    /// The connection was closed or reset instead.
    Closed,
}

/// How often each outcome was met.
pub(crate) type Outcomes = BTreeMap<Outcome, usize>;

/// Waits for what has to come.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    let waited: Result<T, Elapsed> = timeout(PATIENCE, what).await;
    waited.expect("waited in vain")
}

impl Peer {
    /// Connects to a base URL such as `http://127.0.0.1:7080`.
    pub(crate) async fn open(url: &str) -> Self {
        Self::open_with(url, |_| {}).await
    }

    /// Likewise, with a socket that was prepared.
    pub(crate) async fn open_with(url: &str, prepare: impl FnOnce(&TcpSocket)) -> Self {
        let address = url.strip_prefix("http://").expect("it is plain HTTP");
        let socket = TcpSocket::new_v4().unwrap();
        prepare(&socket);
        let stream = soon(socket.connect(address.parse().unwrap())).await;
        let stream = stream.unwrap_or_else(|error| panic!("cannot connect: {error}"));
        stream.set_nodelay(true).unwrap();
        let (incoming, outgoing) = stream.into_split();
        Self {
            incoming: BufReader::with_capacity(1024, incoming),
            outgoing,
        }
    }

    /// Sends these bytes; fails if the server takes no more.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        soon(self.outgoing.write_all(bytes.as_ref())).await
    }

    /// Sends a call.
    pub(crate) async fn send_call(&mut self, target: &str, body: &str) -> io::Result<()> {
        let call = request("POST", target, &[], body.as_bytes());
        self.send(call).await
    }

    /// Makes one call.
    pub(crate) async fn call(&mut self, target: &str, body: &str) -> Outcome {
        match self.send_call(target, body).await {
            Ok(()) => self.outcome().await,
            Err(_) => Outcome::Closed,
        }
    }

    /// Waits for the answer, or for the end of the connection.
    pub(crate) async fn outcome(&mut self) -> Outcome {
        outcome_of(self.answer().await)
    }

    /// Sends this piece again and again until the server has enough, and waits for what it says.
    pub(crate) async fn send_for_ever(&mut self, piece: &[u8]) -> Outcome {
        let Self { incoming, outgoing } = self;
        let sending = async {
            while outgoing.write_all(piece).await.is_ok() {}
            // What it said is still to be read.
            std::future::pending().await
        };
        let answer = soon(async {
            tokio::select! {
                answer = read_answer(incoming) => answer,
                answer = sending => answer,
            }
        });
        outcome_of(answer.await)
    }

    /// Waits for an answer, and gives its status and its body.
    pub(crate) async fn answer(&mut self) -> io::Result<(u16, Vec<u8>)> {
        soon(read_answer(&mut self.incoming)).await
    }
}

fn outcome_of(answer: io::Result<(u16, Vec<u8>)>) -> Outcome {
    match answer {
        Err(_) => Outcome::Closed,
        Ok((200, body)) => {
            let answer: serde_json::Value = serde_json::from_slice(&body).unwrap();
            Outcome::Code(answer["ErrorCode"].as_u64().unwrap())
        }
        Ok((status, _)) => Outcome::Status(status),
    }
}

async fn read_answer(incoming: &mut BufReader<OwnedReadHalf>) -> io::Result<(u16, Vec<u8>)> {
    let mut line = read_line(incoming).await?;
    let status = line.get(9..12).and_then(|status| status.parse().ok());
    let status = status.ok_or(io::ErrorKind::InvalidData)?;
    let mut length = 0;
    while line != "\r\n" {
        line = read_line(incoming).await?.to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length is a number");
        }
    }
    let mut body = vec![0; length];
    incoming.read_exact(&mut body).await?;
    Ok((status, body))
}

async fn read_line(incoming: &mut BufReader<OwnedReadHalf>) -> io::Result<String> {
    let mut line = String::new();
    match incoming.read_line(&mut line).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(line),
    }
}
