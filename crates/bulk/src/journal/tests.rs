use std::fs;

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
    let begun = Journal::begin(paths(dir), HERE.to_owned(), rows, earlier, Duration::ZERO);
    begun.map(|(journal, _)| journal)
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
    let mut journal = begin(dir.path(), Earlier::Refuse).ok().unwrap();
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

    let journal = begin(dir.path(), Earlier::Resume).ok().unwrap();
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
    let mut journal = begin(dir.path(), Earlier::Refuse).ok().unwrap();
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
    let (to, doubt) = (HERE.to_owned(), Duration::ZERO);
    let begun = Journal::begin(paths.clone(), to, rows, Earlier::Refuse, doubt);
    let (mut journal, _) = begun.map_err(|error| error.to_string()).unwrap();
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
    let told = |result: Result<Journal, JournalError>| result.err().unwrap().to_string();
    assert!(told(begin(dir.path(), Earlier::Resume)).contains("nothing to resume"));
    let mut journal = begin(dir.path(), Earlier::Refuse).ok().unwrap();
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
        Duration::ZERO,
    );
    let elsewhere = elsewhere.map(|(journal, _)| journal);
    assert!(told(elsewhere).contains("went to app 1 at http://here"));
    fs::write(paths(dir.path()).rejects.unwrap(), "").unwrap();
    assert!(told(begin(dir.path(), Earlier::Resume)).contains("is not as the import left it"));
    begin(dir.path(), Earlier::Restart)
        .ok()
        .unwrap()
        .end()
        .unwrap();
    fs::write(paths(dir.path()).rejects.unwrap(), "corrected").unwrap();
    assert!(told(begin(dir.path(), Earlier::Refuse)).contains("is there already"));
}

#[test]
fn what_was_corrected_meanwhile_is_not_cut() {
    let dir = tempfile::tempdir().unwrap();
    let paths = paths(dir.path());
    let mut journal = begin(dir.path(), Earlier::Refuse).ok().unwrap();
    journal.write(&batch(1, 4), &Refused::new()).unwrap();
    journal.stop(Duration::ZERO).unwrap();
    let rejects = paths.rejects.as_ref().unwrap();
    let corrected = read(Some(rejects)).replace("record 1", "RECORD 1");
    fs::write(rejects, &corrected).unwrap();
    let error = begin(dir.path(), Earlier::Resume).err().unwrap();
    assert!(error.to_string().contains("once all records are done"));
    assert_eq!(read(Some(rejects)), corrected);
}

#[test]
fn files_of_others_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let paths = paths(dir.path());
    let mut journal = begin(dir.path(), Earlier::Refuse).ok().unwrap();
    // No record has failed, so this import has made none.
    let batch = batch_of([numbered(1, "ann", None)]);
    journal.write(&batch, &Refused::new()).unwrap();
    journal.stop(Duration::ZERO).unwrap();
    fs::write(paths.report.as_ref().unwrap(), "of another import").unwrap();
    let error = begin(dir.path(), Earlier::Resume).err().unwrap();
    assert!(error.to_string().contains("is there already"));
    assert_eq!(read(paths.report.as_ref()), "of another import");
}

#[test]
fn no_two_files_are_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("users.ndjson.gz");
    fs::write(&input, "").unwrap();
    let rows = Rows {
        header: None,
        delimiter: b',',
    };
    let error = |paths: JournalPaths| {
        let (to, doubt) = (HERE.to_owned(), Duration::ZERO);
        let begun = Journal::begin(paths, to, rows.clone(), Earlier::Restart, doubt);
        begun.err().unwrap().to_string()
    };
    std::os::unix::fs::symlink(&input, dir.path().join("link")).unwrap();
    for other in ["users.ndjson.gz", "link", "users.report.ndjson"] {
        let told = error(JournalPaths {
            rejects: Some(dir.path().join(other)),
            ..paths(dir.path())
        });
        assert!(told.contains("two things at once"), "{told}");
    }
    let told = error(JournalPaths {
        checkpoint: Some(dir.path().join("none/checkpoint")),
        ..paths(dir.path())
    });
    assert!(told.contains("none/checkpoint"), "{told}");
    assert!(input.exists());
}

