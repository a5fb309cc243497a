//! The engine's journals, looked over before the engine reads them.
//!
//! Left alone, fjall takes a journal up to the first place that is no entry and cuts off all that
//! follows, be it acknowledged or not; a batch whose checksum is wrong it refuses. So damage in the
//! middle would lose acknowledged requests without a word, and a power cut that tears the last batch
//! could leave a store that does not open. Here the two are told apart:
//!
//! - What a power cut leaves unfinished is the last batch of all, for the next is written after the
//!   sync of the one before it. Nothing of it was acknowledged, and it is cut off.
//! - Any other place that does not read is damage, and the store is not opened.
//!
//! A journal is batches, then zeros, which are space made ahead:
//!
//! ```text
//! batch: u8 1 · u32 number of entries · u64 sequence number · entry* ·
//!        u8 3 · u64 xxh3 of the entries · "FJL\x03"
//! entry: u8 2 · u8 type · u8 compression · u64 keyspace · u16 length of key · u32 length of value ·
//!        u32 length as stored · key · value as stored
//!        or u8 4 · u64 keyspace (it was cleared)
//! ```
//!
//! Integers are little-endian. Sequence numbers grow from batch to batch.

use std::{
    fs::{self, File},
    io::{Seek, SeekFrom, Write},
    ops::Range,
    path::{Path, PathBuf},
};

use xxhash_rust::xxh3::Xxh3;

use crate::damage::FileError;

const BEGIN: u8 = 1;
const ENTRY: u8 = 2;
const END: u8 = 3;
const CLEARED: u8 = 4;
const TRAILER: &[u8] = b"FJL\x03";

/// Disks write a sector as a whole or not at all.
const SECTOR_BYTES: usize = 512;

/// Sequence numbers are used up by the engine's own work too, some for each table. Farther than this
/// they never are from each other.
const STEP_LIMIT: u64 = 1 << 16;

/// A batch that is whole.
struct Batch {
    sequence: u64,
    length: usize,
}

/// Why there is no whole batch at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    /// The bytes end before it does.
    Short,
    /// Its last bytes are not the trailer.
    Trailer,
    /// It is none.
    Wrong(&'static str),
}

/// A last batch that the power has cut short.
struct Torn {
    file: PathBuf,
    at: usize,
    why: Broken,
}

/// Looks over all journals of a store, and cuts off a last batch that was not finished. Nothing is
/// changed if there is any damage.
pub(crate) fn mend(store: &Path) -> Result<(), FileError> {
    let mut last_sequence = None;
    let mut torn: Option<Torn> = None;
    let mut newest = None;
    for file in journals(store)? {
        let bytes = fs::read(&file).map_err(FileError::io(&file))?;
        let scan = scan(&bytes, &mut last_sequence);
        if let Some(torn) = &torn
            && (scan.batches > 0 || scan.broken.is_some())
        {
            // It was not the last.
            return Err(damaged(&torn.file, torn.at, torn.why));
        }
        if scan.batches > 0 {
            newest = Some((file.clone(), scan.last.start, bytes[scan.last].to_vec()));
        }
        let Some((at, why)) = scan.broken else {
            continue;
        };
        let tail = &bytes[at..written(&bytes)];
        let is_followed = has_later_batch(tail, last_sequence) || has_end(tail, last_sequence);
        if is_followed || !is_torn(tail, at, why) {
            return Err(damaged(&file, at, why));
        }
        torn = Some(Torn { file, at, why });
    }
    if let Some((file, at, batch)) = newest {
        write_again(&file, at as u64, &batch).map_err(FileError::io(&file))?;
    }
    let Some(Torn { file, at, .. }) = torn else {
        return Ok(());
    };
    tracing::warn!(
        file = %file.display(),
        at,
        "the power went while a write was under way; what was not finished, and so not acknowledged, \
         is cut off"
    );
    cut(&file, at as u64).map_err(FileError::io(&file))
}

