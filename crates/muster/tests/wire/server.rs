//! A server for one test, and what holds at the end of each.

use std::{
    cell::RefCell,
    collections::{BTreeSet, HashSet},
};

use muster_testkit::{
    Ended, Launch, Muster, SAMPLE_KEY, SDKAPPID,
    http::{Answer, Connection, request},
    usersig,
};
use muster_usersig::{Claims, SecretKey, UserSig, sign};
use rustix::process::Signal;
use serde_json::Value;

/// Every header of an answer but its length, which is as long as it is, and `connection`.
const HEADERS: [(&str, &str); 4] = [
    ("content-type", "application/json"),
    ("access-control-allow-origin", "*"),
    ("access-control-allow-headers", "X-Requested-With"),
    ("access-control-allow-methods", "POST"),
];
/// Those whose value changes.
const OTHER_HEADERS: [&str; 4] = ["connection", "content-length", "date", "x-request-id"];

pub(crate) struct Server {
    muster: Muster,
    /// What no answer and no line of the log may hold.
    secrets: RefCell<BTreeSet<String>>,
    /// All answers of the account API.
    answers: RefCell<Vec<u8>>,
}

/// Runs a test against `muster dev` without limits on calls per second.
pub(crate) fn serving(test: impl FnOnce(&Server)) {
    serving_with(|launch| launch.arg("--no-rate-limits"), test);
}

/// Runs a test against `muster dev` with these flags.
pub(crate) fn serving_with(flags: impl FnOnce(Launch) -> Launch, test: impl FnOnce(&Server)) {
    let dir = tempfile::tempdir().unwrap();
    let launch = Launch::dev(env!("CARGO_BIN_EXE_muster"), &dir.path().join("data"));
    let server = Server::start(flags(launch));
    test(&server);
    server.end();
}

impl Server {
    pub(crate) fn start(launch: Launch) -> Self {
        let muster = launch.start();
        let secrets = BTreeSet::from([SAMPLE_KEY.to_owned(), muster.operator_token()]);
        Self {
            muster,
            secrets: RefCell::new(secrets),
            answers: RefCell::default(),
        }
    }

    pub(crate) fn muster(&self) -> &Muster {
        &self.muster
    }

    /// A new connection to the account API.
    pub(crate) fn connect(&self) -> Peer<'_> {
        Peer {
            connection: Connection::open(self.muster.accounts_url()),
            server: self,
        }
    }

    /// Makes one call as the administrator of the app of `muster dev`; `command` is as in
    /// `profile/portrait_get`.
    pub(crate) fn call(&self, command: &str, body: impl AsRef<[u8]>) -> String {
        let target = format!("/v4/{command}?{}", query());
        self.post(&target, body.as_ref())
    }

    /// Posts to this target on a connection of its own and gives the body of the answer.
    pub(crate) fn post(&self, target: &str, body: &[u8]) -> String {
        let mut peer = self.connect();
        peer.send(request("POST", target, &[], body));
        let answer = peer.answer();
        assert_protocol_headers(&answer);
        answer.text().to_owned()
    }

    /// Asks the operator API, which may show a key once: it is to stay hidden from then on.
    pub(crate) fn operator(&self, method: &str, path: &str, body: &str) -> Value {
        let token = format!("Bearer {}", self.muster.operator_token());
        let mut connection = Connection::open(self.muster.operator_url());
        let headers = [("Authorization", token.as_str())];
        connection.send(request(method, path, &headers, body.as_bytes()));
        let answer = connection.answer();
        let text = answer.text();
        assert!(
            (200..300).contains(&answer.status),
            "{method} {path}: {} {text}",
            answer.status
        );
        let value: Value = serde_json::from_str(text).unwrap();
        if let Some(key) = value["secret_key"].as_str() {
            self.keep_secret(key);
        }
        value
    }

    /// Makes an app with a key of its own.
    pub(crate) fn create_app(&self, sdkappid: u32, edition: &str) -> SecretKey {
        let body = format!(r#"{{"sdkappid":{sdkappid},"edition":"{edition}"}}"#);
        let made = self.operator("POST", "/muster/v1/apps", &body);
        assert_eq!(made["edition"], edition);
        key_of(&made)
    }

    /// What is secret of a UserSig: itself, and the signature in it.
    fn keep_usersig_secret(&self, usersig: &str) {
        let decoded = usersig.replace("%2A", "*").replace("%2a", "*");
        if let Ok(token) = UserSig::decode(&decoded) {
            self.keep_secret(token.tls_sig());
        }
        self.keep_secret(&decoded);
        self.keep_secret(usersig);
    }

    fn keep_secret(&self, secret: &str) {
        self.secrets.borrow_mut().insert(secret.to_owned());
    }

    /// It is well, has had no errors, and ends when it is told to.
    pub(crate) fn end(self) {
        let mut operator = Connection::open(self.muster.operator_url());
        operator.send(request("GET", "/muster/v1/health", &[], b""));
        assert_eq!(operator.answer().status, 200, "{}", self.muster.log());
        drop(operator);
        self.muster.signal(Signal::TERM);
        let ended = self.wait();
        assert!(ended.status.success(), "{}\n{}", ended.status, ended.said);
        for line in ended.said.lines() {
            assert!(!line.contains("ERROR"), "{line}");
        }
    }

    /// It ends, has not panicked, and has shown nobody a secret.
    pub(crate) fn wait(self) -> Ended {
        let ended = self.muster.wait();
        assert!(!ended.said.contains("panicked"), "{}", ended.said);
        let secrets = self.secrets.into_inner();
        if let Some(leak) = leak(&secrets, ended.said.as_bytes()) {
            panic!("a secret in the log: {leak}");
        }
        if let Some(leak) = leak(&secrets, &self.answers.into_inner()) {
            panic!("a secret in an answer: {leak}");
        }
        ended
    }
}

