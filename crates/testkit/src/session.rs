//! A client program that shows that its user is online: the smallest one over a WebSocket.

use std::{
    io,
    net::TcpStream,
    time::{Duration, Instant},
};

use tungstenite::{Error, Message, WebSocket};

use crate::{PATIENCE, SDKAPPID, SIGNED_AT_S, usersig_signed_at};

/// A device on which a user is signed in, or tries to be.
pub struct Device(WebSocket<TcpStream>);

impl Device {
    /// Opens a session at a base URL such as `http://127.0.0.1:7080`, not signed in yet.
    ///
    /// # Panics
    ///
    /// If there is no server, or it wants no session.
    pub fn open(url: &str) -> Self {
        let address = url
            .strip_prefix("http://")
            .unwrap_or_else(|| panic!("{url:?} is not plain HTTP"));
        let stream =
            TcpStream::connect(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        stream
            .set_read_timeout(Some(PATIENCE))
            .and_then(|()| stream.set_nodelay(true))
            .expect("options of a fresh connection can be set");
        let url = format!("ws://{address}/muster/v1/session");
        match tungstenite::client(url, stream) {
            Ok((socket, _)) => Self(socket),
            Err(error) => panic!("no session: {error}"),
        }
    }

    /// Opens a session and signs a user of the app of `muster dev` in.
    ///
    /// # Panics
    ///
    /// If the server refuses.
    pub fn sign_in(url: &str, user_id: &str, platform: &str) -> Self {
        let mut device = Self::open(url);
        let said = device.say(&first_message(user_id, platform));
        assert!(said.contains(r#""event":"signed_in""#), "{said}");
        device
    }

    /// Sends a text, and waits for the one that comes back.
    ///
    /// # Panics
    ///
    /// If the session ends instead.
    pub fn say(&mut self, text: &str) -> String {
        self.0
            .send(Message::text(text))
            .unwrap_or_else(|error| panic!("the server takes nothing: {error}"));
        loop {
            match self.0.read() {
                Ok(Message::Text(text)) => return text.as_str().to_owned(),
                Ok(Message::Ping(_)) => {}
                other => panic!("no text: {other:?}"),
            }
        }
    }

    /// Waits until the server closes the session, and gives its code; `None` if it breaks off.
    ///
    /// # Panics
    ///
    /// If something else comes, or nothing.
    pub fn wait_for_close(&mut self) -> Option<u16> {
        self.wait_for_close_within(PATIENCE)
    }

    /// Likewise, for a server that is to do it by then.
    ///
    /// # Panics
    ///
    /// If something else comes, or it is late.
    pub fn wait_for_close_within(&mut self, limit: Duration) -> Option<u16> {
        let end = Instant::now() + limit;
        let code = loop {
            let left = end.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "the session is not closed within {limit:?}"
            );
            self.wait_for_bytes_at_most(left);
            match self.0.read() {
                Ok(Message::Ping(_)) => {}
                Ok(Message::Close(frame)) => break frame.map(|frame| frame.code.into()),
                Ok(other) => panic!("more came: {other:?}"),
                // Its time is over.
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return None,
            }
        };
        self.wait_for_bytes_at_most(PATIENCE);
        self.read_to_the_end();
        code
    }

    /// Signs out, and waits until the server has taken note.
    pub fn sign_out(mut self) {
        // The server may have closed it at the same moment.
        let _ = self.0.close(None);
        self.read_to_the_end();
    }

    fn wait_for_bytes_at_most(&self, time: Duration) {
        let set = self.0.get_ref().set_read_timeout(Some(time));
        set.expect("an option of an open connection can be set");
    }

    fn read_to_the_end(&mut self) {
        while self.0.read().is_ok() {}
    }
}

/// What a client says first, with a UserSig of the app of `muster dev`.
pub fn first_message(user_id: &str, platform: &str) -> String {
    first_message_signed(user_id, platform, SIGNED_AT_S)
}

/// Likewise, with a UserSig that was signed at `time_s`.
pub fn first_message_signed(user_id: &str, platform: &str, time_s: u64) -> String {
    serde_json::json!({
        "sdkappid": SDKAPPID,
        "identifier": user_id,
        "usersig": usersig_signed_at(user_id, time_s),
        "platform": platform,
    })
    .to_string()
}
