//! The server: which engine it is, and how it is set.

use std::{
    collections::HashMap,
    time::{SystemTime, UNIX_EPOCH},
};

use deadpool_postgres::GenericClient;
use tokio_postgres::{
    Client, Row,
    types::{ToSql, Type},
};

use super::Finding;
use crate::Options;

/// The oldest that muster is for, as in `server_version_num`.
const OLDEST: i64 = 150_000;

/// From which difference of the clocks on it is told, in seconds.
const CLOCK_LIMIT_S: f64 = 1.0;

/// What is said of a setting that lets acknowledged accounts be lost.
const FSYNC_OFF: &str =
    "it is off: a power cut or a crash of the machine can damage the whole database";
const PAGES_OFF: &str = "it is off: a power cut can leave torn pages, which damage the database";
const COMMIT_OFF: &str =
    "it is off: a crash of the server loses accounts that muster has acknowledged before it";

const SETTINGS: &str = "SELECT name, setting FROM pg_settings WHERE name = ANY ($1)";
const NAMES: [&str; 14] = [
    "server_version_num",
    "server_encoding",
    "fsync",
    "full_page_writes",
    "synchronous_commit",
    "synchronous_standby_names",
    "default_transaction_isolation",
    "statement_timeout",
    "lock_timeout",
    "idle_session_timeout",
    "transaction_timeout",
    "max_connections",
    "superuser_reserved_connections",
    "reserved_connections",
];

struct Settings(HashMap<String, String>);

impl Settings {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// 0 if this server has no such setting.
    fn number(&self, name: &str) -> i64 {
        self.text(name)
            .and_then(|text| text.parse().ok())
            .unwrap_or(0)
    }
}

/// Adds what there is to say.
pub(super) async fn look(options: &Options, client: &Client, findings: &mut Vec<Finding>) {
    let settings = match read(client).await {
        Ok(settings) => settings,
        Err(error) => {
            findings.push(Finding::unknown("engine", &error));
            return;
        }
    };
    findings.push(engine(client, &settings).await);
    findings.push(encoding(&settings));
    findings.push(switch("fsync", &settings, FSYNC_OFF));
    findings.push(switch("full_page_writes", &settings, PAGES_OFF));
    findings.push(synchronous_commit(&settings));
    findings.push(standbys(client, &settings).await);
    findings.push(isolation(&settings));
    findings.push(timeouts(&settings));
    findings.push(connections(options, client, &settings).await);
    findings.push(clock(client).await);
}

async fn read(client: &Client) -> Result<Settings, tokio_postgres::Error> {
    let names = NAMES.as_slice();
    let asked = [(&names as &(dyn ToSql + Sync), Type::TEXT_ARRAY)];
    let rows = client.query_typed(SETTINGS, &asked).await?;
    let pair = |row: &Row| (row.get(0), row.get(1));
    Ok(Settings(rows.iter().map(pair).collect()))
}

async fn engine(client: &Client, settings: &Settings) -> Finding {
    let subject = "engine";
    let asked = "SELECT version(), EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'citus')";
    let row = match client.query_typed_one(asked, &[]).await {
        Ok(row) => row,
        Err(error) => return Finding::unknown(subject, &error),
    };
    let (version, is_citus): (String, bool) = (row.get(0), row.get(1));
    let other = [("YB-", "YugabyteDB"), ("CockroachDB", "CockroachDB")];
    let other = other
        .iter()
        .find_map(|(sign, name)| version.contains(sign).then_some(*name))
        .or(is_citus.then_some("PostgreSQL with Citus"));
    // Without the compiler and its version.
    let name = version.split(" on ").next().unwrap_or(&version);
    if let Some(other) = other {
        let text = format!("this is {other} ({name}), on which muster's tests do not run");
        return Finding::warning(
            subject,
            text,
            "try it with what you mean to do before relying on it",
        );
    }
    if settings.number("server_version_num") < OLDEST {
        let text = format!("this is {name}; muster is for PostgreSQL 15 or later");
        return Finding::wrong(subject, text, "use a later one");
    }
    Finding::ok(subject, name)
}

