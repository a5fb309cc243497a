//! Calls of the account API, as a back end makes them: over one connection that is opened anew when it
//! breaks.

use std::{net::TcpStream, time::Duration};

use muster_testkit::http::{Connection, request};
use muster_usersig::{Claims, SecretKey, sign};
use serde_json::Value;

use crate::{KEY, SDKAPPID};

/// How long an answer may take, as callers are told to wait.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Caller {
    usersig: String,
    connection: Option<(String, Connection)>,
}

/// The call was carried out or was not; nobody knows.
#[derive(Debug)]
pub(crate) struct Unknown;

impl Caller {
    pub(crate) fn new() -> Self {
        let claims = Claims {
            identifier: "administrator".to_owned(),
            sdkappid: u64::from(SDKAPPID),
            time_s: 1_700_000_000,
            expire_s: 315_360_000,
            userbuf: None,
        };
        Self {
            usersig: sign(&SecretKey::parse(KEY).unwrap(), &claims),
            connection: None,
        }
    }

    /// Calls a command such as `im_open_login_svc/kick` at a node, and gives the answer to what was
    /// acknowledged.
    ///
    /// # Panics
    ///
    /// If the node answers that the call was wrong.
    pub(crate) fn call(
        &mut self,
        node_url: &str,
        command: &str,
        body: &Value,
    ) -> Result<Value, Unknown> {
        let answer = self.post(node_url, command, body);
        if answer.is_err() {
            self.connection = None;
        }
        let answer = answer?;
        let code = answer["ErrorCode"].as_i64().unwrap();
        // What the server says if its store fails or is late.
        let in_trouble = [40_006, 60_018, 70_169, 70_500];
        match code {
            0 => Ok(answer),
            code if in_trouble.contains(&code) => Err(Unknown),
            _ => panic!("{command} {body}: {answer}"),
        }
    }

    fn post(&mut self, node_url: &str, command: &str, body: &Value) -> Result<Value, Unknown> {
        let (_, connection) = match self.connection.take() {
            Some(open) if open.0 == node_url => self.connection.insert(open),
            _ => {
                let opened = (node_url.to_owned(), open(node_url)?);
                self.connection.insert(opened)
            }
        };
        let target = format!(
            "/v4/{command}?sdkappid={SDKAPPID}&identifier=administrator&usersig={}&random=1\
             &contenttype=json",
            self.usersig
        );
        let sent = connection.try_send(request("POST", &target, &[], body.to_string().as_bytes()));
        sent.map_err(|_| Unknown)?;
        let answer = connection.try_answer().ok().flatten().ok_or(Unknown)?;
        // A node that is stopping answers 503.
        if answer.status != 200 {
            return Err(Unknown);
        }
        Ok(serde_json::from_slice(&answer.body).unwrap())
    }
}

fn open(url: &str) -> Result<Connection, Unknown> {
    let address = url.strip_prefix("http://").unwrap();
    let stream = TcpStream::connect(address).map_err(|_| Unknown)?;
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    Ok(Connection::over(stream))
}
