//! `muster export`: the accounts of an app into a file, by the crate `muster-bulk`.

use std::{
    fs::{self, OpenOptions},
    io::{self, IsTerminal as _, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow};
use clap::{Args, ValueHint};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use muster_bulk::{
    Export as Bulk, ExportError, Exported, Step,
    file::{Compression, Format, Named, PartialFile, WriteOptions, Writer},
};
use muster_client::operator::{Operator, OperatorError};

use crate::{
    operator_connection::{Connection, ConnectionArgs},
    out,
    signals::StopSignals,
};

/// How long to try while the server does not answer.
const PATIENCE: Duration = Duration::from_mins(5);

/// Write the accounts of an app into a file, while the server goes on working.
///
/// The file is CSV with a header or NDJSON, plain, or compressed by a .gz or .zst at the end of its name. It
/// has user_id, nick, face_url, internal_id, imported_at, changed_at, kicked_at (empty or null if never) and
/// state (active: deleted users are not in it). NDJSON also has the other fields of the profile; CSV leaves
/// them out. `muster import` takes the file as it is.
///
/// It is not of one moment: an account that is there from beginning to end is in it once, and what is made,
/// changed or deleted meanwhile is in it as before or as after. A user who is deleted and imported again
/// meanwhile may be in it twice. `muster backup` copies one moment.
///
/// The file is called FILE.partial until it is whole and on disk; then it takes the place of FILE. A new one
/// has mode 0600, since it is users' data; one that is there keeps its mode, and a link leads to the file that
/// is written. A pipe or a device is written as it is. While the server does not answer, it is asked again for
/// 5 minutes. The server is found as by `muster app`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Export {
    /// The file to write; - is the standard output.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,

    /// The app.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    sdkappid: u32,

    /// What the file is to be, if its name does not say so.
    #[arg(long, value_name = "csv|ndjson")]
    format: Option<Format>,

    /// How many accounts to ask the server for at a time, up to 10000; so many are held in memory.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000))]
    page_size: u32,

    #[command(flatten)]
    connection: ConnectionArgs,
}

const EXAMPLES: &str = "\
Examples:
  muster export users.csv --sdkappid 1400000001
  muster export users.ndjson.zst --sdkappid 1400000001 --data-dir /var/lib/muster
  muster export - --format ndjson --sdkappid 1400000001 | jq -r .user_id
  muster import users.ndjson.zst --help            to take it into another app";

impl Export {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let options = self.options()?;
        let bulk = Bulk {
            sdkappid: self.sdkappid,
            page_size: self.page_size,
            patience: PATIENCE,
        };
        if self.file == Path::new("-") {
            let open = || Ok(io::stdout());
            return self.stream("the standard output", open, bulk, options);
        }
        if is_special(&self.file) {
            let file = self.file.clone();
            let open = || OpenOptions::new().write(true).open(&file);
            return self.stream(&file.display().to_string(), open, bulk, options);
        }
        let connection = self.connection.operator()?;
        let (app, signals) = connection.call(async |api| {
            let app = api.app(self.sdkappid).await?;
            Ok((app, StopSignals::listen()))
        })?;
        let began = Instant::now();
        let shown = self.file.display().to_string();
        let file =
            PartialFile::create(&self.file).with_context(|| format!("cannot write {shown}"))?;
        let partial = file.partial().display().to_string();
        let file = Counted::new(file);
        let done = write(
            &connection,
            bulk,
            file,
            options,
            app.accounts,
            Some(signals?),
        );
        let (exported, file) =
            done.with_context(|| format!("there is no new {shown}, and {partial} is removed"))?;
        let bytes = file.bytes;
        let kept = file.to.keep();
        kept.with_context(|| format!("cannot bring {shown} to the disk"))?;
        out::print(&summary(&shown, exported, bytes, began))?;
        Ok(ExitCode::SUCCESS)
    }

    /// Writes what is no regular file. Nothing is to be removed afterwards, so that a signal simply ends it.
    fn stream<W: Write>(
        self,
        name: &str,
        open: impl FnOnce() -> io::Result<W>,
        bulk: Bulk,
        options: WriteOptions,
    ) -> anyhow::Result<ExitCode> {
        let connection = self.connection.operator()?;
        let app = connection.call(async |api| api.app(self.sdkappid).await)?;
        let began = Instant::now();
        let opened = open().with_context(|| format!("cannot write {name}"))?;
        match write(
            &connection,
            bulk,
            Counted::new(opened),
            options,
            app.accounts,
            None,
        ) {
            Ok((exported, written)) => {
                let said = summary(name, exported, written.bytes, began);
                // The standard output may be what was written. `eprint!` panics if nobody can be told.
                let _ = io::stderr().write_all(said.as_bytes());
                Ok(ExitCode::SUCCESS)
            }
            // As with `muster app list | head -1`.
            Err(error) if is_broken_pipe(&error) => Ok(ExitCode::SUCCESS),
            Err(error) => Err(error.context(format!("the export to {name} broke off"))),
        }
    }

    fn options(&self) -> anyhow::Result<WriteOptions> {
        let named = Named::of(&self.file);
        let format = self.format.or(named.format).with_context(|| {
            format!(
                "what {} is to be is not said; give --format csv or --format ndjson",
                self.file.display()
            )
        })?;
        Ok(WriteOptions {
            compression: named.compression.unwrap_or(Compression::None),
            delimiter: named.delimiter.unwrap_or(b','),
            ..WriteOptions::new(format)
        })
    }
}

