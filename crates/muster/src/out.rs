//! The standard output, for what a command was asked for, and how it is written there. Logs and errors
//! go elsewhere.

use std::{
    borrow::Cow,
    io::{self, Write as _},
};

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

/// What comes from outside, such as a file's name or a server's words, fit for a terminal: what would move the
/// cursor, colour the text, begin a line or turn its direction is written as an escape of Rust.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_control) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_control(c) {
            shown.extend(c.escape_debug());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

fn is_control(c: char) -> bool {
    // The separators of lines and paragraphs, and the marks of direction, count as format, not as control.
    let is_format = matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    c.is_control() || is_format
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_outside_cannot_command_a_terminal() {
        for (text, shown) in [
            ("a\tb\r\nc", r"a\tb\r\nc"),
            (
                "\u{1b}[31mred\u{9b}0m\u{7f}",
                r"\u{1b}[31mred\u{9b}0m\u{7f}",
            ),
            ("\u{202e}abc\u{2028}", r"\u{202e}abc\u{2028}"),
            ("\0", r"\0"),
            (
                "it's \"plain\" 中文 🙂e\u{301}",
                "it's \"plain\" 中文 🙂e\u{301}",
            ),
        ] {
            assert_eq!(visible(text), shown);
        }
    }

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
