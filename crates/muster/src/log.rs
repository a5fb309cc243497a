//! The log: `tracing` to the standard error output, so that the standard output stays the
//! command's own.

use std::{
    io::{self, IsTerminal as _},
    sync::{Mutex, PoisonError},
};

use tracing::Level;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{
    EnvFilter, filter::filter_fn, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

use crate::config::Log;

/// Lines that wait to be written, some hundred bytes each. With more, lines are lost rather than calls
/// kept waiting: a reader of the log that stalls must not stop the server.
const WAITING_LINES_LIMIT: usize = 16_384;

/// Parts that write secrets below the level of warnings, whatever level is asked for: WebSocket messages
/// as they came, the first of which holds a UserSig, and the values of SQL statements, some of which hold
/// an app's secret keys.
const SECRETIVE: [&str; 3] = ["tungstenite", "tokio_tungstenite", "tokio_postgres"];

/// Writes the lines that still wait when it is dropped.
static WRITER: Mutex<Option<WorkerGuard>> = Mutex::new(None);

/// Starts the log of this process. Before the process ends, [`end`] writes what still waits.
pub(crate) fn start(log: &Log) {
    // The engine below the store and the HTTP client below webhooks tell of their every step at these
    // levels; who wants that names them. All of muster's own parts begin with its name.
    let level = match log.level.as_str() {
        plain @ ("info" | "debug" | "trace") => {
            format!("warn,muster={plain}")
        }
        other => other.to_owned(),
    };
    let filter = EnvFilter::try_new(level).expect("the level was judged with the settings");
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(WAITING_LINES_LIMIT)
        .thread_name("muster-log")
        .finish(io::stderr());
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        // A line that cannot be written is lost. The default complains on the standard error output,
        // which is what cannot be written, and panics over that.
        .log_internal_errors(false);
    let without_secrets = filter_fn(|metadata| {
        let tells_secrets = SECRETIVE
            .iter()
            .any(|part| metadata.target().starts_with(part));
        !tells_secrets || *metadata.level() <= Level::WARN
    });
    if log.json {
        let json = builder.json().flatten_event(true);
        json.finish().with(without_secrets).init();
    } else {
        let text = builder.with_ansi(io::stderr().is_terminal());
        text.finish().with(without_secrets).init();
    }
    *WRITER.lock().unwrap_or_else(PoisonError::into_inner) = Some(guard);
}

/// Writes the lines that still wait, for about a second at the most. Lines after it are lost.
pub(crate) fn end() {
    drop(WRITER.lock().unwrap_or_else(PoisonError::into_inner).take());
}
