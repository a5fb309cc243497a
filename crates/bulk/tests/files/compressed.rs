use std::{
    fs,
    io::{Cursor, Read as _, Write as _},
    path::Path,
};

use flate2::{Compression as Level, write::GzEncoder};
use muster_bulk::file::{Compression, Format, Named, ReadError, ReadOptions, Reader};

use super::{Trickle, options, read, read_all};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Level::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

/// Lines that do not compress to nothing.
fn lines(from: u64, to: u64) -> Vec<u8> {
    let mut state = from;
    let lines = (from..to).map(|number| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        format!("{{\"user_id\":\"u{number}\",\"nick\":\"{state:x}\"}}\n").into_bytes()
    });
    lines.collect::<Vec<_>>().concat()
}

#[test]
fn what_a_name_says() {
    let csv = (Some(Format::Csv), Some(b','));
    let json = (Some(Format::Ndjson), None);
    for (name, (format, delimiter), compression) in [
        ("a.csv", csv, None),
        ("dir.gz/A.CSV", csv, None),
        (
            "a.tsv.zst",
            (Some(Format::Csv), Some(b'\t')),
            Some(Compression::Zstd),
        ),
        ("a.b.ndjson.gz", json, Some(Compression::Gzip)),
        ("a.JSONL.GZ", json, Some(Compression::Gzip)),
        ("csv", (None, None), None),
        ("a.json", (None, None), None),
        ("a.gz", (None, None), Some(Compression::Gzip)),
    ] {
        let expected = Named {
            format,
            compression,
            delimiter,
        };
        assert_eq!(Named::of(Path::new(name)), expected, "{name}");
    }
}

#[test]
fn compressed_files_are_read_by_name_and_by_first_bytes() {
    let whole = lines(0, 5_000);
    let parts = [lines(0, 2_000), lines(2_000, 5_000)];
    let dir = tempfile::tempdir().unwrap();
    for (name, compressed) in [
        ("a.ndjson", whole.clone()),
        ("a.ndjson.gz", gzip(&whole)),
        ("a.ndjson.zst", zstd(&whole)),
        // Members and frames one after the other are one file.
        (
            "b.ndjson.gz",
            parts.each_ref().map(|part| gzip(part)).concat(),
        ),
        (
            "b.ndjson.zst",
            parts.each_ref().map(|part| zstd(part)).concat(),
        ),
        // The name does not say it.
        ("c.ndjson", gzip(&whole)),
        ("d.ndjson", zstd(&whole)),
    ] {
        let path = dir.path().join(name);
        fs::write(&path, &compressed).unwrap();
        let mut reader = Reader::open(&path, &ReadOptions::default()).unwrap();
        assert_eq!(reader.bytes_total(), Some(compressed.len() as u64));
        let (all, error) = read_all(&mut reader);
        assert!(error.is_none(), "{name}: {error:?}");
        assert_eq!(all.len(), 5_000, "{name}");
        assert_eq!(all[4_999].entry.as_ref().unwrap().user_id.as_str(), "u4999");
        assert_eq!(reader.bytes_read(), compressed.len() as u64, "{name}");
    }
}

#[test]
fn a_file_of_unknown_format_is_not_guessed_at() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("accounts.txt");
    fs::write(&path, "user_id\n").unwrap();
    let error = Reader::open(&path, &ReadOptions::default()).err();
    assert!(matches!(error, Some(ReadError::FormatUnknown)), "{error:?}");
    assert!(Reader::open(&path, &options(Format::Csv)).is_ok());
    let error = Reader::open(&dir.path().join("none.csv"), &ReadOptions::default()).err();
    assert!(matches!(error, Some(ReadError::Io(_))), "{error:?}");
}

#[test]
fn a_file_that_is_cut_off_gives_what_it_has_and_says_so() {
    let whole = lines(0, 50_000);
    for (compression, compressed) in [
        (Compression::Gzip, gzip(&whole)),
        (Compression::Zstd, zstd(&whole)),
    ] {
        let options = ReadOptions {
            compression: Some(compression),
            ..options(Format::Ndjson)
        };
        let length = compressed.len();
        for (cut, some) in [(5, 0), (length / 2, 10_000), (length - 1, 40_000)] {
            let (all, error) = read(&compressed[..cut], &options);
            assert!(
                matches!(error, Some(ReadError::Truncated(which)) if which == compression),
                "{compression} at {cut}: {error:?}"
            );
            assert!(all.len() >= some, "{compression} at {cut}: {}", all.len());
            for (number, record) in all.iter().enumerate() {
                let entry = record.entry.as_ref().expect("no half record is given");
                assert_eq!(entry.user_id.as_str(), format!("u{number}"));
            }
        }
    }
}

