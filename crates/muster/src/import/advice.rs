//! What to do after an import that has not done all.

use std::path::Path;

use anyhow::anyhow;
use muster_bulk::{
    BreakOff, CheckpointError, End, JournalError, LaneError,
    file::{Columns, Format, Named, Reader},
};

use crate::out;

/// How the rest of the file is imported.
pub(super) fn go_on(end: &End, checkpoint: Option<&Path>) -> &'static str {
    match checkpoint {
        None => return "nothing notes how far it was, so import all of it again",
        Some(path) if !path.exists() => {
            return "none of it is noted, so begin again without --resume";
        }
        Some(_) => {}
    }
    match end {
        End::Complete => "",
        End::Stopped => "the same command with --resume goes on",
        End::BrokenOff(why) => match &**why {
            BreakOff::Lane(LaneError::GaveUp { .. }) => "the same command with --resume goes on",
            BreakOff::Lane(_) => {
                "after what the error says is mended, --resume goes on (to another app or server, \
                 --restart begins anew)"
            }
            BreakOff::Changed { .. } => {
                "bring the file and the options back as they were, or begin anew by --restart"
            }
            _ => "after what the error says is mended, --resume goes on",
        },
    }
}

/// The options with which a file of rejects is read as the file was that they are from.
pub(super) fn rejects_options(rejects: &Path, reader: &Reader) -> String {
    let named = Named::of(rejects);
    let mut options = Vec::new();
    if named.format != Some(reader.format()) {
        let format = match reader.format() {
            Format::Csv => "csv",
            Format::Ndjson => "ndjson",
        };
        options.push(format!("--format {format}"));
    }
    if let Some(delimiter) = reader.delimiter()
        && named.delimiter.unwrap_or(b',') != delimiter
    {
        let shown = match delimiter {
            b'\t' => r"\t".to_owned(),
            other => char::from(other).to_string(),
        };
        options.push(format!("--delimiter {}", out::shell_quoted(&shown)));
    }
    let (columns, usual) = (reader.columns(), Columns::default());
    for (value, name, usual) in [
        ("user_id", &columns.user_id, usual.user_id),
        ("nick", &columns.nick, usual.nick),
        ("face_url", &columns.face_url, usual.face_url),
    ] {
        if *name != usual {
            let mapped = format!("{value}={name}");
            options.push(format!("--map {}", out::shell_quoted(&mapped)));
        }
    }
    options.join(" ")
}

/// Says of files in the way which options lead elsewhere.
pub(super) fn of_journal(error: &JournalError) -> anyhow::Error {
    match error {
        JournalError::IsThere { .. } => {
            anyhow!("{error}; --rejects and --report put files elsewhere")
        }
        JournalError::NothingToResume { .. }
        | JournalError::Checkpoint(CheckpointError::Unreadable { .. }) => {
            anyhow!("{error}; --checkpoint names another one")
        }
        _ => anyhow!("{error}"),
    }
}
