//! Check 12 of wire §2: who the caller is.

use std::time::{SystemTime, UNIX_EPOCH};

use muster_testkit::{SDKAPPID, sample_key, usersig};
use muster_usersig::{Claims, SecretKey, sign};

use crate::{
    server::{Server, key_of, query_of, serving, signed},
    transcript::{run, run_with},
};

/// Row 3 of wire §6.5, good until 2033.
const ROW_3: &str = "eNqrVgrxCdYrSy1SslIy0jNQ0gHzM1NS80oy0zLBwokpuZl5mcUlRYkl*UVQBcUp2YkFBZkpSlaGJgZQAJFJrSjILEpVsjI2NDU2QwiXZOYCBQ3NURUXZ6YDLSj0SE4zMg1P9HUxqjLOjyjMqop0DImszHcsi3JOzMw3cMz1iSx1C-IwNi22VaoFAHoRNRM_";
/// Row 3 with TLS.time one higher and its old signature.
const TIME_CHANGED: &str = "eJyrVgrxCdYrSy1SslIy0jNQ0gHzM1NS80oy0zLBwokpuZl5mcUlRYkl*UVQBcUp2YkFBZkpSlaGJgZQAJFJrSjILEpVsjI2NDU2QwiXZOYCBQ3NoWoNocZkpgMtKPRITjMyDU-0dTGqMs6PKMyqinQMiazMdyyLck7MzDdwzPWJLHUL8jA2LbZVqgUAekw1FA__";
/// Row 3 with TLS.expire one higher and its old signature.
const EXPIRE_CHANGED: &str = "eJyrVgrxCdYrSy1SslIy0jNQ0gHzM1NS80oy0zLBwokpuZl5mcUlRYkl*UVQBcUp2YkFBZkpSlaGJgZQAJFJrSjILEpVsjI2NDU2A4oaQoRLMnOBgobmqIqLM9OBFhR6JKcZmYYn*roYVRnnRxRmVUU6hkRW5juWRTknZuYbOOb6RJa6BXkYmxbbKtUCAHpiNRQ_";
/// The JSON of row 3 without the zlib step.
const NOT_COMPRESSED: &str = "eyJUTFMudmVyIjoiMi4wIiwiVExTLmlkZW50aWZpZXIiOiJhZG1pbmlzdHJhdG9yIiwiVExTLnNka2FwcGlkIjoxNDAwMDAwMDAwLCJUTFMuZXhwaXJlIjozMTUzNjAwMDAsIlRMUy50aW1lIjoxNzAwMDAwMDAwLCJUTFMuc2lnIjoicUhjZjI1V2FNRDJ6M29YcWp6WUFUWXlvQXZaQ2FpbzBBbUxZdUZSSDM1cz0ifQ__";
/// Row 3 without TLS.identifier.
const WITHOUT_IDENTIFIER: &str = "eJyrVgrxCdYrSy1SslIy0jNQ0gHzi1OyEwsKMlOUrAxNDKAAIpNaUZBZlKpkZWxoamyGEC7JzAUKGpqjKi7OTAcaW*iRnGZkGp7o62JUZZwfUZhVFekYElmZ71gW5ZyYmW-gmOsTWeoW5GFsWmyrVAsATQUpYA__";
/// Row 3 with TLS.sdkappid as a string, and of another app.
const SDKAPPID_AS_TEXT: &str = "eJyrVgrxCdYrSy1SslIy0jNQ0gHzM1NS80oy0zLBwokpuZl5mcUlRYkl*UVQBcUp2YkFBZkpQGlDEwMIsITKpVYUZBalKlkZG5oam4EkIMIlmblAQUNzqGqoaHFmOtCMQo-kNCPT8ERfF6Mq4-yIwqyqSMeQyMp8x7Io58TMfAPHXJ-IUrcgD2PTYlulWgDG0TVg";
/// A token that inflates to 20,008 bytes of JSON.
const TOO_LONG_INSIDE: &str =
    "eJztwUENADAIBDAvJwM3c0FC8D4bPNpOXioNAAAAAAAAAAAAAAAAAAAAAAAAwAnZD6*nozg_";

const ILLEGAL: &str = r#"{"ActionStatus":"FAIL","ErrorCode":70003,"ErrorInfo":"The UserSig in use is illegal. Please regenerate UserSig through official API. (FYI: https://cloud.tencent.com/document/product/269/32688 )"}"#;
const OK: &str = r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}"#;