#[test]
fn damage_is_told() {
    let whole = lines(0, 50_000);
    for (compression, mut compressed) in [
        (Compression::Gzip, gzip(&whole)),
        (Compression::Zstd, zstd(&whole)),
    ] {
        let options = ReadOptions {
            compression: Some(compression),
            ..options(Format::Ndjson)
        };
        let (all, error) = read(&whole, &options);
        assert!(all.is_empty());
        assert!(
            matches!(error, Some(ReadError::Corrupt { .. })),
            "{error:?}"
        );
        let middle = compressed.len() / 2;
        compressed[middle..middle + 64].fill(0xff);
        let (_, error) = read(&compressed, &options);
        assert!(
            matches!(error, Some(ReadError::Corrupt { .. })),
            "{error:?}"
        );
    }
}

#[test]
fn what_is_behind_gzip_data_is_told_from_a_member_that_is_cut_off() {
    let whole = lines(0, 5_000);
    let options = ReadOptions {
        compression: Some(Compression::Gzip),
        ..options(Format::Ndjson)
    };
    let longer = vec![b'x'; 100_000];
    for rest in [&b"\n"[..], b"garbage", &[0; 512], &longer] {
        let compressed = [&gzip(&whole)[..], &gzip(&whole), rest].concat();
        for piece in [1, 4096] {
            let source = Trickle(Cursor::new(compressed.clone()), piece);
            let mut reader = Reader::new(source, &options).unwrap();
            let (all, error) = read_all(&mut reader);
            assert_eq!(all.len(), 10_000);
            assert!(matches!(error, Some(ReadError::BehindGzip)), "{error:?}");
        }
    }
    let cut = [&gzip(&whole)[..], &gzip(&whole)[..5]].concat();
    let (_, error) = read(&cut, &options);
    assert!(matches!(error, Some(ReadError::Truncated(_))), "{error:?}");
}

#[test]
fn no_bytes_are_no_compressed_data() {
    for compression in [Compression::Gzip, Compression::Zstd] {
        let options = ReadOptions {
            compression: Some(compression),
            ..options(Format::Csv)
        };
        let (_, error) = read(b"", &options);
        assert!(
            matches!(error, Some(ReadError::Empty(which)) if which == compression),
            "{error:?}"
        );
    }
}

#[test]
fn a_window_beyond_128_mib_is_refused() {
    let compressed = |window_log| {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(window_log).unwrap();
        encoder.long_distance_matching(true).unwrap();
        // More than the window, or the frame says that it needs less.
        let mut source = std::io::repeat(b'x').take((1 << 27) + (1 << 20));
        std::io::copy(&mut source, &mut encoder).unwrap();
        encoder.finish().unwrap()
    };
    let (_, error) = read(&compressed(27), &options(Format::Ndjson));
    assert!(error.is_none(), "{error:?}");
    let (_, error) = read(&compressed(28), &options(Format::Ndjson));
    assert!(
        matches!(&error, Some(ReadError::Corrupt { reason, .. }) if reason.contains("memory")),
        "{error:?}"
    );
}

#[test]
fn utf_16_is_told() {
    for mark in [[0xff, 0xfe], [0xfe, 0xff]] {
        for file in [mark.to_vec(), [&mark[..], b"u\0s\0"].concat()] {
            let error = Reader::new(Cursor::new(file), &options(Format::Csv)).err();
            assert!(matches!(error, Some(ReadError::Utf16)), "{error:?}");
        }
    }
}

#[test]
fn utf_16_without_a_mark_is_told() {
    for (file, encoding) in [
        (&b"u\0s\0e\0r\0"[..], "UTF-16LE"),
        (b"\0u\0s\0e\0r", "UTF-16BE"),
        (b"{\0", "UTF-16LE"),
    ] {
        for format in [Format::Csv, Format::Ndjson] {
            let error = Reader::new(Cursor::new(file), &options(format)).err();
            assert!(
                matches!(error, Some(ReadError::LikeUtf16(found)) if found == encoding),
                "{error:?}"
            );
        }
    }
}
