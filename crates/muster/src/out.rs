//! The standard output, for what a command was asked for, and how it is written there. Logs and errors
//! go elsewhere.

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

/// As one word of a shell's command line; a plain word stays as it is.
pub(crate) fn shell_quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%,".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_shell() {
        for (text, quoted) in [
            ("/srv/muster-1/tls/ca.pem", "/srv/muster-1/tls/ca.pem"),
            ("", "''"),
            ("my data", "'my data'"),
            ("$HOME", "'$HOME'"),
            ("it's", r"'it'\''s'"),
            ("用户", "'用户'"),
        ] {
            assert_eq!(shell_quoted(text), quoted);
        }
    }
}
