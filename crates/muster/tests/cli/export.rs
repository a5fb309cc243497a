//! `muster export`: the accounts of a running server as a file.

use std::{
    fs,
    io::{self, BufRead as _, BufReader, Read as _},
    net::{Shutdown, TcpListener, TcpStream},
    os::unix::fs::{FileTypeExt as _, symlink},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use muster_bulk::file::{ReadOptions, Reader};
use muster_client::{ImportEntry, ProfileValue, operator::Account};
use muster_testkit::{Muster, SDKAPPID};
use rustix::process::{Pid, Signal, kill_process};

use crate::run::{MUSTER, Run, accounts, client, dev, muster, operator, wait};

/// User id, nickname, avatar: what files get wrong.
const USERS: [(&str, &str, &str); 8] = [
    ("plain", "Alice", "https://img.example.com/alice.png"),
    ("nothing", "", ""),
    ("quotes", "\"Al\" said \"\"", "a\"b"),
    ("lines", "one\ntwo\r\nthree\rfour\n", "\n"),
    ("commas, and; more?", ",a;b\tc,", " , "),
    (
        "scripts",
        "中文 العربية हिन्दी Ελληνικά 🙂e\u{301}",
        "https://例.example/图",
    ),
    ("blanks", "  x  ", " "),
    ("escapes", "\\n \u{1} \u{feff} \u{2028} \0", "\\"),
];

fn import(muster: &Muster, users: &[(&str, &str, &str)]) {
    let entries: Vec<_> = users
        .iter()
        .map(|&(user_id, nick, face_url)| ImportEntry {
            user_id,
            nick: Some(nick),
            face_url: Some(face_url),
        })
        .collect();
    let left_out = wait(client(muster).multiaccount_import(&entries)).unwrap();
    assert!(left_out.is_empty(), "{left_out:?}");
}

/// So many users, with ids in order.
fn import_many(muster: &Muster, count: usize) {
    let ids: Vec<_> = (0..count)
        .map(|number| format!("user{number:06}"))
        .collect();
    let entries: Vec<_> = ids.iter().map(|user_id| ImportEntry::id(user_id)).collect();
    let imported = wait(operator(muster).import(SDKAPPID, &entries, false)).unwrap();
    assert_eq!(imported.created, count as u64);
}

fn arguments<'a>(muster: &'a Muster, file: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let data_dir = muster.data_dir().to_str().unwrap();
    let mut all = vec!["export", file, "--sdkappid", "1400000000"];
    all.extend([
        "--operator-url",
        muster.operator_url(),
        "--data-dir",
        data_dir,
    ]);
    all.extend(more);
    all
}

fn export(muster_: &Muster, file: &Path, more: &[&str]) -> Run {
    muster(&arguments(muster_, file.to_str().unwrap(), more))
}

/// User ids, nicknames and avatars of a file, by the reader of `muster import`.
fn read(path: &Path) -> Vec<(String, String, String)> {
    let mut reader = Reader::open(path, &ReadOptions::default()).unwrap();
    let mut all = Vec::new();
    while let Some(record) = reader.next_record().unwrap() {
        let entry = record.entry.unwrap();
        all.push((
            entry.user_id.to_string(),
            entry.nick.unwrap_or_default().as_str().to_owned(),
            entry.face_url.unwrap_or_default().as_str().to_owned(),
        ));
    }
    all
}