fn damaged(file: &Path, at: usize, why: Broken) -> FileError {
    let why = match why {
        Broken::Short => "a batch ends too early",
        Broken::Trailer => "a batch has no end",
        Broken::Wrong(why) => why,
    };
    FileError::damaged(file, format!("at byte {at}: {why}"))
}

/// Writes and syncs the last batch once more. If its sync failed, and the store stopped for that, it may
/// be in the system's memory only, where it counts as written: without this it would be believed,
/// followed by others, and gone with the power.
fn write_again(file: &Path, at: u64, batch: &[u8]) -> std::io::Result<()> {
    let mut file = File::options().write(true).open(file)?;
    file.seek(SeekFrom::Start(at))?;
    file.write_all(batch)?;
    file.sync_all()
}

fn cut(file: &Path, length: u64) -> std::io::Result<()> {
    let file = File::options().write(true).open(file)?;
    file.set_len(length)?;
    file.sync_all()
}

/// The journals in the order of their numbers, which is that of writing. There is one always, and none
/// is missing between two: the oldest goes first.
fn journals(store: &Path) -> Result<Vec<PathBuf>, FileError> {
    let mut journals = Vec::new();
    for entry in fs::read_dir(store).map_err(FileError::io(store))? {
        let name = entry.map_err(FileError::io(store))?.file_name();
        // The engine refuses other names of this kind itself.
        let number = name.to_str().and_then(|name| name.strip_suffix(".jnl"));
        if let Some(number) = number.and_then(|number| number.parse::<u64>().ok()) {
            journals.push((number, store.join(name)));
        }
    }
    journals.sort_unstable();
    let missing = journals
        .windows(2)
        .find(|pair| pair[0].0.checked_add(1) != Some(pair[1].0));
    if let Some(pair) = missing {
        return Err(FileError::damaged(
            store,
            format!("the journal before {} is missing", pair[1].1.display()),
        ));
    }
    if journals.is_empty() {
        return Err(FileError::damaged(store, "it has no journal"));
    }
    Ok(journals.into_iter().map(|(_, file)| file).collect())
}

struct Scan {
    batches: usize,
    /// Where the last of them stands.
    last: Range<usize>,
    broken: Option<(usize, Broken)>,
}

/// Reads batch after batch, until the bytes end or one is not whole.
fn scan(bytes: &[u8], last_sequence: &mut Option<u64>) -> Scan {
    let end = written(bytes);
    let mut scan = Scan {
        batches: 0,
        last: 0..0,
        broken: None,
    };
    let mut at = 0;
    while at < end {
        match batch(&bytes[at..end]) {
            Ok(batch) if !follows(batch.sequence, *last_sequence) => {
                let why = Broken::Wrong("the sequence number of a batch is none");
                scan.broken = Some((at, why));
                break;
            }
            Ok(batch) => {
                *last_sequence = Some(batch.sequence);
                scan.batches += 1;
                scan.last = at..at + batch.length;
                at += batch.length;
            }
            Err(why) => {
                scan.broken = Some((at, why));
                break;
            }
        }
    }
    scan
}

fn follows(sequence: u64, last: Option<u64>) -> bool {
    last.is_none_or(|last| (1..=STEP_LIMIT).contains(&sequence.wrapping_sub(last)))
}

/// How many bytes there are before the zeros at the end.
fn written(bytes: &[u8]) -> usize {
    /// Compared as a whole: there may be tens of megabytes of zeros.
    const ZEROS: [u8; 4096] = [0; 4096];
    let mut rest = bytes;
    while let Some((before, zeros)) = rest.split_last_chunk()
        && *zeros == ZEROS
    {
        rest = before;
    }
    let last = rest.iter().rposition(|byte| *byte != 0);
    last.map_or(0, |last| last + 1)
}

