use std::io::{self, Cursor, Read};

use muster_bulk::{
    Raw, Row,
    file::{Columns, Format, ReadError, ReadOptions, Reader},
};

use super::{Trickle, faults, good, options, read, read_all, records};

const ENCODING: &str =
    "not UTF-8; convert a file in another encoding first, as with iconv -f GB18030 -t UTF-8.";

#[test]
fn values_are_found_by_the_names_of_their_columns() {
    let file = "\u{feff}face_url, user_id ,city,nick\r\n\
        https://a/1.png,alice,Oslo,\"Alice \"\"A\"\"\"\r\n\
        ,bob,\"one\ntwo\",\"li\nnes, and more\"\r\n\
        \r\n\
        ,用,,\n\
        https://a/2.png,carol,,";
    let all = records(file.as_bytes(), Format::Csv);
    assert_eq!(
        good(&[&all[..2], &all[3..]].concat()),
        [
            (2, ("alice", Some("Alice \"A\""), Some("https://a/1.png"))),
            (3, ("bob", Some("li\nnes, and more"), None)),
            (8, ("carol", None, Some("https://a/2.png"))),
        ]
    );
    assert_eq!(faults(&all).len(), 1);
    assert_eq!(faults(&all)[0].0, 7);
}

#[test]
fn lines_are_counted_however_they_end() {
    for (end, what) in [("\n", "LF"), ("\r\n", "CRLF"), ("\r", "CR")] {
        let file = "user_id,nick##a,\"1#2\"#b,##c,".replace('#', end);
        let all = records(file.as_bytes(), Format::Csv);
        let lines: Vec<_> = all.iter().map(|record| record.line).collect();
        assert_eq!(lines, [3, 5, 7], "{what}");
    }
}

#[test]
fn columns_may_have_other_names() {
    let file = b"uid,name,nick,photo\nalice,Alice,no,x\n";
    let columns = Columns {
        user_id: "uid".to_owned(),
        nick: "name".to_owned(),
        face_url: "photo".to_owned(),
    };
    let options = ReadOptions {
        columns,
        ..options(Format::Csv)
    };
    let mut reader = Reader::new(Cursor::new(file), &options).unwrap();
    assert_eq!(reader.ignored_columns().names(), ["nick"]);
    assert_eq!(reader.delimiter(), Some(b','));
    let header = reader.header().cloned();
    let (all, error) = read_all(&mut reader);
    assert!(error.is_none());
    assert_eq!(good(&all), [(2, ("alice", Some("Alice"), Some("x")))]);
    let row = |fields: [&str; 4]| Raw::Row(Row::of(fields.map(str::as_bytes)));
    assert_eq!(header, Some(row(["uid", "name", "nick", "photo"])));
    assert_eq!(all[0].raw, row(["alice", "Alice", "no", "x"]));
}

#[test]
fn another_delimiter_can_be_told() {
    let options = ReadOptions {
        delimiter: Some(b';'),
        ..options(Format::Csv)
    };
    let (all, error) = read(b"user_id;nick\nalice;\"a;b\"\nbob;a,b\n", &options);
    assert!(error.is_none());
    assert_eq!(
        good(&all),
        [
            (2, ("alice", Some("a;b"), None)),
            (3, ("bob", Some("a,b"), None))
        ]
    );
    for delimiter in [b'"', b'\n', b'\r', 0xa7] {
        let options = ReadOptions {
            delimiter: Some(delimiter),
            ..options.clone()
        };
        let (_, error) = read(b"user_id;nick\n", &options);
        assert!(matches!(error, Some(ReadError::BadDelimiter)), "{error:?}");
    }
}

#[test]
fn a_row_that_cannot_be_imported_says_why() {
    let long = "n".repeat(501);
    let cases: Vec<(Vec<u8>, Option<&str>, i64, String)> = vec![
        (b",Alice,".to_vec(), None, 70402, "user_id is empty.".to_owned()),
        (
            [&[b'u'; 33][..], b",,"].concat(),
            Some("uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu"),
            70402,
            "user_id cannot be a user id: it is 33 bytes long, 1 to 32 are allowed.".to_owned(),
        ),
        (
            "josé,,".into(),
            Some("josé"),
            70402,
            "user_id cannot be a user id: it has a byte outside 0x20-0x7e.".to_owned(),
        ),
        (b"jos\xe9,,".to_vec(), None, 70402, format!("user_id is {ENCODING}")),
        (b"a,jos\xe9,".to_vec(), Some("a"), 70402, format!("nick is {ENCODING}")),
        (b"a,,jos\xe9".to_vec(), Some("a"), 70402, format!("face_url is {ENCODING}")),
        (
            format!("a,{long},").into_bytes(),
            Some("a"),
            40601,
            "nick is 501 bytes long, the limit is 500.".to_owned(),
        ),
        (
            format!("a,,{long}").into_bytes(),
            Some("a"),
            40601,
            "face_url is 501 bytes long, the limit is 500.".to_owned(),
        ),
        (
            b"a,b".to_vec(),
            Some("a"),
            70402,
            "The row has 2 values, the header 3; a value that is left out still needs its delimiter."
                .to_owned(),
        ),
        (
            b"a,b,c,d".to_vec(),
            Some("a"),
            70402,
            "The row has 4 values, the header 3; a value with a delimiter in it needs quotes."
                .to_owned(),
        ),
    ];
    for (row, user_id, code, reason) in cases {
        let file = [
            b"user_id,nick,face_url\nbefore,,\n",
            &row[..],
            b"\nafter,,\n",
        ]
        .concat();
        let all = records(&file, Format::Csv);
        assert_eq!(all.len(), 3, "{reason}");
        assert_eq!(faults(&all), [(3, user_id, code, reason.as_str())]);
    }
}

