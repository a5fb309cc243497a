//! `muster store copy`: data directories into databases and back, broken off and gone on with, and what
//! is refused.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use muster_accounts::{
    AccountStore as _, AppChange, AppPatch, Edition, FaceUrl, NewApp, Nick, ProfileField, Record,
    SdkAppId, Transfer, UnixSeconds, UserId,
    profile::{CustomField, CustomValue, Gender},
    rules::import::{ImportEntry, ImportRequest},
};
use muster_store_local::LocalStore;
use muster_store_postgres::{Options, PostgresStore};
use muster_store_suite::transfer::contents;
use muster_testkit::{Launch, PATIENCE, postgres};
use muster_usersig::SecretKey;

use crate::{MUSTER, check::check, parted};

const NOW: UnixSeconds = UnixSeconds(1_800_000_000);
const APPS: [SdkAppId; 2] = [SdkAppId(1_400_000_001), SdkAppId(1_400_000_002)];

fn user(number: usize) -> UserId {
    UserId::parse(&format!("user {number}")).unwrap()
}

async fn import(store: &dyn Transfer, app: SdkAppId, users: std::ops::Range<usize>) {
    let entry = |number: usize| ImportEntry {
        position: number,
        user_id: user(number),
        nick: Some(Nick::parse(format!("小军 {number}\0").into()).unwrap()),
        face_url: (!number.is_multiple_of(3))
            .then(|| FaceUrl::parse("http://www.qq.com".into()).unwrap()),
    };
    for from in users.clone().step_by(500) {
        let entries = (from..users.end.min(from + 500)).map(entry).collect();
        let request = ImportRequest::new(entries);
        store
            .import(app, request, NOW.plus(from as u64))
            .await
            .unwrap();
    }
}

/// Two apps with this many users, whose ids lie between each other's, with all that can become of
/// an account.
async fn fill(store: &dyn Transfer, users: usize) {
    for (app, byte) in APPS.into_iter().zip(1..) {
        let new = NewApp {
            sdkappid: app,
            edition: Edition::Developer,
            key: SecretKey::from_random([byte; 32]),
        };
        store.create_app(new, NOW).await.unwrap();
        import(store, app, 0..users / 2).await;
    }
    for app in APPS {
        import(store, app, users / 2..users).await;
        let team = CustomField::parse("Team").unwrap();
        let patch = AppPatch {
            custom_fields: Some([team.clone()].into()),
            deletion: Some(true),
            ..AppPatch::default()
        };
        let rotate = AppChange::RotateKey {
            key: SecretKey::from_random([9; 32]),
            grace_s: 864_000,
        };
        for change in [
            AppChange::Configure(Box::new(patch)),
            rotate,
            AppChange::AddAdmin(user(3)),
        ] {
            store.change_app(app, change, NOW).await.unwrap();
        }
        for number in (0..users).step_by(users / 40) {
            let later = NOW.plus(number as u64);
            let fields = vec![
                ProfileField::Gender(Gender::Female),
                ProfileField::Level(u32::MAX),
                ProfileField::Custom(team.clone(), CustomValue::parse("蓝\0".into()).unwrap()),
            ];
            store
                .set_profile(app, user(number), fields, later)
                .await
                .unwrap();
            store.kick(app, user(number + 1), later).await.unwrap();
            if number > 3 {
                let gone = vec![user(number), user(number + 1)];
                store.delete(app, gone, later).await.unwrap();
            }
        }
        // Some of them are back, with other ids.
        import(store, app, users / 4..users / 3).await;
    }
}

async fn filled(dir: &Path, users: usize) -> LocalStore {
    let store = LocalStore::open(dir).unwrap();
    fill(&store, users).await;
    store
}

async fn open(url: &str) -> PostgresStore {
    PostgresStore::open(&Options::parse(url).unwrap())
        .await
        .unwrap()
}

/// A copy between two places, of which a database is given by its URL with the password.
fn command(from: &str, to: &str) -> Command {
    let mut command = Command::new(MUSTER);
    command.args(["store", "copy"]).env_clear();
    for (flag, place) in [("--from", from), ("--to", to)] {
        if place.starts_with("postgres://") {
            let (url, password) = parted(place);
            command
                .args([flag, &url])
                .env("MUSTER_STORE_PASSWORD", password);
        } else {
            command.args([flag, place]);
        }
    }
    command
}

