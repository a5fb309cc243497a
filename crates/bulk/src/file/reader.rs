//! The door for reading.

use std::{
    fs::File,
    io::Read,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    Columns, Compression, Format, IgnoredColumns, Named, ReadError,
    check::{self, Places},
    input::Input,
    lines::{Line, Lines},
    rows::Rows,
};
use crate::{Raw, Record, Row};

/// How a file is to be read; `None` is left to the file.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// Otherwise the name decides.
    pub format: Option<Format>,
    /// Otherwise the name decides, and where that says nothing the first bytes.
    pub compression: Option<Compression>,
    /// What stands between the values of a row, an ASCII character; otherwise a comma, or a tab in `.tsv`.
    pub delimiter: Option<u8>,
    /// Where the values are.
    pub columns: Columns,
}

/// Reads records one by one, in the memory of a few chunks, however long the file is.
///
/// ```no_run
/// use muster_bulk::file::{ReadOptions, Reader};
///
/// # fn example() -> Result<(), muster_bulk::file::ReadError> {
/// let mut reader = Reader::open("accounts.csv.gz".as_ref(), &ReadOptions::default())?;
/// while let Some(record) = reader.next_record()? {
///     match record.entry {
///         Ok(entry) => println!("line {}: {}", record.line, entry.user_id),
///         Err(fault) => println!("line {}: {} ({})", record.line, fault.reason, fault.code),
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct Reader {
    records: Records,
    columns: Columns,
    ignored: IgnoredColumns,
    bytes_read: Arc<AtomicU64>,
    bytes_total: Option<u64>,
    has_failed: bool,
}

enum Records {
    Csv {
        rows: Box<Rows>,
        delimiter: u8,
        header: Raw,
        places: Places,
    },
    Ndjson(Lines),
}

impl Reader {
    /// Opens a file. It is read up to the header.
    pub fn open(path: &Path, options: &ReadOptions) -> Result<Self, ReadError> {
        let file = File::open(path).map_err(ReadError::Io)?;
        let about = file.metadata().map_err(ReadError::Io)?;
        let named = Named::of(path);
        let options = ReadOptions {
            format: options.format.or(named.format),
            compression: options.compression.or(named.compression),
            delimiter: options.delimiter.or(named.delimiter),
            columns: options.columns.clone(),
        };
        let mut reader = Self::new(file, &options)?;
        // A pipe or a device has no length.
        reader.bytes_total = about.is_file().then_some(about.len());
        Ok(reader)
    }

    /// Reads what has no name, such as the standard input. The options must say which format it has.
    pub fn new(file: impl Read + Send + 'static, options: &ReadOptions) -> Result<Self, ReadError> {
        let format = options.format.ok_or(ReadError::FormatUnknown)?;
        let columns = options.columns.clone();
        check_columns(&columns)?;
        let bytes_read = Arc::new(AtomicU64::new(0));
        let input = Input::new(file, options.compression, Arc::clone(&bytes_read))?;
        let ignored = IgnoredColumns::default();
        let records = match format {
            Format::Ndjson => Records::Ndjson(Lines::new(input)),
            Format::Csv => {
                let delimiter = options.delimiter.unwrap_or(b',');
                if !delimiter.is_ascii() || matches!(delimiter, b'"' | b'\r' | b'\n') {
                    return Err(ReadError::BadDelimiter);
                }
                let mut rows = Box::new(Rows::new(input, delimiter));
                let (_, header) = rows.next()?.ok_or(ReadError::NoHeader)?;
                Records::Csv {
                    places: take_header(&header, &columns, &ignored)?,
                    header: Raw::Row(header),
                    rows,
                    delimiter,
                }
            }
        };
        Ok(Self {
            records,
            columns,
            ignored,
            bytes_read,
            bytes_total: None,
            has_failed: false,
        })
    }

    /// The next record, `None` at the end. After an error there is no next one.
    pub fn next_record(&mut self) -> Result<Option<Record>, ReadError> {
        if self.has_failed {
            return Ok(None);
        }
        let next = self.read_next();
        self.has_failed = next.is_err();
        next
    }

