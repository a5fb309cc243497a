//! Redis: one hash an account, in pipelines, each answered after its sync.
//!
//! The commands are written ahead and the answers counted, without a client library: with one, its
//! cost would be a good part of what is measured.

use std::{
    io,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow, bail};
use bytes::Bytes;
use muster_bench::AccountValues;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    task::JoinSet,
    time::sleep,
};

use super::{
    Setup,
    phase::{Phase, Run, batches, ensure_written, measure},
};
use crate::server::{Abrupt, LOOK_EVERY, Program, Server};

const PROGRAM: &str = "redis-server";

/// How long a start may take.
const START_PATIENCE: Duration = Duration::from_mins(1);

const APP: &str = "1400000000";

/// Longest answer that is shown.
const SHOWN_LIMIT_BYTES: usize = 200;

/// How it is run, for the document.
pub(super) const HOW: &str = "Over a Unix socket, `appendonly yes`, `appendfsync always`, no snapshots, \
else as by default, rewrites of its log included. `HSET` of nick and face URL under app and user id, so \
many of them in a pipeline; commands are written ahead. It gives no internal id, keeps no times, \
writes what has not changed once more, and a pipeline is not atomic.";

/// The installed version.
pub(super) struct Redis {
    program: PathBuf,
    name: String,
}

pub(super) fn find() -> anyhow::Result<Redis> {
    let output = Command::new(PROGRAM).arg("--version").output();
    let output = output
        .map_err(|_| anyhow!("it is not installed; to measure it: apt-get install redis-server"))?;
    // `Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=…`
    let said = String::from_utf8_lossy(&output.stdout);
    let version = said
        .split_whitespace()
        .find_map(|word| word.strip_prefix("v="));
    let name = format!("Redis {}", version.unwrap_or("of some version"));
    Ok(Redis {
        program: PROGRAM.into(),
        name,
    })
}

/// Commands to send at once, and how many answers they have.
struct Pipeline {
    commands: Bytes,
    answers: usize,
}

fn pipelines(phase: Phase, accounts: u64, batch: usize) -> Vec<Pipeline> {
    let of_batch = |values: Vec<AccountValues>| {
        let mut commands = Vec::new();
        for AccountValues {
            user_id,
            nick,
            face_url,
        } in &values
        {
            let key = format!("{APP}:{user_id}");
            push_command(
                &mut commands,
                &["HSET", &key, "nick", nick, "face_url", face_url],
            );
        }
        Pipeline {
            commands: commands.into(),
            answers: values.len(),
        }
    };
    batches(phase, accounts, batch).map(of_batch).collect()
}

/// As an array of strings with their lengths in bytes.
fn push_command(out: &mut Vec<u8>, words: &[&str]) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        out.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
}

impl Redis {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) async fn measure(
        &self,
        setup: &Setup,
        batch: usize,
        dir: &Path,
    ) -> anyhow::Result<Run> {
        let data = dir.join("redis");
        std::fs::create_dir(&data)?;
        let socket = data.join("socket");
        let mut server = Program::new("Redis", &self.program, None, Abrupt::Kill)
            .args(&["--port", "0", "--unixsocket"])
            .arg(&socket)
            .args(&["--unixsocketperm", "700", "--dir"])
            .arg(&data)
            .args(&[
                "--save",
                "",
                "--appendonly",
                "yes",
                "--appendfsync",
                "always",
            ])
            .args(&["--daemonize", "no", "--loglevel", "warning"])
            .start(&dir.join("redis.log"))?;
        let mut connections = connections(&mut server, &socket, setup.connections).await?;
        let mut figures = Vec::with_capacity(Phase::ALL.len());
        for phase in Phase::ALL {
            // Written before the time begins to count.
            let pipelines = pipelines(phase, setup.accounts, batch);
            let load = async {
                let added = import(&mut connections, pipelines).await?;
                // Two fields are new of each new account.
                let new = u64::from(phase == Phase::New) * 2 * setup.accounts;
                ensure_written("new fields", added, new)
            };
            figures.push(measure(phase, setup.accounts, server.pid(), &data, load).await?);
        }
        let mut count = Vec::new();
        push_command(&mut count, &["DBSIZE"]);
        let count = Pipeline {
            commands: count.into(),
            answers: 1,
        };
        let keys = connections[0].run(&count).await?;
        ensure_written("accounts there", keys, setup.accounts)?;
        Ok(Run::new(
            figures.try_into().expect("there are as many phases"),
        ))
    }
}