/// How it ended, and all that it said.
fn run(mut command: Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap());
    (output.status.code(), out + &err)
}

#[track_caller]
fn copied(from: &str, to: &str) -> String {
    let (code, said) = run(command(from, to));
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains(" is a copy of ") && said.contains("; all compared"),
        "{said}"
    );
    said
}

#[track_caller]
fn refused(from: &str, to: &str, told: &str) {
    let (code, said) = run(command(from, to));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(told), "{said}");
}

fn shown(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_and_back_again() {
    let dir = tempfile::tempdir().unwrap();
    let [first, second, third] = ["a", "b", "c"].map(|name| shown(&dir.path().join(name)));
    let server = postgres::shared();
    let (url, other_url) = (server.new_database(), server.new_database());
    let store = filled(first.as_ref(), 12_000).await;
    let all = contents(&store).await;
    let deleted: usize = all
        .iter()
        .flat_map(|(_, records)| records)
        .filter(|record| matches!(record, Record::Deleted(_)))
        .count();
    assert!(deleted > 50, "{deleted}");
    refused(&first, &url, "is in use by another muster process");
    store.close().await.unwrap();
    drop(store);

    let said = copied(&first, &url);
    assert!(said.contains("apps: 2, accounts: 23"), "{said}");
    assert!(
        said.contains(&format!(", deleted users: {deleted}\n")),
        "{said}"
    );
    copied(&url, &other_url);
    copied(&other_url, &second);
    copied(&second, &third);
    assert!(!dir.path().join("b.partial").exists());
    let at_end = LocalStore::open(third.as_ref()).unwrap();
    assert_eq!(contents(&at_end).await, all);

    // Servers start on the copies, and give ids beyond all that came.
    let last_id = |contents: &[(_, Vec<Record>)]| {
        let all = contents.iter().flat_map(|(_, records)| records);
        all.map(Record::internal_id).max().unwrap()
    };
    let database = open(&other_url).await;
    for store in [&at_end as &dyn Transfer, &database] {
        assert_eq!(contents(store).await, all);
        import(store, APPS[0], 50_000..50_001).await;
        let new = store
            .accounts(APPS[0], &[user(50_000)])
            .await
            .unwrap()
            .remove(0)
            .unwrap();
        assert!(new.internal_id > last_id(&all));
        store.close().await.unwrap();
    }
    drop(at_end);
    let muster = Launch::serve(MUSTER, third.as_ref()).start();
    assert_eq!(muster.terminate().status.code(), Some(0));

    // What goes on at the source can be brought after it, as long as nothing else has changed.
    let said = copied(&other_url, &url);
    assert!(
        said.contains("records that were there from before: "),
        "{said}"
    );
    refused(&second, &url, "cannot become a copy of");
    assert_eq!(
        contents(&open(&url).await).await,
        contents(&open(&other_url).await).await
    );
}

/// Kills the copy after that time, unless it ends before. Returns whether it ended.
fn kill_after(child: &mut Child, time: Duration) -> bool {
    let end = Instant::now() + time;
    while Instant::now() < end {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success());
            return true;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    false
}

fn start(from: &str, to: &str) -> Child {
    let mut command = command(from, to);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_into_a_database_that_is_killed_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let source = shown(&dir.path().join("a"));
    let store = filled(source.as_ref(), 40_000).await;
    let all = contents(&store).await;
    store.close().await.unwrap();
    drop(store);
    let server = postgres::shared();
    let url = server.new_database();

    let mut copy = start(&source, &url);
    let deadline = Instant::now() + PATIENCE;
    while server
        .try_sql(&url, "SELECT FROM muster.account LIMIT 1 OFFSET 6000")
        .is_err()
        || server.sql(&url, "SELECT count(*) > 6000 FROM muster.account") != "t"
    {
        assert!(Instant::now() < deadline, "nothing is copied");
    }
    copy.kill().unwrap();
    assert!(!copy.wait().unwrap().success(), "it was quicker");
    let there: usize = server
        .sql(&url, "SELECT count(*) FROM muster.account")
        .parse()
        .unwrap();
    assert!(there < all.iter().map(|(_, records)| records.len()).sum());

    // Nobody works with a part of it.
    let ended = Launch::serve(MUSTER, &dir.path().join("node"))
        .on_database(&url)
        .try_start();
    let said = ended.err().expect("it does not start").said;
    assert!(
        said.contains("the first part of a copy that was broken off"),
        "{said}"
    );
    let (verdict, told) = &check(&url)["records"];
    assert_eq!(verdict, "wrong", "{told}");
    assert!(told.contains("the first part of a copy"), "{told}");
    let said = copied(&source, &url);
    assert!(
        said.contains(&format!("\nrecords that were there from before: {there}\n")),
        "{said}"
    );
    assert_eq!(contents(&open(&url).await).await, all);
    Launch::serve(MUSTER, &dir.path().join("node"))
        .on_database(&url)
        .start()
        .terminate();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_into_a_directory_that_is_killed_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let url = postgres::shared().new_database();
    let store = open(&url).await;
    fill(&store, 30_000).await;
    let all = contents(&store).await;
    store.close().await.unwrap();
    let target = dir.path().join("b");
    let mut kills = 0;
    while !kill_after(
        &mut start(&url, &shown(&target)),
        Duration::from_millis(60 * (kills + 1)),
    ) {
        kills += 1;
        assert!(target.exists() || kills < 1000);
    }
    assert!(kills > 2, "{kills}");
    assert!(!dir.path().join("b.partial").exists());
    assert_eq!(contents(&LocalStore::open(&target).unwrap()).await, all);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_holds_something_else_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let source = shown(&dir.path().join("a"));
    let store = filled(source.as_ref(), 200).await;
    store.close().await.unwrap();
    drop(store);
    let server = postgres::shared();
    let url = server.new_database();
    copied(&source, &url);

    // Whatever has changed is named, and is still so.
    let whole = contents(&open(&url).await).await;
    for (change, told) in [
        (
            "UPDATE account SET nick = 'x' WHERE user_id = 'user 7' AND sdkappid = 1400000002",
            "user \"user 7\" (internal id 14411518807585",
        ),
        (
            "UPDATE account SET kicked_at = 5 WHERE user_id = 'user 8'",
            "\"user 8\"",
        ),
        (
            "DELETE FROM account WHERE user_id = 'user 9'",
            "\"user 9\" (internal id",
        ),
        (
            "INSERT INTO account VALUES (1400000001, 'zoe', 144115188085855873, 0, '', '', NULL, 1, 1)",
            "it holds user \"zoe\"",
        ),
        (
            "INSERT INTO app SELECT 7, revision, version, record FROM app LIMIT 1",
            "it holds the app 7",
        ),
        (
            "UPDATE app SET record = replace(record, 'developer', 'pro') WHERE sdkappid = 1400000001",
            "the app 1400000001 is another one there",
        ),
    ] {
        let database = server.new_database();
        copied(&source, &database);
        server.sql(&database, &format!("SET search_path = muster; {change}"));
        let before = contents(&open(&database).await).await;
        assert_ne!(before, whole);
        refused(&source, &database, told);
        assert_eq!(contents(&open(&database).await).await, before);
    }

    let file = dir.path().join("file");
    fs::create_dir(dir.path().join("full")).unwrap();
    fs::write(dir.path().join("full/file"), "").unwrap();
    fs::write(&file, "").unwrap();
    let full = shown(&dir.path().join("full"));
    let nowhere = shown(&dir.path().join("nowhere"));
    refused(&nowhere, &full, "nowhere is no data directory of muster");
    assert!(!Path::new(&nowhere).exists());
    refused(&source, &full, "full is there and is no data directory");
    refused(&source, &shown(&file), "file is a file; name a directory");
    assert!(!dir.path().join("file.partial").exists());
    refused(&source, &source, "are the same place");
    let (code, said) = run({
        let mut command = Command::new(MUSTER);
        command
            .args(["store", "copy", "--from", &source, "--to", &url])
            .env_clear();
        command
    });
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("leave the password out"), "{said}");
}
