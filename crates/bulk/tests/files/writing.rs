use std::{
    fs::{self, Permissions},
    io::{self, Cursor, ErrorKind, Write},
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
};

use muster_bulk::file::{
    Compression, Format, PartialFile, ReadOptions, Reader, WriteOptions, Writer,
};
use proptest::prelude::*;

use super::{options, read, read_all, values};

const COMPRESSIONS: [Compression; 3] = [Compression::None, Compression::Gzip, Compression::Zstd];

/// What [`Writer`] makes of it.
fn written(
    options: WriteOptions,
    write: impl FnOnce(&mut Writer<Vec<u8>>) -> io::Result<()>,
) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), options).unwrap();
    write(&mut writer).unwrap();
    writer.finish().unwrap()
}

fn compressed(format: Format, compression: Compression) -> WriteOptions {
    WriteOptions {
        compression,
        ..WriteOptions::new(format)
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,20}",
        prop::collection::vec(
            prop::sample::select(vec![
                "\"", ",", ";", "\n", "\r", "\r\n", "\\", " ", "\0", "中", "🙂", "\u{feff}",
                "e\u{301}",
            ]),
            0..12
        )
        .prop_map(|parts| parts.concat()),
    ]
}

type Account = (String, String, String);

fn accounts() -> impl Strategy<Value = Vec<Account>> {
    prop::collection::vec(("[ -~]{1,32}", text(), text()), 0..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn rows_that_were_written_are_read(
        accounts in accounts(),
        delimiter in prop::sample::select(b",;\t|".to_vec()),
    ) {
        for compression in COMPRESSIONS {
            let options = WriteOptions { delimiter, ..compressed(Format::Csv, compression) };
            let file = written(options, |writer| {
                writer.write_row(["user_id", "nick", "face_url"])?;
                accounts.iter().try_for_each(|(user_id, nick, face_url)| {
                    writer.write_row([user_id, nick, face_url])
                })
            });
            let options = ReadOptions { delimiter: Some(delimiter), ..super::options(Format::Csv) };
            let (records, error) = read(&file, &options);
            prop_assert!(error.is_none(), "{:?}", error);
            prop_assert_eq!(records.len(), accounts.len());
            for (record, (user_id, nick, face_url)) in records.iter().zip(&accounts) {
                let expected = (
                    user_id.as_str(),
                    Some(nick.as_str()).filter(|text| !text.is_empty()),
                    Some(face_url.as_str()).filter(|text| !text.is_empty()),
                );
                prop_assert_eq!(values(record.entry.as_ref().unwrap()), expected);
            }
        }
    }

    #[test]
    fn objects_that_were_written_are_read(accounts in accounts()) {
        for compression in COMPRESSIONS {
            let file = written(compressed(Format::Ndjson, compression), |writer| {
                accounts.iter().try_for_each(|(user_id, nick, face_url)| {
                    writer.write_object(&serde_json::json!({
                        "user_id": user_id, "nick": nick, "face_url": face_url,
                    }))
                })
            });
            let (records, error) = read(&file, &options(Format::Ndjson));
            prop_assert!(error.is_none(), "{:?}", error);
            prop_assert_eq!(records.len(), accounts.len());
            for (record, (user_id, nick, face_url)) in records.iter().zip(&accounts) {
                let expected = (user_id.as_str(), Some(nick.as_str()), Some(face_url.as_str()));
                prop_assert_eq!(values(record.entry.as_ref().unwrap()), expected);
            }
        }
    }

    /// Also those that are at fault: what is corrected must not change in anything else. A byte order mark
    /// at the beginning of a line is left out, as is NUL: they would be taken for those of UTF-16.
    #[test]
    fn records_that_are_written_again_stay_as_they_are(
        rows in prop::collection::vec(prop::collection::vec(text(), 1..5), 0..10),
        lines in prop::collection::vec("([^\r\n\0\u{feff}][^\r\n\0]{0,29})?", 0..10),
    ) {
        let of_rows = written(WriteOptions::new(Format::Csv), |writer| {
            writer.write_row(["nick", "user_id", "x"])?;
            rows.iter().try_for_each(|row| writer.write_row(row))
        });
        let of_lines = lines.join("\n").into_bytes();
        for (format, file) in [(Format::Csv, of_rows), (Format::Ndjson, of_lines)] {
            let mut reader = Reader::new(Cursor::new(file), &options(format)).unwrap();
            let header = reader.header().cloned();
            let (records, error) = read_all(&mut reader);
            prop_assert!(error.is_none(), "{:?}", error);
            let mut again = Vec::new();
            for raw in header.iter().chain(records.iter().map(|record| &record.raw)) {
                raw.write(b',', &mut again);
            }
            let (read_again, error) = read(&again, &options(format));
            prop_assert!(error.is_none(), "{:?}", error);
            prop_assert_eq!(read_again.len(), records.len());
            for (one, other) in records.iter().zip(&read_again) {
                prop_assert_eq!(&one.raw, &other.raw);
                prop_assert_eq!(&one.entry, &other.entry);
            }
        }
    }
}

#[test]
fn a_record_of_the_other_format_is_refused() {
    let mut csv = Writer::new(Vec::new(), WriteOptions::new(Format::Csv)).unwrap();
    let error = csv.write_object(&"a").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(csv.finish().unwrap(), b"");
    let mut ndjson = Writer::new(Vec::new(), WriteOptions::new(Format::Ndjson)).unwrap();
    let error = ndjson.write_row(["a"]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(ndjson.finish().unwrap(), b"");
}

#[test]
fn what_is_flushed_can_be_read_before_the_end() {
    let dir = tempfile::tempdir().unwrap();
    for compression in COMPRESSIONS {
        let path = dir.path().join("rejects");
        let file = fs::File::create(&path).unwrap();
        let mut writer = Writer::new(file, compressed(Format::Ndjson, compression)).unwrap();
        let object = serde_json::json!({ "user_id": "a" });
        writer.write_object(&object).unwrap();
        writer.flush().unwrap();
        let (records, _) = read(&fs::read(&path).unwrap(), &options(Format::Ndjson));
        assert_eq!(records.len(), 1, "{compression}");
    }
}

#[test]
fn a_partial_file_gets_its_name_when_it_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (path, partial) = (dir.path().join("a.csv"), dir.path().join("a.csv.partial"));
    fs::write(&path, "before").unwrap();

    let mut file = PartialFile::create(&path).unwrap();
    file.write_all(b"after").unwrap();
    assert_eq!(fs::read(&partial).unwrap(), b"after");
    let second = PartialFile::create(&path).err().unwrap();
    assert_eq!(second.kind(), ErrorKind::AlreadyExists);
    drop(file);
    assert!(!partial.exists());
    assert_eq!(fs::read(&path).unwrap(), b"before");

    let mut file = PartialFile::create(&path).unwrap();
    file.write_all(b"after").unwrap();
    file.keep().unwrap();
    assert!(!partial.exists());
    assert_eq!(fs::read(&path).unwrap(), b"after");

    for no_file in [dir.path(), "/".as_ref(), "".as_ref()] {
        assert!(PartialFile::create(no_file).is_err(), "{no_file:?}");
    }
}

/// Who may do what, as `chmod` says it.
fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_file_is_for_its_owner_only_unless_one_is_there_that_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.csv");
    PartialFile::create(&path).unwrap().keep().unwrap();
    assert_eq!(mode(&path), 0o600);
    for kept in [0o644, 0o640, 0o400] {
        fs::set_permissions(&path, Permissions::from_mode(kept)).unwrap();
        PartialFile::create(&path).unwrap().keep().unwrap();
        assert_eq!(mode(&path), kept, "{kept:o}");
    }
}

#[test]
fn a_link_stays_and_the_file_that_it_leads_to_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let (there, here) = (dir.path().join("there"), dir.path().join("here"));
    fs::create_dir(&there).unwrap();
    fs::create_dir(&here).unwrap();
    let (target, link) = (there.join("real.csv"), here.join("link.csv"));
    let second = here.join("second.csv");
    symlink("../there/real.csv", &link).unwrap();
    symlink(&link, &second).unwrap();
    // A link may lead to what is not there yet.
    for text in ["first", "again"] {
        let mut file = PartialFile::create(&second).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        assert!(there.join("real.csv.partial").exists());
        file.keep().unwrap();
        assert!(link.is_symlink() && second.is_symlink());
        assert!(!target.is_symlink());
        assert_eq!(fs::read_to_string(&target).unwrap(), text);
        assert_eq!(fs::read_dir(&here).unwrap().count(), 2);
    }
    let circle = here.join("circle");
    symlink(&circle, &circle).unwrap();
    assert!(PartialFile::create(&circle).is_err());
}