#[test]
fn only_what_is_taken_must_be_utf_8() {
    let all = records(b"user_id,city,nick\na,K\xf8benhavn,A\n", Format::Csv);
    assert_eq!(good(&all), [(2, ("a", Some("A"), None))]);
}

#[test]
fn a_header_that_will_not_do_says_what_to_do() {
    let nick_of = |name: &str| ReadOptions {
        columns: Columns {
            nick: name.to_owned(),
            ..Columns::default()
        },
        ..options(Format::Csv)
    };
    let usual = options(Format::Csv);
    for (header, options, expected) in [
        (
            "uid,name",
            &usual,
            "it has no column \"user_id\"; its columns are \"uid\", \"name\". Say which one it is with \
             --map",
        ),
        (
            "user_id,Nick",
            &nick_of("name"),
            "it has no column \"name\"; its columns are \"user_id\", \"Nick\". Say which one it is \
             with --map",
        ),
        (
            "user_id;nick",
            &usual,
            "its header is one column, \"user_id;nick\"; if ';' separates the values, give \
             --delimiter ';'",
        ),
        (
            "user_id\tnick",
            &usual,
            "its header is one column, \"user_id\\tnick\"; if '\\t' separates the values, give \
             --delimiter '\\t'",
        ),
        (
            "user_id,nick, nick",
            &usual,
            "it has more than one column \"nick\"; rename all but the one that counts",
        ),
        (
            "user_id,nick",
            &nick_of("user_id"),
            "the column \"user_id\" cannot stand for two values; name a column of its own for each",
        ),
    ] {
        let (all, error) = read(format!("{header}\n").as_bytes(), options);
        assert!(all.is_empty());
        assert_eq!(error.expect(header).to_string(), expected);
    }
    // Twice, but not taken.
    assert_eq!(records(b"user_id,x,x\na,,\n", Format::Csv).len(), 1);
}

#[test]
fn a_file_without_records_is_no_error() {
    for file in ["user_id", "user_id,nick\n\n"] {
        assert!(records(file.as_bytes(), Format::Csv).is_empty(), "{file:?}");
    }
}

#[test]
fn a_file_without_a_header_is_an_error() {
    for file in ["", "\u{feff}", "\n\r\n"] {
        let (_, error) = read(file.as_bytes(), &options(Format::Csv));
        assert!(matches!(error, Some(ReadError::NoHeader)), "{error:?}");
    }
}

#[test]
fn a_quote_that_is_never_closed_ends_the_reading_where_it_began() {
    let file = b"user_id,nick\na,A\nb,\"B\nc,C\nd,D\n";
    for file in [&file[..], &file[..file.len() - 1]] {
        let (all, error) = read(file, &options(Format::Csv));
        assert_eq!(good(&all), [(2, ("a", Some("A"), None))]);
        assert!(
            matches!(error, Some(ReadError::UnclosedQuote { line: 3 })),
            "{error:?}"
        );
    }
    // A last row with a closed quote and no line end.
    assert_eq!(records(b"user_id,nick\nb,\"B\"", Format::Csv).len(), 1);
}

/// A file that goes on for ever, and counts what is read of it.
struct Endless {
    start: Cursor<&'static [u8]>,
    pattern: &'static [u8],
    left: usize,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.start.read(buffer)?;
        if length > 0 {
            return Ok(length);
        }
        for (place, byte) in buffer.iter_mut().enumerate() {
            *byte = self.pattern[place % self.pattern.len()];
        }
        self.left = self.left.checked_sub(buffer.len()).expect("reading stops");
        Ok(buffer.len())
    }
}

#[test]
fn a_row_without_end_is_given_up_after_a_mebibyte() {
    for pattern in [&b"x,y\n"[..], b",", b"x", b"\"\""] {
        let endless = Endless {
            start: Cursor::new(b"user_id,nick\na,A\nb,\"B\n"),
            pattern,
            left: 2 * 1024 * 1024,
        };
        let mut reader = Reader::new(endless, &options(Format::Csv)).unwrap();
        let (all, error) = read_all(&mut reader);
        assert_eq!(all.len(), 1);
        assert!(
            matches!(error, Some(ReadError::RowTooLong { line: 3, .. })),
            "{error:?}"
        );
    }
}

#[test]
fn rows_of_all_lengths_up_to_the_limit_are_whole() {
    let mut file = b"user_id,nick,more\n".to_vec();
    let lengths = [0, 1, 65_535, 65_536, 262_143, 262_144, 500_000, 1_000_000];
    for length in lengths {
        file.extend(b"a,A,");
        file.resize(file.len() + length, b'm');
        file.push(b'\n');
    }
    for piece in [1_000, usize::MAX] {
        let source = Trickle(Cursor::new(file.clone()), piece);
        let mut reader = Reader::new(source, &options(Format::Csv)).unwrap();
        let (all, error) = read_all(&mut reader);
        assert!(error.is_none());
        for ((place, record), length) in all.iter().enumerate().zip(lengths) {
            assert_eq!(record.line, place as u64 + 2);
            assert!(record.entry.is_ok());
            let Raw::Row(row) = &record.raw else {
                panic!("{:?}", record.raw);
            };
            assert_eq!(row.field(2).map(<[u8]>::len), Some(length));
        }
        assert_eq!(all.len(), lengths.len());
    }
}
