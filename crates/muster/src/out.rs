//! The standard output, for what a command was asked for. Logs and errors go elsewhere.

use std::io::{self, Write as _};

use anyhow::Context as _;

/// Writes `text` as it is and flushes. A reader that has gone, as in `muster app list | head -1`,
/// has seen enough: that is no error.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("cannot write to the standard output"),
    }
}
