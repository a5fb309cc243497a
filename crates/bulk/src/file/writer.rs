//! The door for writing.

use std::io::{self, BufWriter, ErrorKind, Write};

use flate2::write::GzEncoder;
use serde::Serialize;

use super::{Compression, Format};

/// How much is gathered before it is written to a file.
const WRITE_BYTES: usize = 64 * 1024;

/// How a file is to be written.
#[derive(Clone, Copy, Debug)]
pub struct WriteOptions {
    /// The format.
    pub format: Format,
    /// How its bytes are compressed.
    pub compression: Compression,
    /// What stands between the values of a row, an ASCII character; without meaning for NDJSON.
    pub delimiter: u8,
}

impl WriteOptions {
    /// A plain file, with commas if it is CSV.
    pub fn new(format: Format) -> Self {
        Self {
            format,
            compression: Compression::None,
            delimiter: b',',
        }
    }
}

/// Writes records one by one. They are whole in the file only after [`finish`](Self::finish).
pub struct Writer<W: Write> {
    records: Records<W>,
    /// The line in progress.
    line: Vec<u8>,
}

enum Records<W: Write> {
    Csv(Box<csv::Writer<Compressor<W>>>),
    Ndjson(Compressor<W>),
}

impl<W: Write> Writer<W> {
    /// A writer into `file`. Nothing is written yet.
    pub fn new(file: W, options: WriteOptions) -> io::Result<Self> {
        let file = BufWriter::with_capacity(WRITE_BYTES, file);
        let file = match options.compression {
            Compression::None => Compressor::None(file),
            Compression::Gzip => {
                Compressor::Gzip(GzEncoder::new(file, flate2::Compression::default()))
            }
            Compression::Zstd => {
                Compressor::Zstd(zstd::Encoder::new(file, zstd::DEFAULT_COMPRESSION_LEVEL)?)
            }
        };
        let records = match options.format {
            Format::Ndjson => Records::Ndjson(file),
            Format::Csv => {
                let mut builder = csv::WriterBuilder::new();
                // A row that is at fault may have another number of values.
                builder.flexible(true).delimiter(options.delimiter);
                Records::Csv(Box::new(builder.from_writer(file)))
            }
        };
        Ok(Self {
            records,
            line: Vec::new(),
        })
    }

    /// The format.
    pub fn format(&self) -> Format {
        match self.records {
            Records::Csv(_) => Format::Csv,
            Records::Ndjson(_) => Format::Ndjson,
        }
    }

    /// Writes a row of CSV.
    ///
    /// # Errors
    ///
    /// Of the file, and [`ErrorKind::InvalidInput`] if it is NDJSON.
    pub fn write_row<T: AsRef<[u8]>>(
        &mut self,
        values: impl IntoIterator<Item = T>,
    ) -> io::Result<()> {
        match &mut self.records {
            Records::Csv(csv) => csv.write_record(values).map_err(io::Error::from),
            Records::Ndjson(_) => Err(other_format()),
        }
    }

    /// Writes a line of NDJSON.
    ///
    /// # Errors
    ///
    /// Of the file, and [`ErrorKind::InvalidInput`] if it is CSV.
    pub fn write_object(&mut self, object: &impl Serialize) -> io::Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, object)?;
        self.write_line()
    }

    fn write_line(&mut self) -> io::Result<()> {
        let Records::Ndjson(file) = &mut self.records else {
            return Err(other_format());
        };
        self.line.push(b'\n');
        file.write_all(&self.line)
    }

    /// Hands all that was written on to the file, in such a form that it can be read even if nothing
    /// follows but the end of the compressed data is missing.
    pub fn flush(&mut self) -> io::Result<()> {
        match &mut self.records {
            Records::Csv(csv) => csv.flush(),
            Records::Ndjson(file) => file.flush(),
        }
    }

    /// Ends the compressed data and hands everything on to the file. It is not synced.
    pub fn finish(self) -> io::Result<W> {
        let file = match self.records {
            Records::Csv(csv) => csv.into_inner().map_err(csv::IntoInnerError::into_error)?,
            Records::Ndjson(file) => file,
        };
        file.finish()
    }
}

fn other_format() -> io::Error {
    let text = "a row of CSV does not go into NDJSON, nor a line of NDJSON into CSV";
    io::Error::new(ErrorKind::InvalidInput, text)
}

enum Compressor<W: Write> {
    None(BufWriter<W>),
    Gzip(GzEncoder<BufWriter<W>>),
    Zstd(zstd::Encoder<'static, BufWriter<W>>),
}

impl<W: Write> Compressor<W> {
    fn finish(self) -> io::Result<W> {
        let buffered = match self {
            Self::None(file) => file,
            Self::Gzip(encoder) => encoder.finish()?,
            Self::Zstd(encoder) => encoder.finish()?,
        };
        buffered
            .into_inner()
            .map_err(io::IntoInnerError::into_error)
    }
}

impl<W: Write> Write for Compressor<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::None(file) => file.write(bytes),
            Self::Gzip(encoder) => encoder.write(bytes),
            Self::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::None(file) => file.flush(),
            Self::Gzip(encoder) => encoder.flush(),
            Self::Zstd(encoder) => encoder.flush(),
        }
    }
}
