//! From an app into a file, by pages of the operator API, each of which goes on after the last internal id
//! of the one before. A page that did not come through is asked for again: nothing is left out by that, and
//! nothing written twice.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    time::{Duration, SystemTime},
};

use muster_accounts::UnixSeconds;
use muster_client::{
    Backoff, ProfileValue,
    operator::{Account, AccountPage, Operator, OperatorError},
};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use crate::file::{Format, Writer};

/// The columns of an exported CSV file, of which NDJSON has one more, `profile`.
const COLUMNS: [&str; 8] = [
    "user_id",
    "nick",
    "face_url",
    "internal_id",
    "imported_at",
    "changed_at",
    "kicked_at",
    "state",
];

/// The state of every account that is listed: deleted users are not.
const ACTIVE: &str = "active";

/// All accounts of an app.
///
/// The app may change meanwhile. An account that is there all the time is exported once, one that is made
/// or deleted meanwhile may be in the file or not, and a user who is deleted and imported again may be in it
/// twice, under two internal ids; the later record is the newer one.
#[derive(Clone, Copy, Debug)]
pub struct Export {
    /// The app.
    pub sdkappid: u32,
    /// How many accounts to ask for at a time, 1 to 10,000. So many are held in memory.
    pub page_size: u32,
    /// How long to try while the server does not answer well.
    pub patience: Duration,
}

/// What happens in an export.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// So many accounts are written in all.
    Written(u64),
    /// A page did not come through and will be asked for again.
    Failed {
        /// Why.
        error: &'a OperatorError,
        /// How often it was asked for.
        tries: u32,
        /// How long until the next time.
        pause: Duration,
    },
}

/// What was exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exported {
    /// How many accounts.
    pub accounts: u64,
    /// How many of them have further profile fields that were left out, as in CSV.
    pub cut: u64,
    /// When the first page was asked for, by this machine's clock.
    pub began: UnixSeconds,
    /// When the last one was there.
    pub ended: UnixSeconds,
}

/// Why an export broke off.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The server did not give a page.
    #[error(transparent)]
    Page(#[from] OperatorError),
    /// The file does not take what is written.
    #[error("cannot write it")]
    Write(#[source] io::Error),
}

/// A line of NDJSON.
#[derive(Serialize)]
struct Line<'a> {
    user_id: &'a str,
    nick: &'a str,
    face_url: &'a str,
    internal_id: &'a str,
    imported_at: &'a str,
    changed_at: &'a str,
    kicked_at: Option<&'a str>,
    state: &'static str,
    profile: &'a BTreeMap<String, ProfileValue<'static>>,
}

impl Export {
    /// Writes all accounts, in the order in which they were made. Writing blocks, a page at a time.
    /// [`Writer::finish`] is the caller's.
    pub async fn run<W: Write>(
        self,
        operator: &Operator,
        writer: &mut Writer<W>,
        mut tell: impl FnMut(Step<'_>),
    ) -> Result<Exported, ExportError> {
        let began = now();
        let (mut accounts, mut cut) = (0, 0);
        let mut after = None;
        if writer.format() == Format::Csv {
            writer.write_row(COLUMNS).map_err(ExportError::Write)?;
        }
        loop {
            let page = self.page(operator, after.as_deref(), &mut tell).await?;
            for account in &page.accounts {
                write(account, writer).map_err(ExportError::Write)?;
                accounts += 1;
                cut += u64::from(writer.format() == Format::Csv && !account.profile.is_empty());
            }
            tell(Step::Written(accounts));
            after = page.next_after;
            if after.is_none() {
                let ended = now();
                return Ok(Exported {
                    accounts,
                    cut,
                    began,
                    ended,
                });
            }
        }
    }

    /// A page, asked for until it comes.
    async fn page(
        self,
        operator: &Operator,
        after: Option<&str>,
        tell: &mut impl FnMut(Step<'_>),
    ) -> Result<AccountPage, OperatorError> {
        let give_up_at = Instant::now() + self.patience;
        let mut backoff = Backoff::default();
        let mut tries = 0;
        loop {
            let page = operator.accounts(self.sdkappid, after, self.page_size);
            let error = match page.await {
                Ok(page) => return Ok(page),
                Err(error) => error,
            };
            let Some(at_least) = error.advice().pause() else {
                return Err(error);
            };
            let pause = backoff.next(at_least, fastrand::f64());
            if Instant::now() + pause > give_up_at {
                return Err(error);
            }
            tries += 1;
            tell(Step::Failed {
                error: &error,
                tries,
                pause,
            });
            sleep(pause).await;
        }
    }
}

fn write<W: Write>(account: &Account, writer: &mut Writer<W>) -> io::Result<()> {
    let Account {
        internal_id,
        user_id,
        nick,
        face_url,
        imported_at,
        changed_at,
        kicked_at,
        profile,
        ..
    } = account;
    match writer.format() {
        Format::Csv => {
            let kicked_at = kicked_at.as_deref().unwrap_or_default();
            writer.write_row([
                user_id,
                nick,
                face_url,
                internal_id,
                imported_at,
                changed_at,
                kicked_at,
                ACTIVE,
            ])
        }
        Format::Ndjson => writer.write_object(&Line {
            user_id,
            nick,
            face_url,
            internal_id,
            imported_at,
            changed_at,
            kicked_at: kicked_at.as_deref(),
            state: ACTIVE,
            profile,
        }),
    }
}

fn now() -> UnixSeconds {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    // A clock before 1970 is as wrong as can be.
    UnixSeconds(since.unwrap_or_default().as_secs())
}