/// Reads the batch at the beginning of the bytes.
fn batch(bytes: &[u8]) -> Result<Batch, Broken> {
    let mut rest = bytes;
    if byte(&mut rest)? != BEGIN {
        return Err(Broken::Wrong("no batch begins here"));
    }
    let entries = u32::from_le_bytes(*take(&mut rest)?);
    let sequence = u64::from_le_bytes(*take(&mut rest)?);
    let begin = bytes.len() - rest.len();
    for _ in 0..entries {
        skip_entry(&mut rest)?;
    }
    let end = bytes.len() - rest.len();
    if byte(&mut rest)? != END {
        return Err(Broken::Wrong("a batch does not end where it should"));
    }
    let checksum = u64::from_le_bytes(*take(&mut rest)?);
    if *take::<{ TRAILER.len() }>(&mut rest)? != *TRAILER {
        return Err(Broken::Trailer);
    }
    let mut hash = Xxh3::new();
    hash.update(&bytes[begin..end]);
    if hash.digest() != checksum {
        return Err(Broken::Wrong(
            "the checksum of a batch is not that of its entries",
        ));
    }
    Ok(Batch {
        sequence,
        length: bytes.len() - rest.len(),
    })
}

fn skip_entry(rest: &mut &[u8]) -> Result<(), Broken> {
    match byte(rest)? {
        ENTRY => {}
        CLEARED => return take::<8>(rest).map(drop),
        _ => return Err(Broken::Wrong("no entry begins here")),
    }
    let [_kind, _compression] = take(rest)?;
    let _keyspace: &[u8; 8] = take(rest)?;
    let key = u16::from_le_bytes(*take(rest)?);
    let _value: &[u8; 4] = take(rest)?;
    let stored = u32::from_le_bytes(*take(rest)?);
    let length = usize::from(key).saturating_add(stored as usize);
    *rest = rest.get(length..).ok_or(Broken::Short)?;
    Ok(())
}

fn byte(rest: &mut &[u8]) -> Result<u8, Broken> {
    take::<1>(rest).map(|[byte]| *byte)
}

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Result<&'a [u8; N], Broken> {
    let (taken, after) = rest.split_first_chunk().ok_or(Broken::Short)?;
    *rest = after;
    Ok(taken)
}

/// Whether a whole batch that was written later stands anywhere in the tail.
fn has_later_batch(tail: &[u8], last_sequence: Option<u64>) -> bool {
    let places = tail.iter().enumerate().skip(1);
    let mut begins = places.filter(|(_, byte)| **byte == BEGIN);
    begins
        .any(|(at, _)| batch(&tail[at..]).is_ok_and(|batch| follows(batch.sequence, last_sequence)))
}

/// Whether a batch ended in the tail and another began after it: then the first was wholly written once,
/// for the next is written after the sync of the one before it.
fn has_end(tail: &[u8], last_sequence: Option<u64>) -> bool {
    tail.windows(TRAILER.len())
        .enumerate()
        .filter(|(_, bytes)| *bytes == TRAILER)
        .any(|(at, _)| {
            let mut rest = &tail[at + TRAILER.len()..];
            let begin = byte(&mut rest);
            let _entries = take::<4>(&mut rest);
            let sequence = take::<8>(&mut rest);
            begin == Ok(BEGIN)
                && sequence.is_ok_and(|bytes| follows(u64::from_le_bytes(*bytes), last_sequence))
        })
}

/// Whether the tail, which is one batch that is not whole, was never wholly written: its end or a
/// sector of it is missing. One that is all there and yet wrong has changed since.
fn is_torn(tail: &[u8], at: usize, why: Broken) -> bool {
    let ends = tail.ends_with(TRAILER) || why == Broken::Trailer;
    !ends || sectors(tail.len(), at).any(|sector| tail[sector].iter().all(|byte| *byte == 0))
}

/// The parts of the sectors that `length` bytes from `at` on lie in.
fn sectors(length: usize, at: usize) -> impl Iterator<Item = Range<usize>> {
    let first = SECTOR_BYTES - at % SECTOR_BYTES;
    let begins = std::iter::once(0).chain((first..length).step_by(SECTOR_BYTES));
    begins.map(move |begin| {
        let next = (at + begin) / SECTOR_BYTES * SECTOR_BYTES + SECTOR_BYTES - at;
        begin..next.min(length)
    })
}