/// Whether a file is there, or a link leads to one, which is a pipe or a device.
fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|about| !about.is_file() && !about.is_dir())
}

/// Writes all accounts into `file`, until a signal stops it.
fn write<W: Write>(
    connection: &Connection,
    bulk: Bulk,
    file: W,
    options: WriteOptions,
    accounts: u64,
    signals: Option<StopSignals>,
) -> anyhow::Result<(Exported, W)> {
    let mut writer = Writer::new(file, options)?;
    let progress = Progress::start(accounts);
    let exported = connection.call(async |api| {
        let exporting = export(bulk, api, &mut writer, &progress);
        let Some(signals) = signals else {
            return exporting.await;
        };
        let stop = signals.watch();
        tokio::select! {
            exported = exporting => exported,
            _ = stop => Ok(Err(anyhow!("stopped"))),
        }
    });
    progress.end();
    let exported = exported??;
    Ok((exported, writer.finish()?))
}

/// What the server did wrong is told apart from the rest.
async fn export<W: Write>(
    bulk: Bulk,
    api: &Operator,
    writer: &mut Writer<W>,
    progress: &Progress,
) -> Result<anyhow::Result<Exported>, OperatorError> {
    match bulk.run(api, writer, |step| progress.show(step)).await {
        Ok(exported) => Ok(Ok(exported)),
        Err(ExportError::Page(error)) => Err(error),
        Err(error @ ExportError::Write(_)) => Ok(Err(error.into())),
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let mut io_errors = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>());
    io_errors.any(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn summary(name: &str, exported: Exported, bytes: u64, since: Instant) -> String {
    let Exported {
        accounts,
        cut,
        began,
        ended,
    } = exported;
    let cut = match cut {
        0 => String::new(),
        _ => format!(
            "{cut} of them have other fields in their profile, which CSV leaves out; NDJSON has them\n"
        ),
    };
    format!(
        "{name} has {accounts} accounts, {bytes} bytes, written in {:.1} s\n\
         taken from {began} to {ended}; what changed meanwhile is in it as before or as after\n{cut}",
        since.elapsed().as_secs_f64(),
    )
}

/// Counts the bytes that are written.
struct Counted<W> {
    to: W,
    bytes: u64,
}

impl<W> Counted<W> {
    fn new(to: W) -> Self {
        Self { to, bytes: 0 }
    }
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// How far it is, on the standard error output: a bar on a terminal, or else a line every few seconds.
struct Progress {
    /// About: the app may change meanwhile.
    total: u64,
    shown: Shown,
}

enum Shown {
    Bar(ProgressBar),
    /// When the last line was.
    Lines(std::cell::Cell<Instant>),
}

const LINE_EVERY: Duration = Duration::from_secs(10);

impl Progress {
    fn start(total: u64) -> Self {
        let shown = if io::stderr().is_terminal() {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template(
                "export [{bar:30}] {human_pos} accounts, {per_sec}, {eta} to go",
            );
            bar.set_style(style.expect("the template is right").progress_chars("=> "));
            Shown::Bar(bar)
        } else {
            Shown::Lines(Instant::now().into())
        };
        Self { total, shown }
    }

    fn show(&self, step: Step<'_>) {
        match (step, &self.shown) {
            (Step::Written(accounts), Shown::Bar(bar)) => {
                bar.set_length(self.total.max(accounts));
                bar.set_position(accounts);
            }
            (Step::Written(accounts), Shown::Lines(last)) => {
                if last.get().elapsed() >= LINE_EVERY {
                    last.set(Instant::now());
                    let total = self.total;
                    self.say(&format!("export: {accounts} of about {total} accounts"));
                }
            }
            (
                Step::Failed {
                    error, tries: 1, ..
                },
                _,
            ) => {
                let minutes = PATIENCE.as_secs() / 60;
                self.say(&format!(
                    "export: {error}; the server is asked again for {minutes} minutes"
                ));
            }
            (Step::Failed { .. }, _) => {}
        }
    }

    fn say(&self, line: &str) {
        match &self.shown {
            Shown::Bar(bar) => bar.println(line),
            Shown::Lines(_) => {
                // `eprintln!` panics if nobody can be told.
                let _ = writeln!(io::stderr(), "{line}");
            }
        }
    }

    fn end(self) {
        if let Shown::Bar(bar) = self.shown {
            bar.finish_and_clear();
        }
    }
}
