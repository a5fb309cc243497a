//! A body, cut into lines as it comes.

use std::{mem, time::Duration};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use memchr::{memchr, memrchr};
use tokio::time::timeout;

use crate::operator::error::ApiError;

/// The longest line, without its end.
pub(super) const LINE_LIMIT_BYTES: usize = 64 * 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The lines of a body. What is held of it is about one piece and one line.
pub(super) struct BodyLines {
    /// `None` after its end.
    body: Option<Body>,
    /// Between two pieces of the body.
    timeout: Duration,
    /// Lines that are whole and not taken yet.
    whole: Bytes,
    /// The beginning of a line. Pieces are copied together: their buffers can be much larger than what
    /// is in them, and live as long as the last slice.
    begun: BytesMut,
    /// The line that is coming is too long, and what came of it is gone.
    skips: bool,
    /// It has come to its end, and is the next line.
    skipped: bool,
    /// Nothing has come yet but a part of a byte order mark.
    at_start: bool,
}

/// A line without its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Text(Bytes),
    /// Longer than [`LINE_LIMIT_BYTES`].
    TooLong,
}

impl BodyLines {
    pub(super) fn new(body: Body, timeout: Duration) -> Self {
        Self {
            body: Some(body),
            timeout,
            whole: Bytes::new(),
            begun: BytesMut::new(),
            skips: false,
            skipped: false,
            at_start: true,
        }
    }

    /// The next line of what has come.
    pub(super) fn take(&mut self) -> Option<Line> {
        if mem::take(&mut self.skipped) {
            return Some(Line::TooLong);
        }
        if self.whole.is_empty() {
            return None;
        }
        let mut line = match memchr(b'\n', &self.whole) {
            Some(end) => {
                let mut line = self.whole.split_to(end + 1);
                line.truncate(end);
                line
            }
            None => mem::take(&mut self.whole),
        };
        if line.ends_with(b"\r") {
            line.truncate(line.len() - 1);
        }
        if line.len() > LINE_LIMIT_BYTES {
            return Some(Line::TooLong);
        }
        Some(Line::Text(line))
    }

    /// Waits for more; `false` says that there is none. To be called when no line is left to take. What came is not
    /// lost if the caller stops waiting.
    pub(super) async fn more(&mut self) -> Result<bool, ApiError> {
        let Some(body) = &mut self.body else {
            return Ok(false);
        };
        match timeout(self.timeout, body.frame()).await {
            Ok(Some(Ok(frame))) => {
                // Trailers say nothing here.
                if let Ok(piece) = frame.into_data() {
                    self.push(&piece);
                }
                Ok(true)
            }
            Ok(Some(Err(_))) => Err(ApiError::invalid_request("The body was cut off.")),
            Ok(None) => {
                self.end();
                Ok(true)
            }
            Err(_) => Err(ApiError::invalid_request(
                "The body did not arrive in time.",
            )),
        }
    }

    fn push(&mut self, mut piece: &[u8]) {
        if self.skips {
            let Some(end) = memchr(b'\n', piece) else {
                return;
            };
            self.skips = false;
            self.skipped = true;
            piece = &piece[end + 1..];
        }
        match memrchr(b'\n', piece) {
            Some(end) => {
                self.begun.extend_from_slice(&piece[..=end]);
                self.whole = self.begun.split().freeze();
                self.without_mark();
                self.begun.extend_from_slice(&piece[end + 1..]);
            }
            None => self.begun.extend_from_slice(piece),
        }
        // One byte more may be the first of a line end of two.
        if self.begun.len() > LINE_LIMIT_BYTES + 1 {
            self.begun.clear();
            self.skips = true;
            self.at_start = false;
        }
    }

    /// What has begun is the last line.
    fn end(&mut self) {
        self.body = None;
        self.skipped = mem::take(&mut self.skips);
        self.whole = self.begun.split().freeze();
        self.without_mark();
    }

    /// Drops a byte order mark that the first lines begin with.
    fn without_mark(&mut self) {
        if mem::take(&mut self.at_start) && self.whole.starts_with(BYTE_ORDER_MARK) {
            drop(self.whole.split_to(BYTE_ORDER_MARK.len()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of a body that comes in these pieces.
    fn lines(pieces: &[&[u8]]) -> Vec<Line> {
        let mut lines = BodyLines::new(Body::empty(), Duration::ZERO);
        let mut taken = Vec::new();
        for piece in pieces {
            lines.push(piece);
            taken.extend(std::iter::from_fn(|| lines.take()));
            assert!(lines.begun.len() <= LINE_LIMIT_BYTES + 1);
        }
        lines.end();
        taken.extend(std::iter::from_fn(|| lines.take()));
        taken
    }

    fn text(line: &str) -> Line {
        Line::Text(Bytes::copy_from_slice(line.as_bytes()))
    }

    #[test]
    fn wherever_a_body_is_cut_its_lines_are_the_same() {
        let long = "x".repeat(LINE_LIMIT_BYTES);
        let body =
            format!("\u{feff}one\n\r\ntwo\r\n{long}\r\n{long}y\n\u{feff}three\n{long}\nfour");
        let expected = [
            text("one"),
            text(""),
            text("two"),
            text(&long),
            Line::TooLong,
            text("\u{feff}three"),
            text(&long),
            text("four"),
        ];
        let body = body.as_bytes();
        let near_ends: Vec<_> = (0..body.len())
            .filter(|cut| body[cut.saturating_sub(4)..(cut + 4).min(body.len())].contains(&b'\n'))
            .chain(1..4)
            .collect();
        for cut in near_ends {
            let (first, second) = body.split_at(cut);
            assert_eq!(lines(&[first, second]), expected, "{cut}");
        }
        for size in [1, 2, 3, 1000, LINE_LIMIT_BYTES, 2 * LINE_LIMIT_BYTES] {
            let pieces: Vec<_> = body.chunks(size).collect();
            assert_eq!(lines(&pieces), expected, "{size}");
        }
    }

    #[test]
    fn the_last_line_need_not_end() {
        assert_eq!(lines(&[]), []);
        assert_eq!(lines(&[b"one\n"]), [text("one")]);
        assert_eq!(lines(&[b"one\n", b"two\r"]), [text("one"), text("two")]);
        assert_eq!(lines(&[b"\xef\xbb\xbf"]), []);
        let huge = vec![b'x'; LINE_LIMIT_BYTES + 2];
        assert_eq!(lines(&[&huge]), [Line::TooLong]);
        assert_eq!(lines(&[&huge, b"\r", b"x"]), [Line::TooLong]);
        let two = [b"\n", &huge[..]].concat();
        assert_eq!(lines(&[&huge, &two]), [Line::TooLong, Line::TooLong]);
        assert_eq!(
            lines(&[&huge, &huge, b"\n", b"y"]),
            [Line::TooLong, text("y")]
        );
    }
}
