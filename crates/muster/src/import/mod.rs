//! `muster import`: accounts from a file into an app, of muster or of Tencent's cloud, by the crate
//! `muster-bulk`.

mod advice;
mod progress;
mod summary;

use std::{
    env,
    fs::{File, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, anyhow, bail, ensure};
use clap::{Args, ValueEnum, ValueHint};
use muster_accounts::UserId;
use muster_bulk::{
    Earlier, Import as Bulk, JournalPaths, Lane, Progress, Reasons, Tempo,
    file::{Columns, Format, ReadOptions, Reader},
};
use muster_client::{Client, Options, operator::Operator};
use tokio::sync::watch;

use self::summary::Told;
use crate::{
    operator_connection::ConnectionArgs, out, secret_key_args::SecretKeyArgs, signals::StopSignals,
};

/// Calls a second that Tencent's documentation allows of multiaccount_import.
const DOCUMENTED_RATE: f64 = 100.0;

/// Import accounts from a file, by the account API of muster or of Tencent Cloud Live and Chat.
///
/// FILE is CSV with a header, or NDJSON, with one user in each row or line: user_id, and if you like nick
/// and face_url. What is left out, or an empty cell of CSV, leaves what an account has as it is. A user
/// who is named more than once ends with what the file says last.
///
/// Every record ends as imported or failed, or the command says that it was not tried. Failed ones are
/// copied into FILE.rejects.csv, to be corrected and imported; FILE.report.ndjson says why, and which users
/// are named more than once. Ctrl-C, a crash or a power cut lose nothing: --resume goes on where it was.
///
/// The secret key comes from --secret-key-file, --secret-key or MUSTER_SECRET_KEY.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub(crate) struct Import {
    /// What to import; - is the standard input.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,

    /// The server: the base URL of its account API.
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    #[arg(required_unless_present_any = ["direct", "dry_run"])]
    endpoint: Option<String>,

    /// The app.
    #[arg(long, value_name = "N", required_unless_present = "dry_run")]
    sdkappid: Option<u32>,

    /// The admin of the app who calls.
    #[arg(long, value_name = "USERID", value_parser = UserId::parse)]
    #[arg(default_value = "administrator")]
    identifier: UserId,

    #[command(flatten)]
    secret_key: SecretKeyArgs,

    /// Send the file to muster's operator API, thousands of lines a request, which no rate of calls limits.
    /// Needs the operator token, no secret key.
    #[arg(long, conflicts_with_all = ["endpoint", "rate", "dry_run"])]
    direct: bool,

    /// Only check the file: ids, lengths, UTF-8, users named more than once. Sends nothing.
    #[arg(long)]
    dry_run: bool,

    /// Go on with an import of this file that was broken off.
    #[arg(long, conflicts_with_all = ["restart", "dry_run"])]
    resume: bool,

    /// Begin anew, and write over what an import before this has left beside the file.
    #[arg(long, conflicts_with = "dry_run")]
    restart: bool,

    /// The file has a value under another name, as in --map nick=name; once for each.
    #[arg(long, value_name = "VALUE=NAME", value_parser = mapped)]
    map: Vec<(Value, String)>,

    /// What the file is, if its name does not say so.
    #[arg(long, value_name = "csv|ndjson")]
    format: Option<Format>,

    /// What stands between the cells of a row [default: a comma, in a .tsv a tab].
    #[arg(long, value_name = "CHARACTER", value_parser = delimiter)]
    delimiter: Option<u8>,

    /// Calls per second, 0 for as many as possible. Tencent allows 100 for an app, and muster unless it is
    /// told otherwise.
    #[arg(long, value_name = "CALLS_PER_S", value_parser = rate, default_value_t = DOCUMENTED_RATE)]
    rate: f64,

    /// Calls under way at once [default: 16; with --direct 3, and at most 4].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    in_flight: Option<u16>,

    /// How long a call may take. One that took longer may still be carried out for as long again, so lines
    /// that name its users once more wait for that.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout_s: u64,

    /// How long to try while no call is answered well.
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=604_800))]
    patience_s: u64,

    /// Where failed records go [default: beside FILE].
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    rejects: Option<PathBuf>,

    /// Where it is said why [default: beside FILE; with --dry-run nowhere].
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    report: Option<PathBuf>,

    /// Where is noted how far the import is [default: beside FILE; for the standard input nowhere].
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    checkpoint: Option<PathBuf>,

    /// Print the result as JSON; names end in their unit.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    operator: ConnectionArgs,
}

const EXAMPLES: &str = "\
Examples:
  muster import users.csv --dry-run                        is the file as it should be?
  muster import users.csv --endpoint http://127.0.0.1:7080 --sdkappid 1400000000 \\
      --secret-key-file app.key
  muster import users.csv --endpoint http://127.0.0.1:7080 --sdkappid 1400000000 \\
      --secret-key-file app.key --resume
  muster import crm.tsv.gz --map user_id=login --map nick=display_name \\
      --endpoint https://console.tim.qq.com --sdkappid 1400000001 --secret-key-file app.key
  muster import users.ndjson.zst --direct --sdkappid 1400000000 --data-dir /var/lib/muster