fn lines(ndjson: &str) -> Vec<serde_json::Value> {
    let lines = ndjson
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

#[test]
fn an_export_has_every_account_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let server = dev(&dir.path().join("data")).start();
    import(&server, &USERS);
    let held = wait(accounts(&server));
    let count = USERS.len() + 1;
    for name in ["a.csv", "a.tsv.gz", "a.ndjson", "a.jsonl.zst", "a.csv.zst"] {
        for page_size in ["1", "3", "9", "10"] {
            let path = dir.path().join(name);
            let said = export(&server, &path, &["--page-size", page_size]).ok();
            let bytes = fs::metadata(&path).unwrap().len();
            let start = format!(
                "{} has {count} accounts, {bytes} bytes, written in ",
                path.display()
            );
            assert!(said.starts_with(&start), "{said}");
            assert!(said.contains("\ntaken from 20"), "{said}");
            let mut all = read(&path);
            assert_eq!(all.remove(0).0, "administrator");
            let expected = USERS.map(|(user_id, nick, face_url)| {
                (user_id.to_owned(), nick.to_owned(), face_url.to_owned())
            });
            assert_eq!(all, expected, "{name}");
        }
    }
    // All that is known of each, in both formats.
    let ndjson = fs::read_to_string(dir.path().join("a.ndjson")).unwrap();
    let objects = lines(&ndjson);
    for (object, account) in objects[1..].iter().zip(&held) {
        let Account {
            internal_id,
            user_id,
            nick,
            face_url,
            imported_at,
            changed_at,
            ..
        } = account;
        let expected = serde_json::json!({
            "user_id": user_id, "nick": nick, "face_url": face_url, "internal_id": internal_id,
            "imported_at": imported_at, "changed_at": changed_at, "kicked_at": null,
            "state": "active", "profile": {},
        });
        assert_eq!(*object, expected);
    }
    let csv = fs::read_to_string(dir.path().join("a.csv")).unwrap();
    let mut rows = csv.lines();
    let header = "user_id,nick,face_url,internal_id,imported_at,changed_at,kicked_at,state";
    assert_eq!(rows.next(), Some(header));
    let Account {
        internal_id,
        imported_at,
        changed_at,
        ..
    } = &held[0];
    let plain = format!(
        "plain,Alice,https://img.example.com/alice.png,{internal_id},{imported_at},{changed_at},,active"
    );
    assert_eq!(rows.nth(1), Some(plain.as_str()));
}

#[test]
fn what_csv_leaves_out_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let server = dev(&dir.path().join("data")).start();
    import(&server, &[("alice", "Alice", ""), ("bob", "Bob", "")]);
    let level = [("Tag_Profile_IM_Level", ProfileValue::Number(3))];
    wait(client(&server).portrait_set("bob", &level)).unwrap();

    let csv = export(&server, &dir.path().join("a.csv"), &[]).ok();
    let cut =
        "1 of them have other fields in their profile, which CSV leaves out; NDJSON has them\n";
    assert!(csv.ends_with(cut), "{csv}");
    let done = muster(&arguments(&server, "-", &["--format", "ndjson"])).done();
    assert_eq!(done.code, Some(0), "{done}");
    let objects = lines(&done.out);
    assert_eq!(
        objects[2]["profile"],
        serde_json::json!({"Tag_Profile_IM_Level": 3})
    );
    assert_eq!(objects[1]["profile"], serde_json::json!({}));
    // The standard output has the accounts alone.
    let bytes = done.out.len();
    let start = format!("the standard output has 3 accounts, {bytes} bytes, written in ");
    assert!(done.err.starts_with(&start), "{done}");
    assert!(!done.err.contains("leaves out"), "{done}");
}

#[test]
fn an_export_that_cannot_be_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let server = dev(&dir.path().join("data")).start();
    let path = dir.path().join("a.csv");
    fs::write(&path, "before").unwrap();

    let unsaid = export(&server, &dir.path().join("a.txt"), &[]).refused(1);
    assert!(
        unsaid.contains("give --format csv or --format ndjson"),
        "{unsaid}"
    );
    let unsaid = muster(&arguments(&server, "-", &[])).refused(1);
    assert!(
        unsaid.contains("give --format csv or --format ndjson"),
        "{unsaid}"
    );
    let directory = export(&server, dir.path(), &["--format", "csv"]).refused(1);
    assert!(directory.contains("is a directory"), "{directory}");
    let missing = export(&server, &dir.path().join("none/a.csv"), &[]).refused(1);
    assert!(missing.contains("none/a.csv.partial"), "{missing}");

    let file = path.to_str().unwrap();
    let mut of_no_app = arguments(&server, file, &[]);
    of_no_app[3] = "7";
    let refused = muster(&of_no_app).refused(1);
    assert!(refused.contains("There is no app 7."), "{refused}");

    let partial = dir.path().join("a.csv.partial");
    fs::write(&partial, "of another").unwrap();
    let refused = export(&server, &path, &[]).refused(1);
    assert!(refused.contains("remove it"), "{refused}");
    assert_eq!(fs::read(&partial).unwrap(), b"of another");
    assert_eq!(fs::read(&path).unwrap(), b"before");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
}

