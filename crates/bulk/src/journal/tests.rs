use super::*;
use crate::{
    Row,
    batches::tests::{batch_of, faulty, numbered},
};

const HERE: &str = "app 1 at http://here";

fn paths(dir: &Path) -> JournalPaths {
    JournalPaths::beside(&dir.join("users.ndjson.gz"), "ndjson")
}

fn begin(dir: &Path, earlier: Earlier) -> Result<Journal, JournalError> {
    let rows = Rows {
        header: None,
        delimiter: b',',
    };
    Journal::begin(paths(dir), HERE.to_owned(), rows, earlier)
}

/// Records of which each odd one is faulty.
fn batch(first: u64, count: u64) -> Batch {
    batch_of((first..first + count).map(|number| {
        if number % 2 == 1 {
            faulty(number)
        } else {
            numbered(number, "ann", None)
        }
    }))
}

fn read(path: Option<&PathBuf>) -> String {
    fs::read_to_string(path.unwrap()).unwrap_or_default()
}

#[test]
fn names_of_files() {
    for (input, extension, rejects, checkpoint) in [
        (
            "a/users.csv",
            "csv",
            "a/users.rejects.csv",
            "a/users.csv.muster-import",
        ),
        (
            "users.csv.gz",
            "csv",
            "users.rejects.csv",
            "users.csv.gz.muster-import",
        ),
        (
            "users.zst",
            "ndjson",
            "users.rejects.ndjson",
            "users.zst.muster-import",
        ),
        (".csv", "csv", ".csv.rejects.csv", ".csv.muster-import"),
        ("users", "csv", "users.rejects.csv", "users.muster-import"),
    ] {
        let paths = JournalPaths::beside(Path::new(input), extension);
        assert_eq!(paths.rejects.as_deref(), Some(Path::new(rejects)));
        assert_eq!(paths.checkpoint.as_deref(), Some(Path::new(checkpoint)));
    }
}

#[test]
fn what_was_not_saved_is_written_again() {
    let dir = tempfile::tempdir().unwrap();
    let paths = paths(dir.path());
    let mut journal = begin(dir.path(), Earlier::Refuse).unwrap();
    journal.write(&batch(1, 4), &Refused::new()).unwrap();
    journal.save().unwrap();
    let saved = (read(paths.rejects.as_ref()), read(paths.report.as_ref()));
    assert_eq!(saved.0, "record 1\nrecord 3\n");
    journal.write(&batch(9, 4), &Refused::new()).unwrap();
    // As if killed: what was written since may have reached the disk.
    journal.rejects.as_mut().unwrap().sync().unwrap();
    journal.report.as_mut().unwrap().sync().unwrap();
    drop(journal);
    assert!(read(paths.rejects.as_ref()).len() > saved.0.len());

    let journal = begin(dir.path(), Earlier::Resume).unwrap();
    assert_eq!(
        (read(paths.rejects.as_ref()), read(paths.report.as_ref())),
        saved
    );
    assert_eq!(journal.done().runs().collect::<Vec<_>>(), [(1, 4, 40)]);
    assert_eq!(journal.counts().failed, 2);
}

#[test]
fn refused_entries_are_failed_records() {
    let dir = tempfile::tempdir().unwrap();
    let paths = paths(dir.path());
    let mut journal = begin(dir.path(), Earlier::Refuse).unwrap();
    let fault = Fault {
        user_id: Some("ann".to_owned()),
        code: 70399,
        reason: "Barred.".to_owned(),
    };
    journal.write(&batch(2, 1), &[(0, fault)].into()).unwrap();
    journal
        .write_duplicate(Duplicate {
            line: 7,
            earlier: 3,
            is_identical: false,
        })
        .unwrap();
    assert_eq!(journal.counts().failed_by_code, [(70399, 1)].into());
    journal.end().unwrap();
    assert_eq!(read(paths.rejects.as_ref()), "record 2\n");
    assert_eq!(
        read(paths.report.as_ref()),
        "{\"line\":3,\"user_id\":\"ann\",\"code\":70399,\"reason\":\"Barred.\"}\n\
         {\"line\":7,\"earlier_line\":3,\"duplicate\":\"conflicting\"}\n"
    );
    assert!(!paths.checkpoint.unwrap().exists());
}

#[test]
fn rows_have_their_header_once() {
    let row = |fields: &[&str]| Raw::Row(Row::of(fields.iter().map(|field| field.as_bytes())));
    let dir = tempfile::tempdir().unwrap();
    let paths = JournalPaths::beside(&dir.path().join("users.csv"), "csv");
    let rows = Rows {
        header: Some(row(&["user_id", "nick"])),
        delimiter: b';',
    };
    let mut journal =
        Journal::begin(paths.clone(), HERE.to_owned(), rows, Earlier::Refuse).unwrap();
    for (first, fields) in [(1, ["a;b", "say \"hi\""]), (3, ["", "line\nbreak"])] {
        let mut record = faulty(first);
        record.record.raw = row(&fields);
        journal.write(&batch_of([record]), &Refused::new()).unwrap();
    }
    journal.end().unwrap();
    assert_eq!(
        read(paths.rejects.as_ref()),
        "user_id;nick\n\"a;b\";\"say \"\"hi\"\"\"\n;\"line\nbreak\"\n"
    );
}

#[test]
fn nothing_of_an_earlier_import_is_lost_unasked() {
    let dir = tempfile::tempdir().unwrap();
    let told = |result: Result<Journal, JournalError>| result.unwrap_err().to_string();
    assert!(told(begin(dir.path(), Earlier::Resume)).contains("nothing to resume"));
    let mut journal = begin(dir.path(), Earlier::Refuse).unwrap();
    journal.write(&batch(1, 4), &Refused::new()).unwrap();
    journal.save().unwrap();
    drop(journal);
    assert!(told(begin(dir.path(), Earlier::Refuse)).contains("broken off after 4 records"));
    let elsewhere = Journal::begin(
        paths(dir.path()),
        "app 1 at http://there".to_owned(),
        Rows {
            header: None,
            delimiter: b',',
        },
        Earlier::Resume,
    );
    assert!(told(elsewhere).contains("went to app 1 at http://here"));
    fs::write(paths(dir.path()).rejects.unwrap(), "").unwrap();
    assert!(told(begin(dir.path(), Earlier::Resume)).contains("has lost"));
    begin(dir.path(), Earlier::Restart).unwrap().end().unwrap();
    fs::write(paths(dir.path()).rejects.unwrap(), "corrected").unwrap();
    assert!(told(begin(dir.path(), Earlier::Refuse)).contains("is there already"));
}
