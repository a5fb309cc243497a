//! Whether a database is fit for muster: asked before muster is started on it, or when something is odd.
//!
//! Only `SELECT`s are sent, so nothing is changed, whatever is found. Most settings do not stop muster
//! from working; they decide what is left of acknowledged accounts when something fails.

mod pooler;
mod schema;
mod server;

use std::{fmt, time::Duration};

use tokio::time::timeout;
use tokio_postgres::{
    Client,
    config::{SslMode, TargetSessionAttrs},
    error::SqlState,
};

use crate::{Options, connect, retry, tls};
pub(crate) use server::warn_of_lost_commits;

/// How long a connection may take, and how long all questions together.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_mins(1);

/// What tokio-postgres says of a server that takes no writes.
const STANDBY: &str = "database does not allow writes";

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// As it is to be.
    Ok,
    /// muster works, but not as well as it could, or less safely.
    Warning,
    /// muster does not work, or what it acknowledges can be lost.
    Wrong,
}

impl Verdict {
    /// In one word, for people and for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Wrong => "wrong",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One thing that was looked at. No text holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at, in one word that stays the same: `fsync`.
    pub subject: &'static str,
    /// How it is.
    pub verdict: Verdict,
    /// What was found, and what follows from it.
    pub text: String,
    /// What to do, unless all is well.
    pub advice: Option<String>,
}

impl Finding {
    fn ok(subject: &'static str, text: impl Into<String>) -> Self {
        Self {
            subject,
            verdict: Verdict::Ok,
            text: text.into(),
            advice: None,
        }
    }

    fn warning(subject: &'static str, text: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Warning,
            advice: Some(advice.into()),
            ..Self::ok(subject, text)
        }
    }

    fn wrong(subject: &'static str, text: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Wrong,
            ..Self::warning(subject, text, advice)
        }
    }

    /// Something could not be asked. Whom the server denies it, it denies muster.
    fn unknown(subject: &'static str, error: &tokio_postgres::Error) -> Self {
        let text = format!("the database does not tell: {}", retry::told(error));
        if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) {
            return Self::wrong(subject, text, "give the role this right");
        }
        Self::warning(subject, text, "look at it by other means")
    }
}

/// Looks at the database, in an order in which what is found first matters first. Needs a tokio runtime.
pub async fn check(options: &Options) -> Vec<Finding> {
    let mut findings = Vec::new();
    if timeout(PATIENCE, look(options, &mut findings))
        .await
        .is_err()
    {
        let text = format!("the database is silent after {} s", PATIENCE.as_secs());
        findings.push(Finding::wrong(
            "connection",
            text,
            "look to its load and its locks",
        ));
    }
    findings
}

async fn look(options: &Options, findings: &mut Vec<Finding>) {
    let client = match connect_to_primary(options, findings).await {
        Ok(client) => client,
        Err(cause) => {
            findings.push(Finding::wrong(
                "connection",
                format!("cannot connect to {options}: {cause}"),
                "muster does not start without it",
            ));
            return;
        }
    };
    findings.push(encryption(options));
    findings.push(pooler::look(options, &client).await);
    server::look(options, &client, findings).await;
    schema::look(&client, findings).await;
}

/// Connects as muster does. If there are only standbys, to one of these, for what else there is to say.
async fn connect_to_primary(
    options: &Options,
    findings: &mut Vec<Finding>,
) -> Result<Client, String> {
    match connect(options, TargetSessionAttrs::ReadWrite).await {
        Err(cause) if cause.contains(STANDBY) => {
            let client = connect(options, TargetSessionAttrs::Any).await?;
            findings.push(Finding::wrong(
                "connection",
                format!("{options} is a standby, or read-only by default: it takes no writes"),
                "name the primary, or all of the servers, of which muster takes the one that does; if \
                 there is no other, switch default_transaction_read_only off",
            ));
            Ok(client)
        }
        Err(cause) => Err(cause),
        Ok(client) => {
            findings.push(Finding::ok("connection", format!("{options} answers")));
            Ok(client)
        }
    }
}

async fn connect(options: &Options, target: TargetSessionAttrs) -> Result<Client, String> {
    let mut config = connect::settings(options);
    config.target_session_attrs(target);
    let connected = timeout(CONNECT_PATIENCE, config.connect(options.tls().clone())).await;
    let connected = connected.map_err(|_| "it is silent".to_owned())?;
    let (client, connection) = connected.map_err(|error| tls::told(&error))?;
    // It ends when the client is dropped; what it fails of, the statement under way says.
    tokio::spawn(connection);
    Ok(client)
}

fn encryption(options: &Options) -> Finding {
    let subject = "encryption";
    let advice =
        "add sslmode=require to the URL, and sslrootcert=FILE if the CA is one of your own";
    match (options.tls().is_encrypted(), options.ssl_mode()) {
        (true, SslMode::Require) => Finding::ok(
            subject,
            "the connection is encrypted, and the server is verified",
        ),
        (true, _) if options.leaves_machine() => Finding::warning(
            subject,
            "the connection is encrypted, but nobody verifies who the server is",
            advice,
        ),
        (true, _) => Finding::ok(subject, "the connection is encrypted"),
        (false, SslMode::Disable) => {
            Finding::ok(subject, "the connection is not encrypted, as the URL says")
        }
        (false, _) if options.leaves_machine() => Finding::warning(
            subject,
            "the connection is not encrypted, for the server speaks no TLS: accounts and keys can be \
             read on the way",
            format!("switch TLS on there, and {advice}"),
        ),
        (false, _) => Finding::ok(subject, "the connection stays on this machine, unencrypted"),
    }
}
