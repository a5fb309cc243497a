//! What can go wrong with a call, and how it is told.

use std::{error::Error, time::Duration};

use muster_client::{
    CallError, Client, HttpOptions, ImportEntry, Options, REQUEST_LIMIT_BYTES, SecretKey,
    SetupError, TransportError,
    operator::{Operator, OperatorSetupError},
};

use crate::{
    KEY, OK, client,
    wire_tap::{self, WireTap, status, status_200},
};

#[tokio::test]
async fn failures_are_told_apart() {
    let import = async |answer: &str| {
        let tap = WireTap::answering(answer).await;
        client(&tap)
            .multiaccount_import(&[ImportEntry::id("a")])
            .await
            .unwrap_err()
    };

    let barred =
        r#"{"ActionStatus":"FAIL","ErrorCode":70399,"ErrorInfo":"no","FailAccounts":["a"]}"#;
    let CallError::Api(failure) = import(&status_200(barred)).await else {
        panic!()
    };
    assert_eq!((failure.code, failure.info.as_str()), (70399, "no"));
    assert_eq!(failure.fail_accounts, Some(vec!["a".to_owned()]));

    assert!(matches!(
        import(&status(503, "")).await,
        CallError::HttpStatus { status: 503 }
    ));

    // A redirect is not followed: the UserSig would go along.
    let moved = "HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
    assert!(matches!(
        import(moved).await,
        CallError::HttpStatus { status: 307 }
    ));

    for body in [
        "<html>",
        "{}",
        r#"{"ActionStatus":"OK","ErrorCode":70500,"ErrorInfo":"","FailAccounts":[]}"#,
        r#"{"ActionStatus":"FAIL","ErrorCode":0,"ErrorInfo":""}"#,
        r#"{"ActionStatus":"ok","ErrorCode":0,"ErrorInfo":"","FailAccounts":[]}"#,
        r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","FailAccounts":"a"}"#,
    ] {
        let error = import(&status_200(body)).await;
        assert!(
            matches!(error, CallError::NotAnAnswer { .. }),
            "{body}: {error}"
        );
    }

    let broken = import("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{").await;
    assert!(
        matches!(broken, CallError::Transport(TransportError::Broken { .. })),
        "{broken}"
    );
}

/// With the bounds of what is sent a server cannot be made to cut a call off in its middle.
#[tokio::test]
async fn a_request_that_no_server_takes_is_not_sent() {
    let key = SecretKey::parse(KEY).unwrap();
    let nobody = Client::new("http://127.0.0.1:1", 1, "administrator", key).unwrap();
    let nick = "n".repeat(REQUEST_LIMIT_BYTES);
    let entry = ImportEntry {
        nick: Some(&nick),
        ..ImportEntry::id("a")
    };
    let error = nobody.account_import(&entry).await.unwrap_err();
    let CallError::RequestTooLong { bytes } = error else {
        panic!("{error}")
    };
    assert_eq!(
        bytes,
        REQUEST_LIMIT_BYTES + r#"{"UserID":"a","Nick":""}"#.len()
    );

    let nick = "n".repeat(nick.len() - r#"{"UserID":"a","Nick":""}"#.len());
    let entry = ImportEntry {
        nick: Some(&nick),
        ..ImportEntry::id("a")
    };
    let error = nobody.account_import(&entry).await.unwrap_err();
    assert!(matches!(error, CallError::Transport(_)), "{error}");
}

#[tokio::test]
async fn nobody_there_and_nobody_answering() {
    let tap = WireTap::answering("").await;
    let key = || SecretKey::parse(KEY).unwrap();
    let options = Options::default().timeout(Duration::from_millis(50));
    let silent = wire_tap::silent_listener().await;
    let base = format!("http://{}", silent.local_addr().unwrap());
    let waiting = Client::with_options(&base, 1, "administrator", key(), &options).unwrap();
    let timed_out = waiting.account_check(&["a"]).await.unwrap_err();
    assert!(matches!(
        timed_out,
        CallError::Transport(TransportError::TimedOut { .. })
    ));

    drop(silent);
    let refused = waiting.account_check(&["a"]).await.unwrap_err();
    assert!(
        matches!(
            refused,
            CallError::Transport(TransportError::Connect { .. })
        ),
        "{refused:?}"
    );

    // An answer that is cut off, one that is no HTTP, and one that ends before it begins.
    let mut broken = Vec::new();
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{",
        "?\r\n\r\n",
        "",
    ] {
        let tap = WireTap::answering(answer).await;
        let error = client(&tap).account_check(&["a"]).await.unwrap_err();
        assert!(
            matches!(error, CallError::Transport(TransportError::Broken { .. })),
            "{error:?}"
        );
        let usersig = tap.request().await.parameter("usersig").to_owned();
        broken.push((error, usersig));
    }

    // Neither the key nor a UserSig shows, whichever way an error or the client is printed.
    let usersig = {
        let _ = client(&tap).account_check(&["a"]).await;
        tap.request().await.parameter("usersig").to_owned()
    };
    let mut texts = vec![(format!("{waiting:?}"), usersig.clone())];
    for (error, usersig) in [(refused, usersig.clone()), (timed_out, usersig)]
        .into_iter()
        .chain(broken)
    {
        texts.push((format!("{error:?}"), usersig.clone()));
        texts.push((with_sources(&error), usersig));
    }
    for (text, usersig) in texts {
        assert!(!text.contains(KEY) && !text.contains("usersig="), "{text}");
        assert!(!text.contains(&usersig[..12]), "{text}");
    }
}

fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error} {error:?}");
        source = error.source();
    }
    text
}

