//! A place at which a server can be reached, whichever it is at the moment.

use std::{
    io::{self, Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

pub(crate) struct Relay {
    url: String,
    server: Arc<Mutex<String>>,
}

impl Relay {
    pub(crate) fn to(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let relay = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            server: Arc::new(Mutex::new(url.to_owned())),
        };
        let server = relay.server.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let url = server.lock().unwrap().clone();
                let place = url.strip_prefix("http://").unwrap();
                // Without a server the client sees its connection end.
                if let Ok(server) = TcpStream::connect(place) {
                    let back = (server.try_clone().unwrap(), client.try_clone().unwrap());
                    thread::spawn(move || pass(client, server));
                    thread::spawn(move || pass(back.0, back.1));
                }
            }
        });
        relay
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn lead_to(&self, url: &str) {
        url.clone_into(&mut self.server.lock().unwrap());
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    let mut bytes = [0; 16 * 1024];
    let mut piece = || -> io::Result<usize> {
        let count = from.read(&mut bytes)?;
        to.write_all(&bytes[..count])?;
        Ok(count)
    };
    while piece().is_ok_and(|count| count > 0) {}
    let _ = to.shutdown(Shutdown::Both);
}
