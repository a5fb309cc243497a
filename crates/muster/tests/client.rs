//! The client of this repository against the real server: each command, and what is tried again.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::{error::Error as _, fs, path::Path, process::Command, time::Duration};

use muster_client::{
    AccountStatus, Advice, Backoff, CallError, Client, HttpOptions, ImportEntry, OnlineState,
    OnlineUser, Options, ProfileValue, Retries, TransportError,
    operator::{AppChange, NewFault, Operator, OperatorError},
    tag,
};
use muster_testkit::{Launch, Muster, SAMPLE_KEY, SDKAPPID, sample_key, session::Device};

fn dev(dir: &tempfile::TempDir) -> Muster {
    Launch::dev(env!("CARGO_BIN_EXE_muster"), &dir.path().join("data")).start()
}

fn client(muster: &Muster, retries: Option<Retries>) -> Client {
    let options = Options::default().retries(retries);
    let base = muster.accounts_url();
    Client::with_options(base, SDKAPPID, "administrator", sample_key(), &options).unwrap()
}

/// Waits longer than a test takes, in short steps.
fn patient(muster: &Muster) -> Client {
    let backoff = Backoff::new(Duration::from_millis(1), Duration::from_millis(100));
    let patience = Duration::from_hours(1);
    client(
        muster,
        Some(Retries::default().patience(patience).backoff(backoff)),
    )
}

fn operator(muster: &Muster) -> Operator {
    Operator::new(muster.operator_url(), &muster.operator_token()).unwrap()
}

#[tokio::test]
async fn every_command_is_understood_on_both_sides() {
    let dir = tempfile::tempdir().unwrap();
    let muster = dev(&dir);
    let client = client(&muster, None);

    let alice = ImportEntry {
        user_id: "alice",
        nick: Some("Alice"),
        face_url: Some("https://img.example.com/alice.png"),
    };
    client.account_import(&alice).await.unwrap();
    let entries = [ImportEntry::id("bob"), ImportEntry::id("josé")];
    let left_out = client.multiaccount_import(&entries).await.unwrap();
    assert_eq!(left_out, ["josé"]);
    let left_out = client.multiaccount_import_ids(&["alice", "carol"]).await;
    assert_eq!(left_out.unwrap(), [""; 0]);

    // Ids come back as they were asked for, whatever they are.
    let too_long = "x".repeat(100);
    let asked = ["alice", "nobody", "carol", "josé\n\"", &too_long, "alice"];
    let checked = client.account_check(&asked).await.unwrap();
    let ids: Vec<_> = checked.iter().map(|user| user.user_id.as_str()).collect();
    assert_eq!(ids, asked);
    let imported: Vec<_> = checked
        .iter()
        .map(|user| user.status == Ok(AccountStatus::Imported))
        .collect();
    assert_eq!(imported, [true, false, true, false, false, true]);

    let change = AppChange::default().custom_fields(vec!["Team".to_owned()]);
    operator(&muster)
        .change_app(SDKAPPID, &change)
        .await
        .unwrap();
    let team = tag::custom("Team");
    let fields = [(tag::LEVEL, 3.into()), (&*team, "blue".into())];
    client.portrait_set("alice", &fields).await.unwrap();
    let tags = [tag::NICK, tag::LEVEL, &team, tag::GENDER];
    let profiles = client.portrait_get(&["nobody", "alice"], &tags).await;
    let profiles = profiles.unwrap();
    assert_eq!(profiles[0].fields.as_ref().unwrap_err().code, 40003);
    let expected = [
        (tag::NICK, ProfileValue::from("Alice")),
        (tag::LEVEL, 3.into()),
        (&*team, "blue".into()),
    ];
    let expected = expected.map(|(tag, value)| (tag.to_owned(), value));
    assert_eq!(profiles[1].fields, Ok(expected.to_vec()));

    let state = |user: &OnlineUser| user.status.as_ref().unwrap().state.clone();
    let mut device = Device::sign_in(muster.accounts_url(), "alice", "Web");
    let asked = ["alice", "bob", "nobody"];
    let users = client.query_online_status(&asked).await.unwrap();
    assert_eq!(users, client.querystate(&asked).await.unwrap());
    assert_eq!(state(&users[0]), OnlineState::Online);
    let devices = &users[0].status.as_ref().unwrap().devices;
    assert_eq!(devices.len(), 1);
    assert_eq!(devices[0].platform, "Web");
    assert_eq!(devices[0].state, OnlineState::Online);
    assert_eq!(state(&users[1]), OnlineState::Offline);
    assert_eq!(users[2].status.as_ref().unwrap_err().code, 70107);
    client.kick("alice").await.unwrap();
    device.wait_for_close();
    let users = client.query_online_status(&["alice"]).await.unwrap();
    assert_eq!(state(&users[0]), OnlineState::Offline);

    let asked = ["alice", "nobody", "administrator", "alice"];
    let deleted = client.account_delete(&asked).await.unwrap();
    let code = |failure: &muster_client::ItemFailure| failure.code;
    let codes: Vec<_> = deleted
        .iter()
        .map(|user| user.outcome.as_ref().err().map(code))
        .collect();
    assert_eq!(codes, [None, Some(70107), Some(70402), Some(70107)]);
    assert!(muster.terminate().status.success());
}