/// The clock stands while anything happens, and jumps to the next time limit when nothing does.
#[tokio::test(start_paused = true)]
async fn a_call_that_takes_too_long_tells_its_own_limit() {
    let silent = wire_tap::silent_listener().await;
    let base = format!("http://{}", silent.local_addr().unwrap());
    let operator = Operator::new(&base, "t0ken").unwrap();
    for (error, limit_s) in [
        (operator.apps().await.unwrap_err(), 30),
        (
            operator.import_lines(7, "{}", false).await.unwrap_err(),
            600,
        ),
        (operator.back_up().await.unwrap_err(), 86_400),
    ] {
        let expected = format!("within {limit_s} s");
        assert!(error.to_string().ends_with(&expected), "{error}");
    }
}

#[test]
fn what_is_to_be_trusted_must_be_certificates() {
    let broken = "-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----\n";
    for (pem, reason) in [("", "no certificate in PEM form"), (broken, "base64")] {
        let http = HttpOptions::default().trust_pem(pem.as_bytes());
        let error = Operator::with_options("http://127.0.0.1:1", "t0ken", &http).unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
        assert!(
            matches!(
                error,
                OperatorSetupError::Setup(SetupError::Certificates(_))
            ),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn the_user_agent_is_what_it_was_told_to_be() {
    let named = HttpOptions::default().user_agent("user-sync/1.4");
    let own = concat!("muster-client/", env!("CARGO_PKG_VERSION"));
    for (http, expected) in [(HttpOptions::default(), own), (named, "user-sync/1.4")] {
        let tap = WireTap::answering(&status_200(OK)).await;
        let options = Options::default().http(http.clone());
        let key = SecretKey::parse(KEY).unwrap();
        let client = Client::with_options(&tap.base, 1, "administrator", key, &options).unwrap();
        client.kick("alice").await.unwrap();
        assert_eq!(tap.request().await.header("user-agent"), expected);

        let tap = WireTap::answering(&status_200(r#"{"status":"ready"}"#)).await;
        let operator = Operator::with_options(&tap.base, "t0ken", &http).unwrap();
        operator.ready().await.unwrap();
        assert_eq!(tap.request().await.header("user-agent"), expected);
    }
}

#[test]
fn a_usersig_that_would_never_be_valid_is_a_setup_error() {
    let made = |lifetime| {
        let key = SecretKey::parse(KEY).unwrap();
        let options = Options::default().usersig_lifetime(lifetime);
        Client::with_options("http://127.0.0.1:1", 1, "administrator", key, &options)
    };
    for lifetime in [Duration::ZERO, Duration::from_millis(999)] {
        let refused = made(lifetime).unwrap_err();
        assert!(
            matches!(refused, SetupError::UserSigLifetime),
            "{refused:?}"
        );
    }
    assert!(made(Duration::from_secs(1)).is_ok());
}
