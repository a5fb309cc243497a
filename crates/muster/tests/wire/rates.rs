//! Check 14 of wire §2: calls per second, with the default limits.
//!
//! The limit counts seconds of the server's clock, and a slow machine may not make enough calls in
//! one. So calls are sent many at a time, until one is refused, and a test gives up only after more
//! attempts than any machine should need.

use muster_testkit::http::{Answer, request};

use crate::{
    server::{Server, assert_protocol_headers, query, serving_with},
    transcript::run,
};

const ATTEMPTS: usize = 100;

/// Answers to calls that were sent a hundred at a time; more could fill the buffers between two who
/// both only write.
fn burst(server: &Server, command: &str, body: &str, calls: usize) -> Vec<Answer> {
    let target = format!("/v4/{command}?{}", query());
    let one = request("POST", &target, &[], body.as_bytes());
    let mut peer = server.connect();
    let mut answers = Vec::new();
    while answers.len() < calls {
        peer.send(one.repeat(100));
        answers.extend((0..100).map(|_| peer.answer()));
    }
    answers
}

#[test]
fn over_the_limit() {
    serving_with(
        |launch| launch,
        |server| {
            for (command, limit, in_limit, over) in [
                (
                    "im_open_login_svc/account_import",
                    200,
                    r#"{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. UserID is missing."}"#,
                    r#"{"ActionStatus":"FAIL","ErrorCode":60007,"ErrorInfo":"More than 200 calls per second to account_import for SDKAppID 1400000000."}"#,
                ),
                (
                    "im_open_login_svc/multiaccount_import",
                    100,
                    r#"{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. AccountList is missing.","FailAccounts":[]}"#,
                    r#"{"ActionStatus":"FAIL","ErrorCode":60007,"ErrorInfo":"More than 100 calls per second to multiaccount_import for SDKAppID 1400000000."}"#,
                ),
                (
                    "im_open_login_svc/account_check",
                    100,
                    r#"{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. CheckItem is missing."}"#,
                    r#"{"ActionStatus":"FAIL","ErrorCode":60007,"ErrorInfo":"More than 100 calls per second to account_check for SDKAppID 1400000000."}"#,
                ),
                (
                    "openim/querystate",
                    200,
                    r#"{"ActionStatus":"FAIL","ErrorCode":90001,"ErrorInfo":"Fail to Parse json data of body, Please check it"}"#,
                    r#"{"ActionStatus":"FAIL","ErrorCode":60007,"ErrorInfo":"More than 200 calls per second to querystate for SDKAppID 1400000000."}"#,
                ),
                (
                    "profile/portrait_set",
                    200,
                    r#"{"ActionStatus":"FAIL","ErrorCode":40001,"ErrorInfo":"Err_Profile_Comm_Decode_Fail","ErrorDisplay":""}"#,
                    r#"{"ActionStatus":"FAIL","ErrorCode":60007,"ErrorInfo":"More than 200 calls per second to portrait_set for SDKAppID 1400000000.","ErrorDisplay":""}"#,
                ),
                (
                    "profile/portrait_get",
                    200,
                    r#"{"ActionStatus":"FAIL","ErrorCode":40002,"ErrorInfo":"To_Account is missing or empty.","ErrorDisplay":""}"#,
                    r#"{"ActionStatus":"FAIL","ErrorCode":60007,"ErrorInfo":"More than 200 calls per second to portrait_get for SDKAppID 1400000000.","ErrorDisplay":""}"#,
                ),
            ] {
                let mut before = 0;
                let mut refused = None;
                // A call that passed counts even if it fails later: none of these succeeds.
                'until_refused: for _ in 0..ATTEMPTS {
                    for answer in burst(server, command, "{}", 2 * limit) {
                        assert_protocol_headers(&answer);
                        if answer.text() != in_limit {
                            refused = Some(answer.text().to_owned());
                            break 'until_refused;
                        }
                        before += 1;
                    }
                }
                assert_eq!(refused.as_deref(), Some(over), "{command}");
                assert!(
                    before >= limit,
                    "{command} was refused after {before} calls"
                );
            }

            is_over_with_the_second(server);
            decides_before_the_body(server);
        },
    );
}

/// A command that was over its limit is answered again, without anyone doing anything about it.
fn is_over_with_the_second(server: &Server) {
    for _ in 0..ATTEMPTS {
        let answer = server.call("im_open_login_svc/account_check", "{}");
        if answer.contains("70402") {
            return;
        }
        assert!(answer.contains("60007"), "{answer}");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("account_check is still over its limit");
}

/// Check 14 comes before check 15: over the limit nobody minds how large the body is. And check 13
/// comes before check 14: a caller who may not call at all does not hear of limits.
fn decides_before_the_body(server: &Server) {
    let over = r#"{"ActionStatus":"FAIL","ErrorCode":60007,"ErrorInfo":"More than 100 calls per second to account_check for SDKAppID 1400000000."}"#;
    let target = format!("/v4/im_open_login_svc/account_check?{}", query());
    let filling = request("POST", &target, &[], b"{}");
    let large =
        format!("POST {target} HTTP/1.1\r\nHost: muster.test\r\nContent-Length: 1048577\r\n\r\n");
    let usersig = muster_testkit::usersig("alice");
    let of_alice = crate::server::query_of(muster_testkit::SDKAPPID, "alice", &usersig);
    let of_alice = format!("/v4/im_open_login_svc/account_check?{of_alice}");
    let of_alice = request("POST", &of_alice, &[], b"{}");
    for _ in 0..ATTEMPTS {
        let mut peer = server.connect();
        peer.send(filling.repeat(200));
        peer.send(&of_alice);
        peer.send(&large);
        let answers: Vec<_> = (0..202).map(|_| peer.answer()).collect();
        let [.., before, alice, last] = &answers[..] else {
            unreachable!("there are 202");
        };
        assert_eq!(
            alice.text(),
            r#"{"ActionStatus":"FAIL","ErrorCode":70403,"ErrorInfo":"identifier \"alice\" is not an app admin."}"#
        );
        if before.text() == over && last.text() == over {
            assert!(last.closes());
            return;
        }
        // A new second began: then it is the body that counts.
        assert!(
            last.text().contains("60008") || last.text() == over,
            "{last:?}"
        );
    }
    panic!("never over the limit");
}

#[test]
fn switched_off() {
    serving_with(
        |launch| launch.arg("--no-rate-limits"),
        |server| {
            for answer in burst(server, "im_open_login_svc/account_check", "{}", 2000) {
                assert!(answer.text().contains("70402"), "{answer:?}");
            }
            run(
                server,
                r#"
POST /v4/im_open_login_svc/account_check?Q
{"CheckItem":[{"UserID":"alice"}]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ResultItem":[{"UserID":"alice","ResultCode":0,"ResultInfo":"","AccountStatus":"NotImported"}]}
"#,
            );
        },
    );
}