/// The answer to an import by `administrator` with this UserSig, which stands in the URL as it is.
fn answer(server: &Server, usersig: &str) -> String {
    let query = query_of(SDKAPPID, "administrator", usersig);
    let target = format!("/v4/im_open_login_svc/account_import?{query}");
    server.post(&target, br#"{"UserID":"alice"}"#)
}

/// 12a.
#[test]
fn illegal() {
    let standard_alphabet = ROW_3
        .replace('*', "%2B")
        .replace('-', "/")
        .replace('_', "%3D");
    let url_alphabet = ROW_3
        .replace('-', "~")
        .replace('*', "-")
        .replace('_', "%3D")
        .replace('~', "_");
    let too_long = "A".repeat(8 * 1024 + 4);
    serving(|server| {
        for (name, usersig) in [
            ("not a UserSig", "not_a_usersig"),
            ("one letter", "A"),
            ("only white space", "%20%0A"),
            ("cut by one", &ROW_3[..ROW_3.len() - 1]),
            ("cut by four", &ROW_3[..ROW_3.len() - 4]),
            ("cut in half", &ROW_3[..ROW_3.len() / 2]),
            ("begun late", &ROW_3[4..]),
            ("twice", &format!("{ROW_3}{ROW_3}")),
            ("not compressed", NOT_COMPRESSED),
            ("standard base64", &standard_alphabet),
            ("base64 for URLs", &url_alphabet),
            ("without padding", ROW_3.trim_end_matches('_')),
            ("letters beyond ASCII", &format!("%C3%A9{ROW_3}")),
            ("no identifier", WITHOUT_IDENTIFIER),
            ("sdkappid as text", SDKAPPID_AS_TEXT),
            ("over 8 KiB", &too_long),
            ("over 16 KiB inside", TOO_LONG_INSIDE),
        ] {
            assert_eq!(answer(server, usersig), ILLEGAL, "{name}");
        }

        let wrapped = format!("%20{}%0D%0A{}%09", &ROW_3[..76], &ROW_3[76..]);
        for (name, usersig) in [
            ("as it is", ROW_3),
            ("escaped", &ROW_3.replace('*', "%2A").replace('-', "%2D")),
            ("with white space in it", &wrapped),
        ] {
            assert_eq!(answer(server, usersig), OK, "{name}");
        }
        run_with(
            server,
            &[("half", &ROW_3[..100])],
            r#"
POST /v4/profile/portrait_get?sdkappid=1400000000&identifier=administrator&usersig=<half>
{}
{"ActionStatus":"FAIL","ErrorCode":70003,"ErrorInfo":"The UserSig in use is illegal. Please regenerate UserSig through official API.
  (FYI: https://cloud.tencent.com/document/product/269/32688 )","ErrorDisplay":""}
"#,
        );
    });
}

/// 12b to 12e.
#[test]
fn legal_but_wrong() {
    let of_another_app = signed(&sample_key(), 1_400_000_009, "administrator");
    let of_alice = usersig("alice");
    let long = usersig(&"é".repeat(65));
    let other_key = SecretKey::from_random([7; 32]);
    let of_another_key = signed(&other_key, SDKAPPID, "administrator");
    serving(|server| {
        run_with(
            server,
            &[
                (
                    "call",
                    "/v4/im_open_login_svc/account_import?sdkappid=1400000000&identifier=administrator",
                ),
                (
                    "profile",
                    "/v4/profile/portrait_get?sdkappid=1400000000&identifier=administrator",
                ),
                ("of another app", &of_another_app),
                ("of alice", &of_alice),
                ("of a long name", &long),
                ("of another key", &of_another_key),
                ("time changed", TIME_CHANGED),
                ("expire changed", EXPIRE_CHANGED),
            ],
            r#"
POST <call>&usersig=<of another app>
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":70014,"ErrorInfo":"The requested SDKAppID(1400000000) does not match the Usersig(1400000009).
  You can run a self-checking with the assistant tool on the console."}

POST <profile>&usersig=<of another app>
{}
{"ActionStatus":"FAIL","ErrorCode":70014,"ErrorInfo":"The requested SDKAppID(1400000000) does not match the Usersig(1400000009).
  You can run a self-checking with the assistant tool on the console.","ErrorDisplay":""}

POST <call>&usersig=<of alice>
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":70013,"ErrorInfo":"The requested UserID(administrator) does not match the Usersig(alice)."}

POST <profile>&usersig=<of alice>
{}
{"ActionStatus":"FAIL","ErrorCode":70013,"ErrorInfo":"The requested UserID(administrator) does not match the Usersig(alice).","ErrorDisplay":""}

# Both names are cut at 64 characters.
POST /v4/im_open_login_svc/account_import?sdkappid=1400000000&identifier=<x*65>&usersig=<of a long name>
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":70013,"ErrorInfo":"The requested UserID(<x*64>...) does not match the Usersig(<é*64>...)."}

POST <call>&usersig=<of another key>
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":70009,"ErrorInfo":"UserSig verification Failed. The UserSig in use maybe generated by Secret Key from other SDKAppID.
  Please regenerate UserSig by Secret Key from its own SDKAppID."}

POST <profile>&usersig=<of another key>
{}
{"ActionStatus":"FAIL","ErrorCode":70009,"ErrorInfo":"UserSig verification Failed. The UserSig in use maybe generated by Secret Key from other SDKAppID.
  Please regenerate UserSig by Secret Key from its own SDKAppID.","ErrorDisplay":""}

POST <call>&usersig=<time changed>
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":70009,"ErrorInfo":"UserSig verification Failed. The UserSig in use maybe generated by Secret Key from other SDKAppID.
  Please regenerate UserSig by Secret Key from its own SDKAppID."}

POST <call>&usersig=<expire changed>
{"UserID":"alice"}
{"ActionStatus":"FAIL","ErrorCode":70009,"ErrorInfo":"UserSig verification Failed. The UserSig in use maybe generated by Secret Key from other SDKAppID.
  Please regenerate UserSig by Secret Key from its own SDKAppID."}
"#,
        );
        expired(server);
    });
}

fn now_s() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

/// 12e, whose text tells the server's time.
fn expired(server: &Server) {
    let lasting = |time_s, expire_s| {
        let claims = Claims {
            identifier: "administrator".to_owned(),
            sdkappid: SDKAPPID.into(),
            time_s,
            expire_s,
            userbuf: None,
        };
        sign(&sample_key(), &claims)
    };
    for (command, display) in [
        ("im_open_login_svc/account_import", ""),
        ("profile/portrait_get", r#","ErrorDisplay":"""#),
    ] {
        let usersig = lasting(1_700_000_000, 86_400);
        let query = query_of(SDKAPPID, "administrator", &usersig);
        let earliest = now_s();
        let answer = server.post(&format!("/v4/{command}?{query}"), b"{}");
        let latest = now_s();
        let expected = (earliest..=latest).map(|now| {
            format!(
                r#"{{"ActionStatus":"FAIL","ErrorCode":70001,"ErrorInfo":"The UserSig in use is expired: it ended at 1700086400, the server time is {now}."{display}}}"#
            )
        });
        assert!(expected.into_iter().any(|text| text == answer), "{answer}");
    }
    // A time in the future is no reason to refuse, nor is a far end.
    let later = now_s() + 1_000_000;
    assert_eq!(answer(server, &lasting(later, 1)), OK);
    assert_eq!(answer(server, &lasting(0, u64::MAX)), OK);
}

/// Also a token that was verified, and so remembered, just before.
#[test]
fn a_new_key_ends_the_tokens_of_the_old_one() {
    const WRONG_KEY: &str = r#"{"ActionStatus":"FAIL","ErrorCode":70009,"ErrorInfo":"UserSig verification Failed. The UserSig in use maybe generated by Secret Key from other SDKAppID. Please regenerate UserSig by Secret Key from its own SDKAppID."}"#;
    const ROTATE: &str = "/muster/v1/apps/1400000000/rotate-key";
    serving(|server| {
        let old = usersig("administrator");
        assert_eq!(answer(server, &old), OK);

        let made = key_of(&server.operator("POST", ROTATE, ""));
        let new = signed(&made, SDKAPPID, "administrator");
        assert_eq!(answer(server, &old), WRONG_KEY);
        assert_eq!(answer(server, &new), OK);

        let given = SecretKey::from_random([9; 32]);
        let body = format!(r#"{{"secret_key":"{}"}}"#, given.as_str());
        let answered = server.operator("POST", ROTATE, &body);
        assert_eq!(answered.get("secret_key"), None);
        let newest = signed(&given, SDKAPPID, "administrator");
        assert_eq!(answer(server, &new), WRONG_KEY);
        assert_eq!(answer(server, &newest), OK);
    });
}

/// Tokens of the public generators (wire §6.3), checked as they came from there.
#[test]
fn tokens_of_public_generators() {
    let file: serde_json::Value =
        serde_json::from_str(include_str!("../../../testkit/vectors/usersig.json")).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    assert!(vectors.len() > 30);
    serving(|server| {
        for vector in vectors {
            let name = format!("{} {}", vector["impl"], vector["case"]);
            let identifier = vector["identifier"].as_str().unwrap();
            let escaped: Vec<_> = identifier
                .bytes()
                .map(|byte| format!("%{byte:02X}"))
                .collect();
            let query = query_of(
                SDKAPPID,
                &escaped.concat(),
                vector["usersig"].as_str().unwrap(),
            );
            let target = format!("/v4/im_open_login_svc/account_import?{query}");
            let answer = server.post(&target, br#"{"UserID":"alice"}"#);
            if vector["case"] == "ascii_expired_1d" {
                let start = r#"{"ActionStatus":"FAIL","ErrorCode":70001,"#;
                assert!(answer.starts_with(start), "{name}: {answer}");
            } else if identifier == "administrator" {
                assert_eq!(answer, OK, "{name}");
            } else {
                let quoted = serde_json::to_string(&format!(
                    "identifier \"{identifier}\" is not an app admin."
                ));
                let expected = format!(
                    r#"{{"ActionStatus":"FAIL","ErrorCode":70403,"ErrorInfo":{}}}"#,
                    quoted.unwrap()
                );
                assert_eq!(answer, expected, "{name}");
            }
        }
        run(
            server,
            r#"
POST /v4/im_open_login_svc/account_check?Q
{"CheckItem":[{"UserID":"alice"},{"UserID":"xiaojun"}]}
{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ResultItem":[
 {"UserID":"alice","ResultCode":0,"ResultInfo":"","AccountStatus":"Imported"},
 {"UserID":"xiaojun","ResultCode":0,"ResultInfo":"","AccountStatus":"NotImported"}]}
"#,
        );
    });
}
