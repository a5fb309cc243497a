//! How long connections live, and what may come on them (wire §1.2).

use muster_testkit::http::request;

use crate::server::{assert_protocol_headers, query, serving, serving_with};

const OK: &str = r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}"#;
const TOO_SLOW: &str = r#"{"ActionStatus":"FAIL","ErrorCode":60008,"ErrorInfo":"service timeout or request format error,please check and try again"}"#;

/// An import, byte for byte.
pub(crate) fn import(version: &str, headers: &str, body: &str) -> String {
    format!(
        "POST /v4/im_open_login_svc/account_import?{} {version}\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        query(),
        body.len()
    )
}

#[test]
fn persist_and_keep_the_order() {
    serving(|server| {
        // Pipelined calls are answered in their order, each before the next is carried out.
        let mut pipelined = Vec::new();
        for i in 0..100 {
            let body = format!(r#"{{"UserID":"pipelined","Nick":"{i}"}}"#);
            pipelined.extend(import("HTTP/1.1", "Host: x\r\n", &body).into_bytes());
            let asked = r#"{"To_Account":["pipelined"],"TagList":["Tag_Profile_IM_Nick"]}"#;
            let target = format!("/v4/profile/portrait_get?{}", query());
            pipelined.extend(request("POST", &target, &[], asked.as_bytes()));
        }
        let mut peer = server.connect();
        peer.send(&pipelined);
        for i in 0..100 {
            assert_eq!(peer.answer().text(), OK);
            let got = peer.answer();
            assert!(got.text().contains(&format!(r#""Value":"{i}""#)), "{got:?}");
        }

        // The same, a few bytes at a time.
        for piece in pipelined[..5000].chunks(37) {
            peer.send(piece);
        }
        peer.finish_sending();
        assert!(peer.answers_to_the_end().len() >= 2);

        for (name, version, headers, persists) in [
            ("HTTP/1.1", "HTTP/1.1", "Host: x\r\n", true),
            (
                "close",
                "HTTP/1.1",
                "Host: x\r\nConnection: close\r\n",
                false,
            ),
            (
                "keep-alive",
                "HTTP/1.1",
                "Host: x\r\nConnection: keep-alive\r\n",
                true,
            ),
            ("no host", "HTTP/1.1", "", true),
            ("HTTP/1.0", "HTTP/1.0", "", false),
            (
                "HTTP/1.0, keep-alive",
                "HTTP/1.0",
                "Connection: keep-alive\r\n",
                true,
            ),
        ] {
            let one = import(version, headers, r#"{"UserID":"alice"}"#);
            let mut peer = server.connect();
            for _ in 0..3 {
                peer.send(&one);
                let answer = peer.answer();
                assert_protocol_headers(&answer);
                assert_eq!(answer.text(), OK, "{name}");
                if !persists {
                    peer.wait_for_close();
                    break;
                }
            }
        }

        // The absolute form of a request line, as proxies are sent it.
        let absolute = import("HTTP/1.1", "Host: x\r\n", r#"{"UserID":"alice"}"#)
            .replace("POST /", "POST http://console.tim.qq.com/");
        let mut peer = server.connect();
        peer.send(absolute);
        assert_eq!(peer.answer().text(), OK);
    });
}

#[test]
fn who_is_slow() {
    serving_with(
        |launch| {
            ["header_timeout_s=1", "body_timeout_s=1", "idle_timeout_s=2"]
                .iter()
                .fold(launch, |launch, limit| {
                    launch.arg("--set").arg(&format!("limits.{limit}"))
                })
        },
        |server| {
            let whole = import("HTTP/1.1", "Host: x\r\n", r#"{"UserID":"slow"}"#);
            let head_end = whole.find("\r\n\r\n").unwrap() + 4;

            let mut in_head = server.connect();
            in_head.send(&whole[..head_end - 10]);
            let mut in_body = server.connect();
            in_body.send(&whole[..head_end + 5]);
            let mut in_chunks = server.connect();
            let chunks =
                whole[..head_end].replace("Content-Length: 17", "Transfer-Encoding: chunked");
            in_chunks.send(format!("{chunks}5\r\n{{\"Use"));
            let mut idle = server.connect();
            idle.send(&whole);
            assert_eq!(idle.answer().text(), OK);
            let mut silent = server.connect();

            // A body that stalls is answered, a head that stalls is not.
            for mut peer in [in_body, in_chunks] {
                let answer = peer.answer();
                assert_protocol_headers(&answer);
                assert_eq!(answer.text(), TOO_SLOW);
                assert!(answer.closes());
                peer.finish_sending();
                peer.wait_for_close();
            }
            in_head.wait_for_close();
            idle.wait_for_close();
            silent.wait_for_close();
        },
    );
}