#[tokio::test]
async fn what_passes_is_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let muster = dev(&dir);
    let operator = operator(&muster);
    let twice = || NewFault::default().command("account_import").count(2);
    let alice = ImportEntry::id("alice");
    for fault in [twice().cut(), twice().code(60007), twice().code(70500)] {
        operator.add_fault(&fault).await.unwrap();
        // The fault is one that a single try meets.
        let error = client(&muster, None).account_import(&alice).await;
        assert_ne!(error.unwrap_err().advice(), Advice::Never);
        patient(&muster).account_import(&alice).await.unwrap();
        assert_eq!(operator.faults().await.unwrap(), []);
    }
    assert!(muster.terminate().status.success());
}

/// With the local CA that nobody but its own client knows.
#[tokio::test]
async fn a_server_over_tls_is_trusted_by_who_was_told_to() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    let muster = Launch::dev(env!("CARGO_BIN_EXE_muster"), &data_dir)
        .arg("--tls")
        .start();
    let base = muster.accounts_url();
    assert!(base.starts_with("https://"), "{base}");
    let ca = fs::read(data_dir.join("tls/ca.pem")).unwrap();
    let connect = |http| {
        let options = Options::default().http(http);
        Client::with_options(base, SDKAPPID, "administrator", sample_key(), &options).unwrap()
    };
    let trusting = HttpOptions::default().trust_pem(&ca);
    let alice = ImportEntry::id("alice");

    let stranger = connect(HttpOptions::default()).account_import(&alice).await;
    let Err(CallError::Transport(error @ TransportError::Connect { .. })) = stranger else {
        panic!("{stranger:?}")
    };
    let mut causes = format!("{error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        causes = format!("{causes}: {error}");
        cause = error.source();
    }
    assert!(causes.contains("UnknownIssuer"), "{causes}");

    connect(trusting.clone())
        .account_import(&alice)
        .await
        .unwrap();

    // The operator API of the same server is plain HTTP; of TLS it sees the same client's.
    let operator =
        |http: &HttpOptions| Operator::with_options(base, &muster.operator_token(), http).unwrap();
    let error = operator(&HttpOptions::default()).ready().await.unwrap_err();
    assert!(
        matches!(
            error,
            OperatorError::Transport(TransportError::Connect { .. })
        ),
        "{error:?}"
    );
    // Through the handshake, to a listener that is not the operator's.
    let error = operator(&trusting).ready().await.unwrap_err();
    assert!(
        matches!(error, OperatorError::NotAnAnswer { .. }),
        "{error:?}"
    );
    assert!(muster.terminate().status.success());
}

/// What the machine trusts is a file of its own here, in another process.
#[test]
fn a_server_over_tls_is_trusted_where_the_machine_trusts_it() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    let muster = Launch::dev(env!("CARGO_BIN_EXE_muster"), &data_dir)
        .arg("--tls")
        .start();
    let users = dir.path().join("users.csv");
    fs::write(&users, "user_id\nalice\n").unwrap();
    let import = |trusted: &Path| {
        Command::new(env!("CARGO_BIN_EXE_muster"))
            .arg("import")
            .arg(&users)
            .args(["--endpoint", muster.accounts_url()])
            .args(["--sdkappid", &SDKAPPID.to_string()])
            .env("MUSTER_SECRET_KEY", SAMPLE_KEY)
            .env("SSL_CERT_FILE", trusted)
            .env_remove("SSL_CERT_DIR")
            .output()
            .unwrap()
    };
    let nothing = import(Path::new("/dev/null"));
    let said = String::from_utf8_lossy(&nothing.stderr);
    assert!(!nothing.status.success());
    assert!(said.contains("are there root certificates"), "{said}");
    let done = import(&data_dir.join("tls/ca.pem"));
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}");
    assert!(muster.terminate().status.success());
}

/// What the docs of `Retries` warn of.
#[tokio::test]
async fn a_deletion_whose_answer_was_lost_finds_nobody_at_the_second_try() {
    let dir = tempfile::tempdir().unwrap();
    let muster = dev(&dir);
    let client = patient(&muster);
    client
        .account_import(&ImportEntry::id("alice"))
        .await
        .unwrap();
    let lost = NewFault::default()
        .command("account_delete")
        .cut()
        .carried_out()
        .count(1);
    operator(&muster).add_fault(&lost).await.unwrap();
    let deleted = client.account_delete(&["alice"]).await.unwrap();
    assert_eq!(deleted[0].outcome.as_ref().unwrap_err().code, 70107);
    assert!(muster.terminate().status.success());
}