#[test]
fn an_export_leaves_pipes_and_links_what_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let server = dev(&dir.path().join("data")).start();
    import(&server, &[("alice", "Alice", "")]);
    let pipe = dir.path().join("pipe.ndjson");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let link = dir.path().join("link.ndjson");
    symlink(&pipe, &link).unwrap();
    for path in [&pipe, &link] {
        let child = spawn(&arguments(&server, path.to_str().unwrap(), &[]));
        let text = fs::read_to_string(&pipe).unwrap();
        let ended = child.wait_with_output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert!(ended.status.success(), "{said}");
        assert_eq!(lines(&text)[1]["user_id"], "alice");
        assert!(said.contains(" has 2 accounts, "), "{said}");
        assert_eq!(ended.stdout, b"");
        assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
        assert!(link.is_symlink());
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
}

/// A way to a server, which can lead to another one later.
struct Door {
    url: String,
    to: Arc<Mutex<String>>,
}

impl Door {
    fn to(server: &Muster) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let door = Door {
            url,
            to: Arc::default(),
        };
        door.lead_to(server);
        let to = Arc::clone(&door.to);
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                // Without a server the connection ends at once.
                if let Ok(server) = TcpStream::connect(&*to.lock().unwrap()) {
                    let (back, forth) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                    thread::spawn(move || pass_on(&client, &server));
                    thread::spawn(move || pass_on(&forth, &back));
                }
            }
        });
        door
    }

    fn lead_to(&self, server: &Muster) {
        let address = server.operator_url().strip_prefix("http://").unwrap();
        address.clone_into(&mut self.to.lock().unwrap());
    }
}

fn pass_on(mut from: &TcpStream, mut to: &TcpStream) {
    // However it ends, both sides are told.
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

fn spawn(arguments: &[&str]) -> Child {
    Command::new(MUSTER)
        .args(arguments)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn an_export_survives_a_server_that_is_killed_and_started_again() {
    const COUNT: usize = 5_000;
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    let server = dev(&data_dir).start();
    import_many(&server, COUNT);
    let door = Door::to(&server);
    let mut arguments = arguments(&server, "-", &["--format", "ndjson", "--page-size", "7"]);
    arguments[5] = &door.url;
    let mut child = spawn(&arguments);

    // Who does not read holds it up long before the end.
    let mut out = child.stdout.take().unwrap();
    let mut first = [0];
    out.read_exact(&mut first).unwrap();
    server.kill();
    let rest = thread::spawn(move || {
        let mut rest = String::new();
        out.read_to_string(&mut rest).unwrap();
        rest
    });
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let trouble = said.next().unwrap().unwrap();
    assert!(
        trouble.contains("the server is asked again for 5 minutes"),
        "{trouble}"
    );
    let again = dev(&data_dir).start();
    door.lead_to(&again);
    assert!(child.wait().unwrap().success());
    let rest = rest.join().unwrap();
    let ids: Vec<_> = lines(&format!("{}{rest}", char::from(first[0])))
        .into_iter()
        .map(|object| object["user_id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids.len(), COUNT + 1);
    for (number, id) in ids[1..].iter().enumerate() {
        assert_eq!(*id, format!("user{number:06}"));
    }
}

#[test]
fn a_stopped_export_removes_what_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let server = dev(&dir.path().join("data")).start();
    import_many(&server, 10_000);
    let (path, partial) = (dir.path().join("a.csv"), dir.path().join("a.csv.partial"));
    fs::write(&path, "before").unwrap();
    for signal in [Signal::INT, Signal::TERM] {
        let file = path.to_str().unwrap();
        let child = spawn(&arguments(&server, file, &["--page-size", "1"]));
        let deadline = Instant::now() + Duration::from_mins(1);
        while !partial.exists() {
            assert!(Instant::now() < deadline, "it does not begin");
            thread::sleep(Duration::from_millis(1));
        }
        let pid = Pid::from_raw(child.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        let ended = child.wait_with_output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(1), "{said}");
        assert!(said.contains("a.csv.partial is removed: stopped"), "{said}");
        assert!(!partial.exists());
        assert_eq!(fs::read(&path).unwrap(), b"before");
    }
}

#[test]
fn a_reader_of_an_export_may_have_seen_enough() {
    let dir = tempfile::tempdir().unwrap();
    let server = dev(&dir.path().join("data")).start();
    import_many(&server, 5_000);
    let mut child = spawn(&arguments(&server, "-", &["--format", "ndjson"]));
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut [0]).unwrap();
    drop(out);
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(String::from_utf8(ended.stderr).unwrap(), "");
}
