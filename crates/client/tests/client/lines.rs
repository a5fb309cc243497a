//! Import of lines: what is sent, and what is read of an answer that comes bit by bit.

use muster_client::{
    TransportError,
    operator::{CommittedLines, Operator, OperatorError},
};

use crate::wire_tap::{WireTap, status_200};

const FIRST: &str = r#"{"first":1,"last":10000,"created":9996,"updated":1,"unchanged":1,"superseded":1,
    "refused":[{"line":17,"user_id":null,"code":70402,"reason":"No."}]}"#;
const SECOND: &str = r#"{"first":10001,"last":10001,"created":0,"updated":0,"unchanged":0,"superseded":0,
    "refused":[{"line":10001,"user_id":"josé","code":70402,"reason":"No."}]}"#;
const DONE: &str = r#"{"lines":10001,"created":9996,"updated":1,"unchanged":1,"superseded":1,"refused":2,
    "done":true}"#;
const BROKEN_OFF: &str =
    r#"{"error":{"code":"store_unavailable","message":"The server is stopping."},"lines":10000}"#;

fn on_one_line(line: &str) -> String {
    line.replace("\n    ", "") + "\n"
}

/// An answer of these lines that comes in chunks of this size.
fn chunked(lines: &[&str], size: usize) -> String {
    let body: String = lines.iter().copied().map(on_one_line).collect();
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let bytes: Vec<_> = body.bytes().collect();
    let mut answer = head.as_bytes().to_vec();
    for chunk in bytes.chunks(size) {
        answer.extend(format!("{:x}\r\n", chunk.len()).bytes());
        answer.extend(chunk);
        answer.extend(b"\r\n");
    }
    answer.extend(b"0\r\n\r\n");
    String::from_utf8_lossy(&answer).into_owned()
}

/// The commits that are read of an answer, and how it ends.
async fn read(answer: &str) -> (Vec<CommittedLines>, Result<(), OperatorError>) {
    let tap = WireTap::answering(answer).await;
    let operator = Operator::new(&tap.base, "t0ken").unwrap();
    let mut import = operator.import_lines(7, "{}\n", false).await.unwrap();
    let mut commits = Vec::new();
    loop {
        match import.commit().await {
            Ok(Some(commit)) => commits.push(commit),
            Ok(None) => return (commits, Ok(())),
            Err(error) => return (commits, Err(error)),
        }
    }
}

#[tokio::test]
async fn lines_are_sent_as_they_are() {
    for (dry_run, query) in [(false, vec![]), (true, vec![("dry_run", "true")])] {
        let tap = WireTap::answering(&status_200(&on_one_line(DONE))).await;
        let operator = Operator::new(&tap.base, "t0ken").unwrap();
        let lines = "{\"user_id\":\"alice\"}\n\n{\"user_id\":\"bob\"}";
        let mut import = operator.import_lines(7, lines, dry_run).await.unwrap();
        let debug = format!("{import:?}");
        assert!(!debug.contains("t0ken"), "{debug}");
        assert_eq!(import.commit().await.unwrap(), None);
        assert_eq!(import.commit().await.unwrap(), None);
        let sent = tap.request().await;
        assert_eq!(
            (sent.method.as_str(), sent.path.as_str()),
            ("POST", "/muster/v1/apps/7/accounts:import")
        );
        let parameters = sent.query.iter();
        let parameters: Vec<_> = parameters
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(parameters, query);
        assert_eq!(sent.header("authorization"), "Bearer t0ken");
        assert_eq!(sent.body, lines);
    }
}

#[tokio::test]
async fn commits_are_read_however_they_come() {
    let whole = [FIRST, SECOND, DONE].map(on_one_line).concat();
    let ascii = |lines: &[&str]| {
        lines
            .iter()
            .map(|line| line.replace('é', "e"))
            .collect::<Vec<_>>()
    };
    let lines = ascii(&[FIRST, SECOND, DONE]);
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    for answer in [status_200(&whole), chunked(&lines, 1), chunked(&lines, 100)] {
        let (commits, end) = read(&answer).await;
        end.unwrap();
        assert_eq!(commits.len(), 2);
        assert_eq!(
            (commits[0].last, commits[0].created, commits[0].superseded),
            (10_000, 9996, 1)
        );
        let [refused] = &commits[0].refused[..] else {
            panic!("{commits:?}")
        };
        assert_eq!(
            (refused.line, refused.user_id.as_deref(), refused.code),
            (17, None, 70402)
        );
        assert_eq!(refused.reason, "No.");
        assert_eq!((commits[1].first, commits[1].refused.len()), (10_001, 1));
    }
}

#[tokio::test]
async fn what_was_told_before_an_early_end_is_given() {
    let (commits, end) = read(&chunked(&[FIRST, BROKEN_OFF], 50)).await;
    assert_eq!(commits.len(), 1);
    let error = end.unwrap_err();
    assert!(matches!(
        &error,
        OperatorError::BrokenOff { lines: 10_000, .. }
    ));
    assert_eq!(
        error.to_string(),
        "The server is stopping. The import broke off after line 10000 (store_unavailable)"
    );

    // The connection breaks within a line. After the last line it does not matter.
    let whole = chunked(&[FIRST, DONE], 40);
    let (commits, end) = read(&whole[..whole.len() - 20]).await;
    assert_eq!(commits.len(), 1);
    let error = end.unwrap_err();
    assert!(
        matches!(
            &error,
            OperatorError::Transport(TransportError::Broken { .. })
        ),
        "{error:?}"
    );
    let (commits, end) = read(&whole[..whole.len() - 5]).await;
    assert_eq!((commits.len(), end.is_ok()), (1, true));

    // An answer that ends as HTTP says it should, but too early.
    for answer in [
        chunked(&[FIRST], 50),
        chunked(&[FIRST, r#"{"lines":1}"#], 50),
    ] {
        let (commits, end) = read(&answer).await;
        assert_eq!(commits.len(), 1);
        let error = end.unwrap_err();
        assert!(
            matches!(&error, OperatorError::NotAnAnswer { status: 200, .. }),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn an_import_that_is_refused_has_no_commits() {
    let body = r#"{"error":{"code":"too_many_imports","message":"4 are under way."}}"#;
    let answer = format!(
        "HTTP/1.1 429 Too Many Requests\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let tap = WireTap::answering(&answer).await;
    let operator = Operator::new(&tap.base, "t0ken").unwrap();
    let error = operator.import_lines(7, "{}", false).await.err().unwrap();
    assert!(
        matches!(&error, OperatorError::Refused { status: 429, .. }),
        "{error:?}"
    );
}