fn encoding(settings: &Settings) -> Finding {
    let subject = "encoding";
    match settings.text("server_encoding") {
        Some("UTF8") => Finding::ok(subject, "texts are kept as UTF8"),
        other => Finding::wrong(
            subject,
            format!("texts are kept as {}", other.unwrap_or("nobody knows what")),
            "make a database with ENCODING 'UTF8' TEMPLATE template0",
        ),
    }
}

fn switch(subject: &'static str, settings: &Settings, off: &str) -> Finding {
    match settings.text(subject) {
        Some("off") => Finding::wrong(
            subject,
            off,
            format!("set {subject} = on in postgresql.conf, and reload it"),
        ),
        on => Finding::ok(subject, on.unwrap_or("this server has no such switch")),
    }
}

fn synchronous_commit(settings: &Settings) -> Finding {
    let subject = "synchronous_commit";
    let has_standbys = settings
        .text("synchronous_standby_names")
        .unwrap_or_default()
        != "";
    match settings.text(subject) {
        Some("off") => Finding::wrong(
            subject,
            COMMIT_OFF,
            "set it to on for the role: ALTER ROLE … SET synchronous_commit = on",
        ),
        Some("local") if has_standbys => Finding::warning(
            subject,
            "it is local: commits do not wait for the standbys that synchronous_standby_names names, \
             and a failover can lose the last of them",
            "set it to on for the role",
        ),
        Some("remote_write") if has_standbys => Finding::warning(
            subject,
            "it is remote_write: what was acknowledged last is lost if the primary and the machine of \
             a standby fail together",
            "set it to on for the role",
        ),
        other => Finding::ok(subject, other.unwrap_or("this server has no such setting")),
    }
}

async fn standbys(client: &Client, settings: &Settings) -> Finding {
    let subject = "synchronous_standby_names";
    let names = settings.text(subject).unwrap_or_default();
    if !names.is_empty() {
        return Finding::ok(subject, format!("commits wait for {names}"));
    }
    let asked = "SELECT count(*) FROM pg_stat_replication";
    let followers = client.query_typed_one(asked, &[]).await;
    let followers: i64 = followers.map_or(0, |row| row.get(0));
    if followers > 0 {
        return Finding::warning(
            subject,
            format!(
                "it is empty, so commits wait for none of the {followers} servers that follow this \
                 one: a failover can lose the last of them"
            ),
            "name the standbys there, if nothing that was acknowledged may be lost",
        );
    }
    Finding::ok(
        subject,
        "empty, and no server follows this one: what there is, is here alone",
    )
}

/// What muster needs it asks for itself.
fn isolation(settings: &Settings) -> Finding {
    let subject = "default_transaction_isolation";
    match settings.text(subject) {
        None | Some("read committed") => Finding::ok(subject, "read committed"),
        Some(other) => {
            let text = format!("{other}; muster's connections ask for read committed");
            Finding::ok(subject, text)
        }
    }
}

/// Of the limits in time, muster sets for its connections what it relies on.
fn timeouts(settings: &Settings) -> Finding {
    let subject = "timeouts";
    let of_role = [
        "lock_timeout",
        "idle_session_timeout",
        "transaction_timeout",
    ];
    let set: Vec<String> = of_role
        .iter()
        .filter(|name| settings.number(name) != 0)
        .map(|name| format!("{name} = {} ms", settings.number(name)))
        .collect();
    if set.is_empty() {
        return Finding::ok(
            subject,
            "none that cuts calls off; muster limits statements and idle transactions itself",
        );
    }
    Finding::warning(
        subject,
        format!(
            "{}: calls that wait, or connections that are not used for a while, are cut off",
            set.join(", ")
        ),
        "set it to 0 for the role; muster limits statements and idle transactions itself",
    )
}

async fn connections(options: &Options, client: &Client, settings: &Settings) -> Finding {
    let subject = "connections";
    let asked = "SELECT rolconnlimit, datconnlimit, rolsuper FROM pg_roles, pg_database
        WHERE rolname = current_user AND datname = current_database()";
    let row = match client.query_typed_one(asked, &[]).await {
        Ok(row) => row,
        Err(error) => return Finding::unknown(subject, &error),
    };
    let limits: [i32; 2] = [row.get(0), row.get(1)];
    let reserved = if row.get(2) {
        0
    } else {
        settings.number("superuser_reserved_connections") + settings.number("reserved_connections")
    };
    let room = limits
        .into_iter()
        .filter(|limit| *limit >= 0)
        .map(i64::from)
        .fold(settings.number("max_connections") - reserved, i64::min);
    judge_connections(subject, room, options.all_connections())
}