/// The first place that shows as much of a secret as could not be by chance.
fn leak(secrets: &BTreeSet<String>, shown: &[u8]) -> Option<String> {
    const PIECE_BYTES: usize = 24;
    let pieces: HashSet<&[u8]> = secrets
        .iter()
        .flat_map(|secret| secret.as_bytes().windows(PIECE_BYTES))
        .collect();
    let at = shown
        .windows(PIECE_BYTES)
        .position(|window| pieces.contains(window))?;
    let around = &shown[at.saturating_sub(200)..shown.len().min(at + 200)];
    Some(String::from_utf8_lossy(around).into_owned())
}

/// One connection to the account API. All that comes on it is looked through at the end.
pub(crate) struct Peer<'s> {
    connection: Connection,
    server: &'s Server,
}

impl Peer<'_> {
    /// Sends bytes; a UserSig in them is to stay hidden.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.note(bytes.as_ref());
        self.connection.send(bytes);
    }

    /// Sends bytes to a server that may have closed the connection; says whether it took them.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.note(bytes.as_ref());
        self.connection.try_send(bytes).is_ok()
    }

    pub(crate) fn answer(&mut self) -> Answer {
        let answer = self.connection.answer();
        self.saw(&answer);
        answer
    }

    pub(crate) fn answer_to_head(&mut self) -> Answer {
        let answer = self.connection.answer_to_head();
        self.saw(&answer);
        answer
    }

    /// All answers until the connection is closed, or reset.
    pub(crate) fn answers_to_the_end(&mut self) -> Vec<Answer> {
        let mut answers = Vec::new();
        while let Ok(Some(answer)) = self.connection.try_answer() {
            self.saw(&answer);
            answers.push(answer);
        }
        answers
    }

    pub(crate) fn finish_sending(&mut self) {
        self.connection.finish_sending();
    }

    pub(crate) fn wait_for_close(&mut self) {
        self.connection.wait_for_close();
    }

    fn note(&self, bytes: &[u8]) {
        const NAME: &[u8] = b"usersig=";
        for at in 0..bytes.len() {
            let Some(value) = bytes[at..].strip_prefix(NAME) else {
                continue;
            };
            let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"*-_%".contains(byte);
            let end = value.iter().position(|byte| !is_part(byte));
            let value = &value[..end.unwrap_or(value.len())];
            let usersig = str::from_utf8(value).expect("it is ASCII");
            self.server.keep_usersig_secret(usersig);
        }
    }

    fn saw(&self, answer: &Answer) {
        let mut answers = self.server.answers.borrow_mut();
        for (name, value) in &answer.headers {
            answers.extend_from_slice(format!("{name}: {value}\n").as_bytes());
        }
        answers.extend_from_slice(&answer.body);
        answers.push(b'\n');
    }
}

/// The query of a good call, as in the samples of the specification.
pub(crate) fn query() -> String {
    query_of(SDKAPPID, "administrator", &usersig("administrator"))
}

pub(crate) fn query_of(sdkappid: u32, identifier: &str, usersig: &str) -> String {
    format!(
        "sdkappid={sdkappid}&identifier={identifier}&usersig={usersig}\
         &random=4294967295&contenttype=json"
    )
}

/// A UserSig good for ten years, signed with this key.
pub(crate) fn signed(key: &SecretKey, sdkappid: u32, identifier: &str) -> String {
    let claims = Claims {
        identifier: identifier.to_owned(),
        sdkappid: sdkappid.into(),
        time_s: 1_700_000_000,
        expire_s: 315_360_000,
        userbuf: None,
    };
    sign(key, &claims)
}

/// The key that the operator API shows once.
pub(crate) fn key_of(made: &Value) -> SecretKey {
    SecretKey::parse(made["secret_key"].as_str().unwrap()).unwrap()
}

/// What every answer to a processed call has, and nothing else (wire §1.2).
pub(crate) fn assert_protocol_headers(answer: &Answer) {
    assert_eq!(answer.status, 200, "{answer:?}");
    for (name, value) in HEADERS {
        assert_eq!(answer.header(name), Some(value), "{answer:?}");
    }
    for (name, _) in &answer.headers {
        let is_known = HEADERS.iter().any(|(known, _)| known == name);
        assert!(
            is_known || OTHER_HEADERS.contains(&name.as_str()),
            "the header {name} is new: {answer:?}"
        );
    }
}
