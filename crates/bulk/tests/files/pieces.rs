//! Whatever pieces a file comes in, its records are the same.

use std::io::Cursor;

use muster_bulk::file::{Format, Reader};
use proptest::prelude::*;

use super::{Trickle, options, read, read_all};

/// Files that are nearly right, with all that matters to a parser in them.
fn files() -> impl Strategy<Value = (Format, Vec<u8>)> {
    let csv = prop::collection::vec(
        prop::sample::select(vec![
            "a", "bob", ",", ",", "\"", "\"\"", "\n", "\n", "\r", "\r\n", " ", "中", "\u{feff}",
        ]),
        0..60,
    )
    .prop_map(|parts| {
        (
            Format::Csv,
            format!("user_id,nick\n{}", parts.concat()).into(),
        )
    });
    let ndjson = prop::collection::vec(
        prop::sample::select(vec![
            "{\"user_id\":\"a\"}",
            "{\"user_id\":\"b\",\"nick\":\"中\\n\"}",
            "{",
            "\"",
            "\n",
            "\n",
            "\r",
            "\r\n",
            " ",
            "\u{feff}",
        ]),
        0..40,
    )
    .prop_map(|parts| (Format::Ndjson, parts.concat().into()));
    prop_oneof![csv, ndjson]
}

proptest! {
    #[test]
    fn pieces_do_not_matter((format, file) in files(), piece in 1_usize..9) {
        let (whole, error) = read(&file, &options(format));
        let source = Trickle(Cursor::new(file), piece);
        let (in_pieces, other_error) = match Reader::new(source, &options(format)) {
            Ok(mut reader) => read_all(&mut reader),
            Err(error) => (Vec::new(), Some(error)),
        };
        prop_assert_eq!(format!("{whole:?}"), format!("{in_pieces:?}"));
        prop_assert_eq!(format!("{error:?}"), format!("{other_error:?}"));
    }

    /// Another reader of CSV, which does not mind a quote that is not closed, finds the same values.
    #[test]
    fn rows_are_what_another_reader_finds((format, file) in files()) {
        prop_assume!(format == Format::Csv);
        let (records, error) = read(&file, &options(format));
        prop_assume!(error.is_none());
        let mut other = csv::ReaderBuilder::new().flexible(true).from_reader(file.as_slice());
        let rows: Vec<_> = other.byte_records().map(Result::unwrap).collect();
        let of_row = |row: &csv::ByteRecord| {
            let fields: Vec<_> = row.iter().map(<[u8]>::to_vec).collect();
            fields
        };
        let found: Vec<_> = records.iter().map(|record| {
            let muster_bulk::Raw::Row(row) = &record.raw else {
                panic!("{:?}", record.raw);
            };
            row.fields().map(<[u8]>::to_vec).collect::<Vec<_>>()
        }).collect();
        prop_assert_eq!(found, rows.iter().map(of_row).collect::<Vec<_>>());
    }
}
