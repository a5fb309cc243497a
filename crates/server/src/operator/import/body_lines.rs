//! A body, cut into lines as it comes.

use std::mem;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt;
use memchr::{memchr, memrchr};

use crate::operator::error::ApiError;

/// The longest line, without its end.
pub(super) const LINE_LIMIT_BYTES: usize = 64 * 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The most bytes that a line has besides its text.
pub(super) const LINE_END_BYTES: usize = b"\r\n".len();

/// The lines of a body. What is held of it is about one piece and one line.
pub(super) struct BodyLines {
    /// `None` after its end.
    body: Option<Body>,
    /// Lines that are whole and not taken yet. Each slice of them keeps all of them, so they have a buffer
    /// of their own that has room for nothing else.
    whole: Bytes,
    /// The beginning of a line.
    begun: Vec<u8>,
    /// The line that is coming is too long. This is how long it is so far; what came of it is gone.
    skipping: Option<usize>,
    /// A line that was too long has come to its end, and is the next line.
    skipped: Option<usize>,
    /// Nothing has come yet but a part of a byte order mark.
    at_start: bool,
}

/// A line without its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Text(Bytes),
    /// Longer than [`LINE_LIMIT_BYTES`].
    TooLong {
        bytes: usize,
    },
}

impl BodyLines {
    pub(super) fn new(body: Body) -> Self {
        Self {
            body: Some(body),
            whole: Bytes::new(),
            begun: Vec::new(),
            skipping: None,
            skipped: None,
            at_start: true,
        }
    }

    /// The next line of what has come.
    pub(super) fn take(&mut self) -> Option<Line> {
        if let Some(bytes) = self.skipped.take() {
            return Some(Line::TooLong { bytes });
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
            return Some(Line::TooLong { bytes: line.len() });
        }
        Some(Line::Text(line))
    }

    /// Waits for more; `false` says that there is none. To be called when no line is left to take. What came is not
    /// lost if the caller stops waiting.
    pub(super) async fn more(&mut self) -> Result<bool, ApiError> {
        let Some(body) = &mut self.body else {
            return Ok(false);
        };
        match body.frame().await {
            Some(Ok(frame)) => {
                // Trailers say nothing here.
                if let Ok(piece) = frame.into_data() {
                    self.push(&piece);
                }
                Ok(true)
            }
            Some(Err(_)) => Err(ApiError::body_cut_off()),
            None => {
                self.end();
                Ok(true)
            }
        }
    }

    fn push(&mut self, mut piece: &[u8]) {
        if let Some(bytes) = &mut self.skipping {
            let end = memchr(b'\n', piece);
            *bytes += end.unwrap_or(piece.len());
            let Some(end) = end else {
                return;
            };
            self.skipped = self.skipping.take();
            piece = &piece[end + 1..];
        }
        if let Some(end) = memrchr(b'\n', piece) {
            let (ended, rest) = piece.split_at(end + 1);
            self.whole = [&self.begun, ended].concat().into();
            self.begun.clear();
            self.without_mark();
            piece = rest;
        }
        let bytes = self.begun.len() + piece.len();
        // One byte more may be the first of a line end of two.
        if bytes > LINE_LIMIT_BYTES + 1 {
            self.begun.clear();
            self.skipping = Some(bytes);
            self.at_start = false;
        } else {
            self.begun.extend_from_slice(piece);
        }
    }

    /// What has begun is the last line.
    fn end(&mut self) {
        self.body = None;
        self.skipped = self.skipping.take();
        self.whole = mem::take(&mut self.begun).into();
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
        let mut lines = BodyLines::new(Body::empty());
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
            Line::TooLong {
                bytes: long.len() + 1,
            },
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
        let too_long = |more| Line::TooLong {
            bytes: huge.len() + more,
        };
        assert_eq!(lines(&[&huge]), [too_long(0)]);
        assert_eq!(lines(&[&huge, b"\r", b"x"]), [too_long(2)]);
        let two = [b"\n", &huge[..]].concat();
        assert_eq!(lines(&[&huge, &two]), [too_long(0), too_long(0)]);
        assert_eq!(
            lines(&[&huge, &huge, b"\n", b"y"]),
            [too_long(huge.len()), text("y")]
        );
    }

    /// What keeps a line keeps its buffer.
    #[test]
    fn a_line_shares_its_buffer_with_the_lines_that_came_with_it_and_with_nothing_else() {
        let huge = vec![b'x'; 2 * LINE_LIMIT_BYTES];
        let mut lines = BodyLines::new(Body::empty());
        for piece in [&huge[..], b"\nalice\nb", &huge, b"\n", b"bo", b"b\n", &huge] {
            lines.push(piece);
            while let Some(line) = lines.take() {
                if let Line::Text(line) = line {
                    let buffer = line.try_into_mut().unwrap();
                    assert!(buffer.capacity() <= 10, "{}", buffer.capacity());
                }
            }
        }
    }
}