Exit codes:
  0  every record is imported
  3  every record was tried, and some have failed
  1  it broke off or was stopped, so not every record was tried; --resume goes on
  2  wrong usage";

/// A value that the file may have under another name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Value {
    UserId,
    Nick,
    FaceUrl,
}

fn mapped(text: &str) -> Result<(Value, String), String> {
    let (value, name) = text
        .split_once('=')
        .ok_or("write it as nick=NAME, with the name that the file has")?;
    let value = Value::from_str(value, false)
        .map_err(|_| "user_id, nick and face_url can be mapped, as in nick=NAME")?;
    if name.is_empty() {
        return Err("the name after = is empty".to_owned());
    }
    Ok((value, name.to_owned()))
}

fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => Ok(*byte),
        br"\t" => Ok(b'\t'),
        _ => Err(r"it is one ASCII character, such as ; or \t".to_owned()),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "it is not a number".to_owned())?;
    if rate == 0.0 || (0.001..=1_000_000.0).contains(&rate) {
        return Ok(rate);
    }
    Err("0.001 to 1000000 calls per second are possible, or 0 for no limit".to_owned())
}

/// How many imports of lines a server takes at once.
const DIRECT_IN_FLIGHT_MAX: u16 = 4;

/// How long a server may go on with a commit that nobody waits for any more, unless it is told otherwise.
const DIRECT_DOUBT: Duration = Duration::from_secs(30);

