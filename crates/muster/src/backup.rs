//! `muster backup`: a copy of a running server's store, as a data directory.

use std::{
    io::{self, IsTerminal as _, Read, Write as _},
    path::PathBuf,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow};
use bytes::{Buf as _, Bytes};
use clap::{Args, ValueHint};
use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use muster_accounts::AccountStore as _;
use muster_store_local::{LocalStore, restore};
use tokio::sync::mpsc;

use crate::{
    operator_connection::{Connection, ConnectionArgs},
    out,
};

/// Copy all that a running server holds into a new directory, while it goes on working.
///
/// The copy is what the server held at the moment when it began. It is a data directory: a server
/// starts on it as it is, and to restore it is to put it into the place of the old one. It is made
/// under the name DIRECTORY.partial, and has its own name only once it is whole and on disk; then it
/// is opened and counted. It holds the apps' secret keys, so it is for its owner only. The operator
/// token is not in it: a server that starts on it makes one.
///
/// The server is found as by `muster app`. A server that does not run is backed up by a copy of its
/// data directory.
#[derive(Args)]
#[command(after_help = "Examples:
  muster backup /backups/monday
  muster backup /backups/monday --data-dir /var/lib/muster
  muster backup monday --operator-url http://10.0.0.5:7081 --operator-token-file token
  muster serve --data-dir /backups/monday          to look into it, or to restore it")]
pub(crate) struct Backup {
    /// The directory to make.
    #[arg(value_name = "DIRECTORY", value_hint = ValueHint::DirPath)]
    directory: PathBuf,

    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Chunks that were received and are not written yet.
const CHUNKS: usize = 16;

impl Backup {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let connection = self.connection.operator()?;
        let dir = self.directory;
        let (chunks, source) = mpsc::channel(CHUNKS);
        let progress = Progress::start();
        let (download, restored) = thread::scope(|scope| {
            let connection = &connection;
            let download = scope.spawn(move || download(connection, &chunks));
            let mut source = Source {
                chunks: source,
                chunk: Bytes::new(),
            };
            let restored = restore(&mut source, &dir, &mut |bytes| progress.show(bytes));
            drop(source);
            (download.join(), restored)
        });
        progress.end();
        let bytes = match restored {
            // Whole is whole, whatever became of the connection after that.
            Ok(bytes) => bytes,
            Err(error) => {
                // What broke the download is the cause of what then was not a backup.
                download
                    .map_err(|_| anyhow!("the thread that reads from the server panicked"))??;
                return Err(error.into());
            }
        };

        let shown = dir.display();
        let store = LocalStore::open(&dir)
            .with_context(|| format!("the backup in {shown} was made, but does not open"))?;
        let accounts = store.stats().accounts;
        let word = out::shell_quoted(&shown.to_string());
        out::print(&format!(
            "{shown} is whole: {accounts} accounts, {}\n\
             start a server on it with: muster serve --data-dir {word}\n",
            HumanBytes(bytes)
        ))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Hands on what the server sends, to its end.
fn download(connection: &Connection, chunks: &mpsc::Sender<Bytes>) -> anyhow::Result<()> {
    connection.call(async |operator| {
        let mut backup = operator.back_up().await?;
        while let Some(chunk) = backup.chunk().await? {
            if chunks.send(chunk).await.is_err() {
                // The writer has failed, and says so itself.
                break;
            }
        }
        Ok(())
    })
}

struct Source {
    chunks: mpsc::Receiver<Bytes>,
    chunk: Bytes,
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            match self.chunks.blocking_recv() {
                Some(chunk) => self.chunk = chunk,
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.chunk.len());
        self.chunk.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

/// How far it is, on the standard error output: a line that changes on a terminal, or else a line
/// every few seconds. How much there will be is not known.
enum Progress {
    Bar(ProgressBar),
    Lines(std::cell::Cell<Instant>),
}

const LINE_EVERY: Duration = Duration::from_secs(5);

impl Progress {
    fn start() -> Self {
        if !io::stderr().is_terminal() {
            return Self::Lines(Instant::now().into());
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("backup: {bytes}, {bytes_per_sec}");
        bar.set_style(style.expect("the template is right"));
        Self::Bar(bar)
    }

    fn show(&self, bytes: u64) {
        match self {
            Self::Bar(bar) => bar.set_position(bytes),
            Self::Lines(last) if last.get().elapsed() >= LINE_EVERY => {
                last.set(Instant::now());
                // `eprintln!` panics if nobody can be told.
                let _ = writeln!(io::stderr(), "backup: {}", HumanBytes(bytes));
            }
            Self::Lines(_) => {}
        }
    }

    fn end(self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}
