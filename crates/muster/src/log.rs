//! The log: `tracing` to the standard error output, so that the standard output stays the
//! command's own.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;

use crate::config::Log;

/// Starts the log of this process.
pub(crate) fn start(log: &Log) {
    // The engine below the store tells of every start at this level; its other levels are kept.
    let level = match log.level.as_str() {
        "info" => "info,fjall=warn,lsm_tree=warn",
        other => other,
    };
    let filter = EnvFilter::try_new(level).expect("the level was judged with the settings");
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        // A line that cannot be written is lost. The default complains on the standard error output,
        // which is what cannot be written, and panics over that.
        .log_internal_errors(false);
    if log.json {
        builder.json().flatten_event(true).init();
    } else {
        builder.with_ansi(io::stderr().is_terminal()).init();
    }
}
