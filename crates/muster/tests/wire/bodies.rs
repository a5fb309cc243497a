//! Checks 15 and 16 of wire §2: bodies that are too large, or no JSON object.

use muster_testkit::http::{chunked, request};

use crate::{
    server::{Server, assert_protocol_headers, query, serving},
    transcript::run,
};

const LIMIT_BYTES: usize = 1024 * 1024;

const OK: &str = r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}"#;
const NOT_JSON: &str = r#"{"ActionStatus":"FAIL","ErrorCode":60003,"ErrorInfo":"The request body is not a JSON object."}"#;
const TOO_LARGE: &str = r#"{"ActionStatus":"FAIL","ErrorCode":60008,"ErrorInfo":"service timeout or request format error,please check and try again"}"#;

/// An import of this many bytes.
fn import_of(bytes: usize) -> String {
    let (start, end) = (r#"{"UserID":"big","pad":""#, r#""}"#);
    format!(
        "{start}{}{end}",
        "x".repeat(bytes - start.len() - end.len())
    )
}

fn import(body: &[u8]) -> Vec<u8> {
    let target = format!("/v4/im_open_login_svc/account_import?{}", query());
    request("POST", &target, &[], body)
}

fn head(command: &str, headers: &str) -> Vec<u8> {
    format!(
        "POST /v4/{command}?{} HTTP/1.1\r\nHost: muster.test\r\n{headers}\r\n",
        query()
    )
    .into_bytes()
}

fn import_in_chunks(body: &[u8], chunk_bytes: usize) -> Vec<u8> {
    let mut bytes = head(
        "im_open_login_svc/account_import",
        "Transfer-Encoding: chunked\r\n",
    );
    bytes.extend(chunked(body.chunks(chunk_bytes)));
    bytes
}

/// Check 15.
#[test]
fn up_to_1_mib() {
    let largest = import_of(LIMIT_BYTES);
    let larger = import_of(LIMIT_BYTES + 1);
    serving(|server| {
        let mut peer = server.connect();
        for (name, bytes) in [
            ("1 MiB", import(largest.as_bytes())),
            (
                "1 MiB in chunks",
                import_in_chunks(largest.as_bytes(), 60_000),
            ),
            (
                "1 MiB in one chunk",
                import_in_chunks(largest.as_bytes(), LIMIT_BYTES),
            ),
        ] {
            peer.send(bytes);
            let answer = peer.answer();
            assert_protocol_headers(&answer);
            assert_eq!(answer.text(), OK, "{name}");
            assert!(!answer.closes(), "{name}");
        }
        drop(peer);

        let announced = format!("Content-Length: {}\r\n", LIMIT_BYTES + 1);
        for (name, bytes, expected) in [
            (
                "one byte more",
                import(larger.as_bytes()),
                TOO_LARGE.to_owned(),
            ),
            (
                "one byte more in chunks",
                import_in_chunks(larger.as_bytes(), 60_000),
                TOO_LARGE.to_owned(),
            ),
            (
                "one byte more in one chunk",
                import_in_chunks(larger.as_bytes(), LIMIT_BYTES + 1),
                TOO_LARGE.to_owned(),
            ),
            (
                "announced and never sent",
                head("im_open_login_svc/account_import", &announced),
                TOO_LARGE.to_owned(),
            ),
            (
                "announced to a profile command",
                head("profile/portrait_set", &announced),
                TOO_LARGE.replace('}', r#","ErrorDisplay":""}"#),
            ),
            (
                "announced to the batch, whose own failures have a list",
                head("im_open_login_svc/multiaccount_import", &announced),
                TOO_LARGE.to_owned(),
            ),
            (
                "announced as more than memory holds",
                head(
                    "im_open_login_svc/account_import",
                    "Content-Length: 9223372036854775808\r\n",
                ),
                TOO_LARGE.to_owned(),
            ),
            (
                "4 MiB",
                import(import_of(4 * LIMIT_BYTES).as_bytes()),
                TOO_LARGE.to_owned(),
            ),
        ] {
            let mut large = server.connect();
            // The server need not take all of it.
            large.try_send(bytes);
            let answer = large.answer();
            assert_protocol_headers(&answer);
            assert_eq!(answer.text(), expected, "{name}");
            assert!(answer.closes(), "{name}");
            large.finish_sending();
            large.wait_for_close();
        }
    });
}

/// Check 16.
#[test]
fn what_is_no_json_object() {
    let nested = |depth: usize| {
        let inner = depth - 1;
        format!(
            r#"{{"UserID":"deep","ignored":{}{}}}"#,
            "[".repeat(inner),
            "]".repeat(inner)
        )
    };
    let too_deep = nested(128);
    let utf_16: Vec<u8> =
        r#"{"UserID":"alice"}"#.encode_utf16().flat_map(u16::to_le_bytes).collect();
    serving(|server| {
        for (name, body) in [
            ("empty", &b""[..]),
            ("white space", b" \r\n\t "),
            ("no JSON", b"UserID=alice"),
            ("an array", br#"[{"UserID":"alice"}]"#),
            ("a string", br#""alice""#),
            ("a number", b"1"),
            ("null", b"null"),
            ("cut", br#"{"UserID":"alice""#),
            ("more after it", br#"{"UserID":"alice"}{}"#),
            ("a comma too much", br#"{"UserID":"alice",}"#),
            ("single quotes", b"{'UserID':'alice'}"),
            ("a comment", br#"{"UserID":"alice"}//"#),
            (
                "a byte order mark",
                "\u{feff}{\"UserID\":\"alice\"}".as_bytes(),
            ),
            ("a raw line feed in a string", b"{\"UserID\":\"al\nice\"}"),
            ("an unknown escape", br#"{"UserID":"\x61lice"}"#),
            ("half a surrogate pair", br#"{"UserID":"\ud83d"}"#),
            (
                "half a pair in an ignored value",
                br#"{"UserID":"alice","x":["\ude00"]}"#,
            ),
            (
                "half a pair in an ignored key",
                br#"{"UserID":"alice","\ud83d":1}"#,
            ),
            (
                "a number beyond a double",
                br#"{"UserID":"alice","Type":1e999}"#,
            ),
            ("NaN", br#"{"UserID":"alice","Type":NaN}"#),
            ("too deep", too_deep.as_bytes()),
            ("Latin-1", b"{\"UserID\":\"alice\",\"Nick\":\"Jos\xe9\"}"),
            (
                "a cut character",
                b"{\"UserID\":\"alice\",\"Nick\":\"Jos\xc3\"}",
            ),
            (
                "a surrogate as UTF-8",
                b"{\"UserID\":\"alice\",\"x\":\"\xed\xa0\xbd\"}",
            ),
            (
                "invalid in an ignored key",
                b"{\"UserID\":\"alice\",\"\xff\":1}",
            ),
            ("UTF-16", &utf_16),
        ] {
            assert_eq!(
                server.call("im_open_login_svc/account_import", body),
                NOT_JSON,
                "{name}"
            );
        }
        no_length(server);
        let deep = nested(127);
        assert_eq!(server.call("im_open_login_svc/account_import", deep), OK);
        run(
            server,
            r#"
POST /v4/profile/portrait_get?Q
[]
{"ActionStatus":"FAIL","ErrorCode":60003,"ErrorInfo":"The request body is not a JSON object.","ErrorDisplay":""}

POST /v4/profile/portrait_set?Q
(empty)
{"ActionStatus":"FAIL","ErrorCode":60003,"ErrorInfo":"The request body is not a JSON object.","ErrorDisplay":""}

POST /v4/im_open_login_svc/account_check?Q
not json
{"ActionStatus":"FAIL","ErrorCode":60003,"ErrorInfo":"The request body is not a JSON object."}

# Not by this command itself, so without FailAccounts.
POST /v4/im_open_login_svc/multiaccount_import?Q
["alice"]
{"ActionStatus":"FAIL","ErrorCode":60003,"ErrorInfo":"The request body is not a JSON object."}

# An empty object passes this check.
POST /v4/im_open_login_svc/account_import?Q
{}
{"ActionStatus":"FAIL","ErrorCode":70402,"ErrorInfo":"Invaild parameters. UserID is missing."}

# White space around is JSON, escapes are, and of duplicate keys the last counts.
POST /v4/im_open_login_svc/account_import?Q
	{ "UserID" : 7 , "User\u0049D" : "al\u0069ce" , "Nick" : "\u5c0f\ud83d\ude00", "FaceUrl":"http:\/\/x" }	
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}

POST /v4/profile/portrait_get?Q
{"To_Account":["alice"],"TagList":["Tag_Profile_IM_Nick","Tag_Profile_IM_Image"]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":"","UserProfileItem":[{"To_Account":"alice","ProfileItem":[
 {"Tag":"Tag_Profile_IM_Nick","Value":"小😀"},{"Tag":"Tag_Profile_IM_Image","Value":"http://x"}],"ResultCode":0,"ResultInfo":""}]}
"#,
        );
    });
}

/// Neither a length nor chunks: a request without a body.
fn no_length(server: &Server) {
    let mut peer = server.connect();
    peer.send(head("im_open_login_svc/account_import", ""));
    assert_eq!(peer.answer().text(), NOT_JSON);
}

/// What real clients send (wire §9.1): the body is read as JSON always.
#[test]
fn headers_do_not_decide_what_a_body_is() {
    let target = format!("/v4/im_open_login_svc/account_import?{}", query());
    serving(|server| {
        let mut peer = server.connect();
        for header in [
            ("Content-Type", "text/plain"),
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Content-Type", "application/json; charset=utf-8"),
            ("Content-Type", "application/json; charset=gbk"),
            ("Content-Type", "\u{e9}"),
            ("Accept-Encoding", "gzip, deflate, br"),
            ("Accept", "text/html"),
            ("Origin", "https://example.com"),
            ("Host", "console.tim.qq.com"),
        ] {
            peer.send(request(
                "POST",
                &target,
                &[header],
                br#"{"UserID":"alice"}"#,
            ));
            let answer = peer.answer();
            assert_protocol_headers(&answer);
            assert_eq!(answer.text(), OK, "{header:?}");
        }

        // Chunks with an extension, and trailers after them.
        peer.send(head(
            "im_open_login_svc/account_import",
            "Transfer-Encoding: chunked\r\n",
        ));
        peer.send(b"A;x=1\r\n{\"UserID\":\r\n08\r\n\"alice\"}\r\n0;y\r\nX-After: 1\r\n\r\n");
        assert_eq!(peer.answer().text(), OK);

        let body = br#"{"UserID":"alice"}"#;
        let waits = format!("Expect: 100-continue\r\nContent-Length: {}\r\n", body.len());
        peer.send(head("im_open_login_svc/account_import", &waits));
        assert_eq!(peer.answer().status, 100);
        peer.send(body);
        assert_eq!(peer.answer().text(), OK);
    });
}
