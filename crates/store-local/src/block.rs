//! The value of a block: the records of internal ids that follow each other.
//!
//! ```text
//! u8 version (1) · u8 how many · (u32 length)* · record*
//! ```
//!
//! Lengths are little-endian; a record is a [`crate::record`]. Most accounts never change, and are
//! written, flushed and read in with their neighbours at a fraction of what a key each would cost. A
//! record that changes gets a key of its own, and its place in the block counts no more.

use std::ops::Range;

use crate::record::RecordError;

const VERSION: u8 = 1;

/// The most records in a block. With more, one record costs more to read: a block is read as a
/// whole.
pub(crate) const LIMIT: u8 = 32;

/// Appends the block of these records to `out`.
pub(crate) fn encode<'r>(
    records: impl ExactSizeIterator<Item = &'r [u8]> + Clone,
    out: &mut Vec<u8>,
) {
    let many = u8::try_from(records.len()).expect("a block holds few records");
    out.extend_from_slice(&[VERSION, many]);
    for record in records.clone() {
        let length = u32::try_from(record.len()).expect("a record is small");
        out.extend_from_slice(&length.to_le_bytes());
    }
    for record in records {
        out.extend_from_slice(record);
    }
}

/// Where in the block each record stands, in order.
pub(crate) fn places(
    value: &[u8],
) -> Result<impl ExactSizeIterator<Item = Range<usize>>, RecordError> {
    let lengths = lengths(value)?;
    let total: usize = lengths.iter().map(|length| length_of(*length)).sum();
    let mut end = 2 + size_of_val(lengths);
    if value.len() != end + total {
        return Err(RecordError::Damaged(
            "its records are not as long as it says",
        ));
    }
    Ok(lengths.iter().map(move |length| {
        let start = end;
        end += length_of(*length);
        start..end
    }))
}

/// Where in the block the `nth` record stands, counted from 0.
pub(crate) fn place(value: &[u8], nth: u8) -> Result<Range<usize>, RecordError> {
    let mut places = places(value)?;
    places
        .nth(usize::from(nth))
        .ok_or(RecordError::Damaged("a record is missing in it"))
}

fn lengths(value: &[u8]) -> Result<&[[u8; 4]], RecordError> {
    let ends_early = RecordError::Damaged("it ends early");
    let (version, rest) = value.split_first().ok_or(ends_early)?;
    if *version != VERSION {
        return Err(RecordError::Version(*version));
    }
    let (many, rest) = rest.split_first().ok_or(ends_early)?;
    if *many > LIMIT {
        return Err(RecordError::Damaged("it has too many records"));
    }
    let (lengths, _) = rest.as_chunks::<4>();
    lengths.get(..usize::from(*many)).ok_or(ends_early)
}

fn length_of(bytes: [u8; 4]) -> usize {
    usize::try_from(u32::from_le_bytes(bytes)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes of version 1, so that no change of the code moves them unseen.
    #[test]
    fn version_1_is_these_bytes_and_reads_back() {
        let records = [&b"one"[..], b"", b"three"];
        let mut value = Vec::new();
        encode(records.into_iter(), &mut value);
        assert_eq!(value, b"\x01\x03\x03\0\0\0\0\0\0\0\x05\0\0\0onethree");
        for (nth, expected) in (0..).zip(places(&value).unwrap()) {
            assert_eq!(place(&value, nth), Ok(expected.clone()));
            assert_eq!(&value[expected], records[usize::from(nth)]);
        }
        assert!(place(&value, 3).is_err());
    }

    #[test]
    fn damage_is_told_and_never_panics() {
        let mut value = Vec::new();
        encode([&b"one"[..], b"two"].into_iter(), &mut value);
        for length in 0..value.len() {
            assert!(places(&value[..length]).is_err());
        }
        let mut newer = value.clone();
        newer[0] = 2;
        assert_eq!(places(&newer).err(), Some(RecordError::Version(2)));
        value[2] = u8::MAX;
        assert!(places(&value).is_err());
        let many = [VERSION, LIMIT + 1];
        assert!(places(&[&many[..], &[0; 4 * 33]].concat()).is_err());
    }
}
