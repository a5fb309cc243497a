//! Text of a caller's, fit for a line of the log.

use std::fmt;

/// Shows a text cut to 128 characters, with everything escaped that could end the line or drive a
/// terminal.
pub(crate) struct LogText<'a>(pub(crate) &'a str);

impl fmt::Display for LogText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LIMIT_CHARS: usize = 128;
        match self.0.char_indices().nth(LIMIT_CHARS) {
            Some((end, _)) => write!(f, "{}...", self.0[..end].escape_debug()),
            None => write!(f, "{}", self.0.escape_debug()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_on_its_line() {
        assert_eq!(
            LogText("/v4/a\r\nb\u{1b}[2J").to_string(),
            "/v4/a\\r\\nb\\u{1b}[2J"
        );
        assert_eq!(LogText(&"x".repeat(200)).to_string().len(), 131);
    }
}
