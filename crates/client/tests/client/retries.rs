//! Which calls are tried again, how often, and with what.

use std::{sync::atomic::Ordering, time::Duration};

use muster_client::{Advice, Backoff, CallError, Client, ImportEntry, Options, Retries, SecretKey};
use muster_usersig::UserSig;
use tokio::net::TcpSocket;

use crate::{
    KEY, OK, client,
    wire_tap::{WireTap, always, status, status_200},
};

/// A client that tries again with short pauses.
fn patient(base: &str, patience: Duration) -> Client {
    let backoff = Backoff::new(Duration::from_millis(1), Duration::from_millis(5));
    let retries = Retries::default().patience(patience).backoff(backoff);
    let options = Options::default().retries(retries);
    let key = SecretKey::parse(KEY).unwrap();
    Client::with_options(base, 1_400_000_000, "administrator", key, &options).unwrap()
}

/// Longer than any test takes.
const ANY_TIME: Duration = Duration::from_hours(1);

fn refused(code: u32) -> String {
    let body = format!(r#"{{"ActionStatus":"FAIL","ErrorCode":{code},"ErrorInfo":"no"}}"#);
    status_200(&body)
}

#[tokio::test]
async fn what_may_pass_is_tried_until_it_has_passed() {
    let answers = [
        String::new(),
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{".to_owned(),
        status(429, ""),
        status(502, "<html>"),
        status(503, ""),
        status(504, ""),
        refused(70169),
        refused(60008),
        refused(60007),
        status_200(OK),
    ];
    let answers: Vec<&str> = answers.iter().map(String::as_str).collect();
    let tap = WireTap::answering_each(&answers).await;
    let alice = ImportEntry::id("alice");
    let client = patient(&tap.base, ANY_TIME);
    client.account_import(&alice).await.unwrap();

    let sent = tap.requests().await;
    assert_eq!(sent.len(), answers.len());
    for request in &sent {
        assert_eq!(request.path, "/v4/im_open_login_svc/account_import");
        assert_eq!(request.body, r#"{"UserID":"alice"}"#);
        assert_eq!(request.parameter("usersig"), sent[0].parameter("usersig"));
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_yet_is_waited_for() {
    // Who calls before it listens is refused.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let base = format!("http://{}", socket.local_addr().unwrap());
    let call = tokio::spawn(async move { patient(&base, ANY_TIME).kick("alice").await });
    // Nobody can see that the first try is over. If it is not by then, the call needs no second one.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let tap = WireTap::on(socket.listen(1).unwrap(), &[&status_200(OK)]);
    call.await.unwrap().unwrap();
    assert_eq!(tap.request().await.body, r#"{"UserID":"alice"}"#);
}

#[tokio::test]
async fn what_would_fail_again_is_tried_once() {
    for (answer, advice) in [
        (refused(70402), Advice::Never),
        (refused(1), Advice::Never),
        (refused(70107), Advice::Never),
        (status(500, ""), Advice::Never),
        (status(404, ""), Advice::Never),
        (status_200("<html>"), Advice::Never),
        // Longer than any patience of the test.
        (refused(60028), Advice::After(Duration::from_hours(24))),
        (refused(70399), Advice::After(Duration::from_hours(90 * 24))),
    ] {
        let (base, count) = always(&answer).await;
        let error = patient(&base, ANY_TIME).kick("alice").await.unwrap_err();
        assert_eq!(error.advice(), advice, "{error}");
        assert_eq!(count.load(Ordering::SeqCst), 1, "{error}");
    }
}

#[tokio::test]
async fn nothing_is_tried_again_unless_told_to() {
    let tap = WireTap::answering_each(&[&status(503, ""), &status_200(OK)]).await;
    let client = client(&tap);
    let error = client.kick("alice").await.unwrap_err();
    assert!(matches!(error, CallError::HttpStatus { status: 503 }));
    // Else the second answer would be gone.
    client.kick("bob").await.unwrap();
    let bodies = tap.requests().await.into_iter().map(|sent| sent.body);
    let bodies: Vec<_> = bodies.collect();
    assert_eq!(bodies, [r#"{"UserID":"alice"}"#, r#"{"UserID":"bob"}"#]);
}

#[tokio::test]
async fn patience_ends_with_the_last_failure() {
    let (base, count) = always(&refused(70500)).await;
    let client = patient(&base, Duration::from_secs(1));
    let CallError::Api(failure) = client.kick("alice").await.unwrap_err() else {
        panic!()
    };
    assert_eq!(failure.code, 70500);
    assert!(count.load(Ordering::SeqCst) > 1);
}

fn signed_at(usersig: &str) -> u64 {
    UserSig::decode(usersig).unwrap().claims().time_s
}

#[tokio::test]
async fn a_usersig_that_was_refused_is_signed_anew() {
    for code in [70001, 70052] {
        let tap = WireTap::answering_each(&[&refused(code), &status_200(OK)]).await;
        let client = patient(&tap.base, ANY_TIME);
        client.kick("alice").await.unwrap();
        let sent = tap.requests().await;
        let signed: Vec<_> = sent
            .iter()
            .map(|request| signed_at(request.parameter("usersig")))
            .collect();
        assert!(signed[0] < signed[1], "{signed:?}");
    }
}

#[tokio::test]
async fn a_usersig_is_signed_anew_once() {
    let (base, count) = always(&refused(70001)).await;
    let error = patient(&base, ANY_TIME).kick("alice").await.unwrap_err();
    assert_eq!(error.advice(), Advice::SignAnew);
    assert_eq!(count.load(Ordering::SeqCst), 2);
}