    fn read_next(&mut self) -> Result<Option<Record>, ReadError> {
        match &mut self.records {
            Records::Csv { rows, places, .. } => {
                let passed = rows.passed();
                let Some((line, row)) = rows.next()? else {
                    return Ok(None);
                };
                let bytes = rows.passed() - passed;
                let entry = check::row(&row, *places, &self.columns);
                let raw = Raw::Row(row);
                Ok(Some(Record {
                    line,
                    bytes,
                    raw,
                    entry,
                }))
            }
            Records::Ndjson(lines) => {
                let passed = lines.passed();
                while let Some(line) = lines.next()? {
                    let Line {
                        number,
                        bytes,
                        is_cut,
                    } = line;
                    if bytes.trim_ascii().is_empty() && !is_cut {
                        continue;
                    }
                    let entry = if is_cut {
                        Err(check::line_too_long())
                    } else {
                        check::line(&bytes, &self.columns, &self.ignored)
                    };
                    return Ok(Some(Record {
                        line: number,
                        bytes: lines.passed() - passed,
                        raw: Raw::Line(bytes),
                        entry,
                    }));
                }
                Ok(None)
            }
        }
    }

    /// How many bytes were read of the file as it lies on disk. Reading is a little ahead of the records.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    /// The same for another thread to look at.
    pub fn bytes_read_counter(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.bytes_read)
    }

    /// How long the file is on disk, if it is one.
    pub fn bytes_total(&self) -> Option<u64> {
        self.bytes_total
    }

    /// Names of columns or fields that were seen and not taken, also for another thread to look at. Those of
    /// CSV are known from the beginning.
    pub fn ignored_columns(&self) -> IgnoredColumns {
        self.ignored.clone()
    }

    /// Under which names the values are taken.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// The header of a CSV file as it stands there; `None` in NDJSON.
    pub fn header(&self) -> Option<&Raw> {
        match &self.records {
            Records::Csv { header, .. } => Some(header),
            Records::Ndjson(_) => None,
        }
    }

    /// The format.
    pub fn format(&self) -> Format {
        match self.records {
            Records::Csv { .. } => Format::Csv,
            Records::Ndjson(_) => Format::Ndjson,
        }
    }

    /// What stands between the values of a row; `None` in NDJSON.
    pub fn delimiter(&self) -> Option<u8> {
        match self.records {
            Records::Csv { delimiter, .. } => Some(delimiter),
            Records::Ndjson(_) => None,
        }
    }
}

fn check_columns(columns: &Columns) -> Result<(), ReadError> {
    let Columns {
        user_id,
        nick,
        face_url,
    } = columns;
    for (one, other) in [(user_id, nick), (user_id, face_url), (nick, face_url)] {
        if one == other {
            return Err(ReadError::SameColumn(one.clone()));
        }
    }
    Ok(())
}

/// Finds the columns that are taken. A column of another name than the default was asked for, so it must be
/// there.
fn take_header(
    header: &Row,
    columns: &Columns,
    ignored: &IgnoredColumns,
) -> Result<Places, ReadError> {
    let names = header.fields().map(String::from_utf8_lossy);
    let names: Vec<_> = names.map(|name| name.trim().to_owned()).collect();
    let find = |name: &str| {
        let mut places = names.iter().enumerate().filter(|(_, known)| *known == name);
        let first = places.next().map(|(place, _)| place);
        match places.next() {
            Some(_) => Err(ReadError::TwiceInHeader(name.to_owned())),
            None => Ok(first),
        }
    };
    let defaults = Columns::default();
    let user_id = find(&columns.user_id)?.ok_or_else(|| missing(&columns.user_id, &names))?;
    let nick = find(&columns.nick)?;
    if nick.is_none() && columns.nick != defaults.nick {
        return Err(missing(&columns.nick, &names));
    }
    let face_url = find(&columns.face_url)?;
    if face_url.is_none() && columns.face_url != defaults.face_url {
        return Err(missing(&columns.face_url, &names));
    }
    let places = Places {
        user_id,
        nick,
        face_url,
        count: names.len(),
    };
    for (place, name) in names.iter().enumerate() {
        if ![Some(user_id), nick, face_url].contains(&Some(place)) {
            ignored.add(name);
        }
    }
    Ok(places)
}

fn missing(column: &str, names: &[String]) -> ReadError {
    if let [header] = names {
        let others = [(';', "';'"), ('\t', r"'\t'"), ('|', "'|'"), (',', "','")];
        if let Some((_, shown)) = others
            .into_iter()
            .find(|(other, _)| header.contains(*other))
        {
            let known = IgnoredColumns::default();
            known.add(header);
            return ReadError::OtherDelimiter {
                header: known.names().concat(),
                shown,
            };
        }
    }
    let known = IgnoredColumns::default();
    for name in names {
        known.add(name);
    }
    ReadError::MissingColumn {
        missing: column.to_owned(),
        columns: known.names(),
    }
}