fn judge_connections(subject: &'static str, room: i64, needed: usize) -> Finding {
    let room = usize::try_from(room).unwrap_or(0);
    let advice = "raise max_connections, or the limit of the role or the database, or lower \
        store_connections";
    match room / needed {
        0 => Finding::wrong(
            subject,
            format!("this role gets {room}, and a muster takes up to {needed}"),
            advice,
        ),
        1 => Finding::warning(
            subject,
            format!("this role gets {room}, enough for one muster, which takes up to {needed}"),
            format!("for a second one, {advice}"),
        ),
        musters => Finding::ok(
            subject,
            format!("this role gets {room}, enough for {musters} muster of up to {needed} each"),
        ),
    }
}

/// The times of accounts, kicks and UserSigs are those of muster's machine.
async fn clock(client: &Client) -> Finding {
    let subject = "clock";
    let now_s = || {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(0.0, |since| since.as_secs_f64())
    };
    let asked = "SELECT extract(epoch FROM clock_timestamp())::float8";
    let before_s = now_s();
    let there_s = match client.query_typed_one(asked, &[]).await {
        Ok(row) => row.get(0),
        Err(error) => return Finding::unknown(subject, &error),
    };
    judge_clocks(subject, before_s, there_s, now_s())
}

/// What the time of the way explains is no difference.
fn judge_clocks(subject: &'static str, before_s: f64, there_s: f64, after_s: f64) -> Finding {
    let difference_s: f64 = if there_s < before_s {
        there_s - before_s
    } else {
        (there_s - after_s).max(0.0)
    };
    if difference_s.abs() <= CLOCK_LIMIT_S {
        return Finding::ok(subject, "the database has the time of this machine");
    }
    let (by_s, how) = (
        difference_s.abs(),
        if difference_s < 0.0 {
            "behind"
        } else {
            "ahead"
        },
    );
    Finding::warning(
        subject,
        format!(
            "the database's clock is {by_s:.1} s {how} of this machine's; muster goes by its own, and \
             several of them have to agree"
        ),
        "see that all machines keep their time by NTP",
    )
}

/// At the start of a server: what the operator may not know. Whoever has not looked has not lost.
pub(crate) async fn warn_of_lost_commits(client: &impl GenericClient) {
    let asked =
        "SELECT current_setting('fsync', true), current_setting('synchronous_commit', true)";
    let Ok(row) = client.query_one(asked, &[]).await else {
        return;
    };
    let settings = [("fsync", FSYNC_OFF), ("synchronous_commit", COMMIT_OFF)];
    for (i, (setting, means)) in settings.iter().enumerate() {
        if row.get::<_, Option<&str>>(i) == Some("off") {
            tracing::warn!(
                setting,
                means,
                "a setting of the database lets acknowledged accounts be lost; `muster store check` \
                 says what to do"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Verdict, *};

    #[test]
    fn clocks_that_differ() {
        for (before_s, there_s, after_s, expected, told) in [
            (100.0, 100.1, 100.2, Verdict::Ok, "the time of this machine"),
            (100.0, 99.1, 100.2, Verdict::Ok, "the time of this machine"),
            // On a slow way nobody can tell.
            (100.0, 104.0, 105.0, Verdict::Ok, "the time of this machine"),
            (100.0, 98.5, 100.2, Verdict::Warning, "is 1.5 s behind"),
            (100.0, 103.0, 100.5, Verdict::Warning, "is 2.5 s ahead"),
        ] {
            let finding = judge_clocks("clock", before_s, there_s, after_s);
            assert_eq!(finding.verdict, expected, "{finding:?}");
            assert!(finding.text.contains(told), "{finding:?}");
        }
    }

    #[test]
    fn room_for_connections() {
        for (room, expected) in [
            (97, Verdict::Ok),
            (36, Verdict::Ok),
            (35, Verdict::Warning),
            (18, Verdict::Warning),
            (17, Verdict::Wrong),
            (-3, Verdict::Wrong),
        ] {
            let finding = judge_connections("connections", room, 18);
            assert_eq!(finding.verdict, expected, "{room}");
        }
    }
}