#[test]
fn nothing_is_written_after_something_could_not_be() {
    let dir = tempfile::tempdir().unwrap();
    let paths = paths(dir.path());
    let mut journal = begin(dir.path(), Earlier::Refuse).ok().unwrap();
    journal.write(&batch(1, 4), &Refused::new()).unwrap();
    journal.save().unwrap();
    // As on a full disk.
    let report = paths.report.as_ref().unwrap();
    fs::rename(report, dir.path().join("aside")).unwrap();
    fs::create_dir(report).unwrap();
    journal.report = KeptFile::open(&dir.path().join("other"), &Kept::default(), true).ok();
    fs::create_dir(dir.path().join("other")).unwrap();
    journal.write(&batch(5, 4), &Refused::new()).unwrap_err();
    journal.write(&batch(9, 4), &Refused::new()).unwrap();
    journal.stop(Duration::ZERO).unwrap();
    assert_eq!(journal.counts().all(), 4);
    fs::remove_dir(report).unwrap();
    fs::rename(dir.path().join("aside"), report).unwrap();
    let journal = begin(dir.path(), Earlier::Resume).ok().unwrap();
    assert_eq!(journal.done().runs().collect::<Vec<_>>(), [(1, 4, 40)]);
    assert_eq!((journal.counts().imported, journal.counts().failed), (2, 2));
    assert_eq!(read(paths.rejects.as_ref()), "record 1\nrecord 3\n");
}

#[test]
fn duplicates_are_told_once_however_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    let duplicate = Duplicate {
        line: 7,
        earlier: 3,
        is_identical: true,
    };
    let mut journal = begin(dir.path(), Earlier::Refuse).ok().unwrap();
    journal.write(&batch(1, 4), &Refused::new()).unwrap();
    journal.save().unwrap();
    journal.write_duplicate(duplicate).unwrap();
    // The end has come, but for the checkpoint.
    journal.save().unwrap();
    drop(journal);
    let mut journal = begin(dir.path(), Earlier::Resume).ok().unwrap();
    journal.write_duplicate(duplicate).unwrap();
    journal.end().unwrap();
    let report = read(paths(dir.path()).report.as_ref());
    assert_eq!(report.matches("duplicate").count(), 1, "{report}");
}

#[test]
fn what_is_in_doubt_is_told_to_who_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let begin = |earlier, doubt_s| {
        let rows = Rows {
            header: None,
            delimiter: b',',
        };
        let doubt = Duration::from_secs(doubt_s);
        let begun = Journal::begin(paths(dir.path()), HERE.to_owned(), rows, earlier, doubt);
        begun.map_err(|error| error.to_string()).ok().unwrap()
    };
    let (mut journal, in_doubt) = begin(Earlier::Refuse, 5);
    assert_eq!(in_doubt, Duration::ZERO);
    journal.write(&batch(1, 4), &Refused::new()).unwrap();
    drop(journal);
    // Killed, then stopped while a lost call had two seconds left.
    let (mut journal, in_doubt) = begin(Earlier::Resume, 1);
    assert_eq!(in_doubt, Duration::from_secs(5));
    journal.write(&batch(1, 4), &Refused::new()).unwrap();
    journal.stop(Duration::from_millis(1500)).unwrap();
    let (mut journal, in_doubt) = begin(Earlier::Resume, 1);
    assert_eq!(in_doubt, Duration::from_secs(2));
    journal.stop(Duration::ZERO).unwrap();
    let (journal, in_doubt) = begin(Earlier::Resume, 1);
    assert_eq!(in_doubt, Duration::ZERO);
    drop(journal);
    // Killed once more; whoever begins anew has to know as well.
    assert_eq!(begin(Earlier::Restart, 1).1, Duration::from_secs(1));
}