/// Connects once the server lets itself be connected to.
async fn connections(
    server: &mut Server,
    socket: &Path,
    count: usize,
) -> anyhow::Result<Vec<Connection>> {
    let deadline = Instant::now() + START_PATIENCE;
    let mut connections = Vec::with_capacity(count);
    while connections.len() < count {
        match UnixStream::connect(socket).await {
            Ok(stream) => connections.push(Connection {
                stream,
                read: vec![0; 64 * 1024],
            }),
            Err(error) => {
                server.ensure_running()?;
                if Instant::now() > deadline {
                    return Err(server.failed(&format!("lets nobody in ({error})")));
                }
                sleep(LOOK_EVERY).await;
            }
        }
    }
    Ok(connections)
}

/// Each connection takes the next pipeline once its last one is answered. Returns the sum of the
/// answers.
async fn import(
    connections: &mut Vec<Connection>,
    pipelines: Vec<Pipeline>,
) -> anyhow::Result<u64> {
    let (pipelines, next) = (Arc::new(pipelines), Arc::new(AtomicUsize::new(0)));
    let mut workers = JoinSet::new();
    for mut connection in connections.drain(..) {
        let (pipelines, next) = (pipelines.clone(), next.clone());
        workers.spawn(async move {
            let mut sum = 0;
            while let Some(pipeline) = pipelines.get(next.fetch_add(1, Ordering::Relaxed)) {
                sum += connection.run(pipeline).await?;
            }
            anyhow::Ok((connection, sum))
        });
    }
    let mut sum = 0;
    while let Some(done) = workers.join_next().await {
        let (connection, of_connection) = done.context("a connection broke off")??;
        connections.push(connection);
        sum += of_connection;
    }
    Ok(sum)
}

struct Connection {
    stream: UnixStream,
    read: Vec<u8>,
}

impl Connection {
    /// Sends the commands, reads all answers, and returns their sum.
    async fn run(&mut self, pipeline: &Pipeline) -> anyhow::Result<u64> {
        self.stream.write_all(&pipeline.commands).await?;
        let mut numbers = Numbers::default();
        while numbers.count < pipeline.answers {
            let length = self.stream.read(&mut self.read).await?;
            if length == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            numbers.take(&self.read[..length])?;
        }
        Ok(numbers.sum)
    }
}

/// Answers that are numbers, as `:2\r\n`, in the pieces in which they come.
#[derive(Default)]
struct Numbers {
    count: usize,
    sum: u64,
    /// Whether the first byte of an answer was read.
    begun: bool,
    number: u64,
}

impl Numbers {
    fn take(&mut self, piece: &[u8]) -> anyhow::Result<()> {
        for (at, byte) in piece.iter().enumerate() {
            match byte {
                b':' if !self.begun => (self.begun, self.number) = (true, 0),
                b'0'..=b'9' if self.begun => {
                    let digit = u64::from(byte - b'0');
                    self.number = self.number.saturating_mul(10).saturating_add(digit);
                }
                b'\r' if self.begun => {}
                b'\n' if self.begun => {
                    self.begun = false;
                    self.count += 1;
                    self.sum += self.number;
                }
                _ => {
                    let shown = &piece[at..piece.len().min(at + SHOWN_LIMIT_BYTES)];
                    bail!("it answers {}", String::from_utf8_lossy(shown).trim());
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_in_any_pieces() {
        let answers = b":2\r\n:0\r\n:1000000\r\n";
        for first in 0..answers.len() {
            for second in first..answers.len() {
                let mut numbers = Numbers::default();
                for piece in [
                    &answers[..first],
                    &answers[first..second],
                    &answers[second..],
                ] {
                    numbers.take(piece).unwrap();
                }
                assert_eq!((numbers.count, numbers.sum), (3, 1_000_002));
            }
        }
    }

    #[test]
    fn an_error_is_told() {
        for answers in [
            "-OOM command not allowed\r\n",
            ":2\r\n-OOM command\r\n",
            ":-1\r\n",
            "+OK\r\n",
        ] {
            let mut numbers = Numbers::default();
            assert!(numbers.take(answers.as_bytes()).is_err(), "{answers}");
        }
        let error = Numbers::default().take(b"-OOM no\r\n").unwrap_err();
        assert_eq!(error.to_string(), "it answers -OOM no");
    }

    #[test]
    fn a_pipeline_is_so_many_commands() {
        let mut command = Vec::new();
        push_command(&mut command, &["HSET", "k", "nick", "é"]);
        assert_eq!(
            String::from_utf8(command).unwrap(),
            "*4\r\n$4\r\nHSET\r\n$1\r\nk\r\n$4\r\nnick\r\n$2\r\né\r\n"
        );
        let pipelines = pipelines(Phase::New, 250, 100);
        let answers: Vec<_> = pipelines.iter().map(|pipeline| pipeline.answers).collect();
        assert_eq!(answers, [100, 100, 50]);
        for pipeline in pipelines {
            let text = String::from_utf8(pipeline.commands.to_vec()).unwrap();
            assert_eq!(text.matches("HSET").count(), pipeline.answers);
        }
    }
}