impl Import {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        // Errors have names of files and columns in them, and words of a server.
        self.import()
            .map_err(|error| anyhow!("{}", out::visible(&format!("{error:#}"))))
    }

    fn import(self) -> anyhow::Result<ExitCode> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .context("cannot start")?;
        let lock = self.lock()?;
        let is_dry_run = self.dry_run;
        let (lane, target) = self.lane()?;
        let reader = self.reader()?;
        // Not before: a header may be waited for, and a signal is to end that as it ends any command.
        let stop = {
            let _entered = runtime.enter();
            StopSignals::listen()?.watch()
        };
        let name = self.file.display().to_string();
        let paths = self.paths(&reader)?;
        let told = Told {
            file: name,
            target: target.clone(),
            rejects_options: paths
                .rejects
                .as_deref()
                .map(|rejects| advice::rejects_options(rejects, &reader)),
            paths: paths.clone(),
            is_dry_run,
            is_json: self.json,
            ignored: reader.ignored_columns(),
        };
        let bytes = progress::Bytes {
            read: reader.bytes_read_counter(),
            total: reader.bytes_total(),
        };
        let import = Bulk {
            scratch_dir: scratch_dir(&paths),
            reader,
            lane,
            target,
            paths,
            earlier: match (self.resume, self.restart) {
                (true, _) => Earlier::Resume,
                (_, true) => Earlier::Restart,
                _ => Earlier::Refuse,
            },
        };
        let progress = Progress::default();
        let (tell, told_stop) = watch::channel(false);
        runtime.spawn(async move {
            if stop.await.is_ok() {
                // A run that has ended needs no telling.
                let _ = tell.send(true);
                let _ = writeln!(
                    io::stderr(),
                    "stopping: waiting for the calls under way; once more, after a second, ends at once"
                );
            }
            // Not dropped: the end of the sender would be no word to stop, but not needed either.
            std::future::pending::<()>().await;
        });
        let shown = progress::Shown::start(progress.clone(), bytes)?;
        let summary = runtime.block_on(import.run(&progress, told_stop));
        shown.end();
        drop(lock);
        let summary = summary.map_err(|error| advice::of_journal(&error))?;
        out::print(&told.text(&summary))?;
        summary::exit_code(&summary)
    }

    /// Nobody else imports this file meanwhile.
    fn lock(&self) -> anyhow::Result<Option<File>> {
        if self.is_stdin() || self.dry_run {
            return Ok(None);
        }
        let name = self.file.display();
        let file = File::open(&self.file).with_context(|| format!("cannot read {name}"))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                bail!("another muster import of {name} is running")
            }
            // Not every file system can.
            Err(TryLockError::Error(_)) | Ok(()) => Ok(Some(file)),
        }
    }

    fn is_stdin(&self) -> bool {
        self.file == Path::new("-")
    }

    fn lane(&self) -> anyhow::Result<(Lane, String)> {
        if self.dry_run {
            return Ok((Lane::nowhere(), "nowhere".to_owned()));
        }
        let app = self.sdkappid.context("--sdkappid is missing")?;
        let timeout = Duration::from_secs(self.timeout_s);
        let tempo = |rate_per_s, in_flight, doubt| Tempo {
            rate_per_s,
            in_flight: self.in_flight.unwrap_or(in_flight).into(),
            patience: Duration::from_secs(self.patience_s),
            doubt,
        };
        let Some(endpoint) = &self.endpoint else {
            let in_flight = self.in_flight.unwrap_or(0);
            ensure!(
                in_flight <= DIRECT_IN_FLIGHT_MAX,
                "--in-flight {in_flight} is too much with --direct: the server takes \
                 {DIRECT_IN_FLIGHT_MAX} such requests at once"
            );
            let (operator, url) = self.operator.api()?;
            let target = format!("app {app} at {url}, directly");
            let tempo = tempo(None, 3, timeout.max(DIRECT_DOUBT));
            return Ok((Lane::direct(operator, app, timeout, tempo), target));
        };
        let key = self.secret_key.flags_or_environment()?.context(
            "there is no secret key; give it with --secret-key-file or in MUSTER_SECRET_KEY",
        )?;
        let options = Options::default().timeout(timeout);
        let identifier = self.identifier.as_str();
        let client = Client::with_options(endpoint, app, identifier, key, &options);
        let client = client.context("--endpoint")?;
        let rate = (self.rate > 0.0).then_some(self.rate);
        let target = format!("app {app} at {}", endpoint.trim_end_matches('/'));
        Ok((
            Lane::wire(client, self.reasons(app)?, tempo(rate, 16, timeout)),
            target,
        ))
    }

    /// Of muster, with a token that was given for it; anybody else is asked user by user.
    fn reasons(&self, app: u32) -> anyhow::Result<Reasons> {
        if !self.operator.is_given() {
            return Ok(Reasons::Singly);
        }
        let (operator, _): (Operator, String) = self.operator.api()?;
        Ok(Reasons::Operator(operator, app))
    }

    fn reader(&self) -> anyhow::Result<Reader> {
        let mut columns = Columns::default();
        for (value, name) in &self.map {
            let column = match value {
                Value::UserId => &mut columns.user_id,
                Value::Nick => &mut columns.nick,
                Value::FaceUrl => &mut columns.face_url,
            };
            column.clone_from(name);
        }
        let options = ReadOptions {
            format: self.format,
            columns,
            delimiter: self.delimiter,
            ..ReadOptions::default()
        };
        let name = self.file.display();
        if self.is_stdin() {
            return Reader::new(io::stdin(), &options).context("the standard input");
        }
        Reader::open(&self.file, &options).with_context(|| name.to_string())
    }

    fn paths(&self, reader: &Reader) -> anyhow::Result<JournalPaths> {
        let extension = match reader.format() {
            Format::Csv if reader.delimiter() == Some(b'\t') => "tsv",
            Format::Csv => "csv",
            Format::Ndjson => "ndjson",
        };
        let mut paths = if self.is_stdin() {
            JournalPaths {
                input: None,
                checkpoint: None,
                ..JournalPaths::beside(Path::new("stdin"), extension)
            }
        } else {
            JournalPaths::beside(&self.file, extension)
        };
        if self.dry_run {
            paths = JournalPaths {
                input: paths.input,
                rejects: None,
                report: None,
                checkpoint: None,
            };
        }
        for (path, given) in [
            (&mut paths.rejects, &self.rejects),
            (&mut paths.report, &self.report),
            (&mut paths.checkpoint, &self.checkpoint),
        ] {
            if given.is_some() {
                path.clone_from(given);
            }
        }
        ensure!(
            !self.resume || paths.checkpoint.is_some(),
            "--resume: an import of the standard input is noted nowhere unless --checkpoint says where"
        );
        Ok(paths)
    }
}

/// Beside what the import leaves: there is room for that.
fn scratch_dir(paths: &JournalPaths) -> PathBuf {
    let beside = paths.rejects.as_deref().or(paths.report.as_deref());
    match beside.and_then(Path::parent) {
        Some(dir) if !dir.as_os_str().is_empty() => dir.to_owned(),
        Some(_) => PathBuf::from("."),
        None => env::temp_dir(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_columns() {
        assert_eq!(mapped("nick=a=b"), Ok((Value::Nick, "a=b".to_owned())));
        assert_eq!(
            mapped("user_id=login"),
            Ok((Value::UserId, "login".to_owned()))
        );
        for text in ["nick", "nick=", "name=nick", "=x"] {
            assert!(mapped(text).is_err(), "{text}");
        }
    }

    #[test]
    fn delimiters() {
        assert_eq!(delimiter(";"), Ok(b';'));
        assert_eq!(delimiter(r"\t"), Ok(b'\t'));
        for text in ["", ";;", "\"", "；"] {
            assert!(delimiter(text).is_err(), "{text}");
        }
    }
}
