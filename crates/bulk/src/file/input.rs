//! The bytes of a file as they are meant: decompressed, and without a byte order mark.

use std::{
    io::{self, BufRead, BufReader, Cursor, ErrorKind, Read},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use flate2::bufread::GzDecoder;

use super::{Compression, ReadError};

/// How much is read from a file at a time.
const READ_BYTES: usize = 64 * 1024;

/// The largest window of Zstandard, as a power of two: a decoder holds that much in memory. It is what
/// `zstd -d` allows, too.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Where a record's bytes come from.
pub(super) struct Input {
    bytes: Box<dyn Read + Send>,
    compression: Compression,
}

impl Input {
    /// Looks at the first bytes. Without a compression that was told or named they decide, since no text
    /// in UTF-8 begins like compressed data.
    pub(super) fn new(
        file: impl Read + Send + 'static,
        compression: Option<Compression>,
        bytes_read: Arc<AtomicU64>,
    ) -> Result<Self, ReadError> {
        let mut counted = Counted {
            file,
            bytes: bytes_read,
        };
        let start = take_start(&mut counted, 4).map_err(ReadError::Io)?;
        let compression = compression.unwrap_or_else(|| shown_by(&start));
        if start.is_empty() && compression != Compression::None {
            return Err(ReadError::Empty(compression));
        }
        let whole = Cursor::new(start).chain(counted);
        let whole = BufReader::with_capacity(READ_BYTES, whole);
        let bytes: Box<dyn Read + Send> = match compression {
            Compression::None => Box::new(whole),
            Compression::Gzip => Box::new(GzipMembers(GzDecoder::new(Box::new(whole)))),
            Compression::Zstd => {
                let mut decoder =
                    zstd::stream::read::Decoder::with_buffer(whole).map_err(ReadError::Io)?;
                decoder
                    .window_log_max(ZSTD_WINDOW_LOG_MAX)
                    .map_err(ReadError::Io)?;
                Box::new(decoder)
            }
        };
        Self { bytes, compression }.without_mark()
    }

    fn without_mark(mut self) -> Result<Self, ReadError> {
        let mut start = take_start(&mut self.bytes, 3).map_err(|error| self.failed(error))?;
        match start.as_slice() {
            [0xef, 0xbb, 0xbf] => start.clear(),
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => return Err(ReadError::Utf16),
            // No text of accounts begins so in UTF-8.
            [0, character, ..] if *character != 0 => return Err(ReadError::LikeUtf16("UTF-16BE")),
            [character, 0, ..] if *character != 0 => return Err(ReadError::LikeUtf16("UTF-16LE")),
            _ => {}
        }
        Ok(Self {
            bytes: Box::new(Cursor::new(start).chain(self.bytes)),
            compression: self.compression,
        })
    }

    /// Reads some bytes; none are the end.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        loop {
            match self.bytes.read(buffer) {
                Ok(length) => return Ok(length),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(error)),
            }
        }
    }

    fn failed(&self, error: io::Error) -> ReadError {
        let compression = self.compression;
        if compression == Compression::None || error.raw_os_error().is_some() {
            return ReadError::Io(error);
        }
        if error.kind() == ErrorKind::UnexpectedEof {
            return ReadError::Truncated(compression);
        }
        if let Some(cause) = error.get_ref()
            && cause.is::<BehindGzip>()
        {
            return ReadError::BehindGzip;
        }
        let reason = error.to_string();
        ReadError::Corrupt {
            compression,
            reason,
        }
    }
}

fn shown_by(start: &[u8]) -> Compression {
    if start.starts_with(&GZIP_MAGIC) {
        Compression::Gzip
    } else if start == ZSTD_MAGIC {
        Compression::Zstd
    } else {
        Compression::None
    }
}

/// The first bytes, as many as there are.
fn take_start(source: &mut impl Read, length: u64) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    source.take(length).read_to_end(&mut start)?;
    Ok(start)
}

/// The members of a gzip file, one after the other. flate2 reads them as well, but takes something else behind
/// them for a member that is cut off.
struct GzipMembers(GzDecoder<Box<dyn BufRead + Send>>);

/// There is something else behind the members.
#[derive(Debug, thiserror::Error)]
#[error("something else is behind the gzip data")]
struct BehindGzip;

impl Read for GzipMembers {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let length = self.0.read(buffer)?;
            if length > 0 || buffer.is_empty() {
                return Ok(length);
            }
            match self.0.get_mut().fill_buf()?.first() {
                None => return Ok(0),
                Some(first) if *first == GZIP_MAGIC[0] => {
                    let rest = self.0.reset(Box::new(io::empty()));
                    self.0.reset(rest);
                }
                Some(_) => return Err(io::Error::new(ErrorKind::InvalidData, BehindGzip)),
            }
        }
    }
}

/// Counts the bytes as they lie on disk.
struct Counted<R> {
    file: R,
    bytes: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read(buffer)?;
        self.bytes.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
}
