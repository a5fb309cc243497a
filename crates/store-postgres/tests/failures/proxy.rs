//! A way to the database on which connections break at a chosen message.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

/// Where a connection breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The database never gets the message.
    Before,
    /// The database answers it, and the answer is lost.
    After,
}

/// The next message with this text breaks its connection.
type Order = Arc<Mutex<Option<(Cut, &'static str)>>>;

pub(crate) struct Proxy {
    pub(crate) url: String,
    order: Order,
}

impl Proxy {
    /// Before the database of this URL.
    pub(crate) async fn start(url: &str) -> Self {
        let (credentials, place) = url.rsplit_once('@').unwrap();
        let (address, database) = place.split_once('/').unwrap();
        let address = address.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let order = Order::default();
        let ordered = order.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&address).await.unwrap();
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                let way = Way {
                    from_client,
                    to_client,
                    from_server,
                    to_server,
                };
                tokio::spawn(way.go(ordered.clone()));
            }
        });
        Self {
            url: format!("{credentials}@127.0.0.1:{port}/{database}"),
            order,
        }
    }

    /// Breaks the connection on which the next message with this text comes.
    pub(crate) fn cut(&self, cut: Cut, text: &'static str) {
        *self.order.lock().unwrap() = Some((cut, text));
    }

    /// Whether that has happened.
    pub(crate) fn has_cut(&self) -> bool {
        self.order.lock().unwrap().is_none()
    }
}

struct Way {
    from_client: OwnedReadHalf,
    to_client: OwnedWriteHalf,
    from_server: OwnedReadHalf,
    to_server: OwnedWriteHalf,
}

impl Way {
    /// Until one end closes, or it is cut.
    async fn go(mut self, order: Order) {
        let mut asked = vec![0; 65_536];
        let mut answered = vec![0; 65_536];
        loop {
            tokio::select! {
                Ok(count @ 1..) = self.from_client.read(&mut asked) => {
                    let bytes = &asked[..count];
                    let cut = due(&order, bytes);
                    if cut == Some(Cut::Before) {
                        return;
                    }
                    if self.to_server.write_all(bytes).await.is_err() {
                        return;
                    }
                    if cut == Some(Cut::After) {
                        let _ = self.from_server.read(&mut answered).await;
                        return;
                    }
                }
                Ok(count @ 1..) = self.from_server.read(&mut answered) => {
                    if self.to_client.write_all(&answered[..count]).await.is_err() {
                        return;
                    }
                }
                else => return,
            }
        }
    }
}

fn due(order: &Order, bytes: &[u8]) -> Option<Cut> {
    let mut order = order.lock().unwrap();
    let (cut, text) = (*order)?;
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
        .then(|| {
            *order = None;
            cut
        })
}
