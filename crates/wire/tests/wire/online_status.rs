//! `query_online_status` and `querystate` (wire §3.7).

use muster_wire::{Command, Request, online_status::Status, platform::Platform};

use crate::{decode, refused, text};

const BOTH: [Command; 2] = [Command::QueryOnlineStatus, Command::Querystate];

#[test]
fn refusals() {
    const NOT_JSON: &str = "Fail to Parse json data of body, Please check it";
    let entries = |count| vec!["\"a\""; count].join(",");
    for (body, code, info) in [
        ("{}", 90001, NOT_JSON),
        (r#"{"To_Account":null}"#, 90001, NOT_JSON),
        (r#"{"To_Account":"a"}"#, 90001, NOT_JSON),
        (r#"{"To_Account":{}}"#, 90001, NOT_JSON),
        (r#"{"To_Account":[]}"#, 90001, NOT_JSON),
        (r#"{"to_account":["a"]}"#, 90001, NOT_JSON),
        (
            &format!(r#"{{"To_Account":[{}]}}"#, entries(501)),
            90011,
            "To_Account has 501 entries, the limit is 500.",
        ),
        // Too many come before a wrong one.
        (
            &format!(r#"{{"To_Account":[7,{}]}}"#, entries(500)),
            90011,
            "To_Account has 501 entries, the limit is 500.",
        ),
        (
            r#"{"To_Account":["a",7,null]}"#,
            90003,
            "To_Account[1] is not a string.",
        ),
        (
            r#"{"To_Account":[null]}"#,
            90003,
            "To_Account[0] is not a string.",
        ),
    ] {
        for command in BOTH {
            let expected = (code, info.to_owned());
            assert_eq!(refused(command, body), expected, "{body:.60}");
        }
    }
    let most = format!(r#"{{"To_Account":[{}]}}"#, entries(500));
    assert!(decode(Command::Querystate, &most).is_ok());
}

/// The answer with alice on three devices, bob on none, and nobody else.
fn answer(body: &str) -> String {
    let Ok(Request::OnlineStatus(request)) = decode(Command::QueryOnlineStatus, body) else {
        panic!("{body}");
    };
    let found: Vec<_> = request
        .users
        .iter()
        .map(|user| match user.as_str() {
            "alice" => Status::Devices(vec![Platform::Windows, Platform::IPhone, Platform::Linux]),
            "bob" => Status::Devices(Vec::new()),
            _ => Status::NotImported,
        })
        .collect();
    let answer = text(request.answer(&found));
    let rest = answer.strip_prefix(r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","#);
    rest.unwrap().to_owned()
}

#[test]
fn answers() {
    const ALICE: &str = r#"{"To_Account":"alice","Status":"Online","State":"Online"}"#;
    const BOB: &str = r#"{"To_Account":"bob","Status":"Offline","State":"Offline"}"#;
    const NOBODY: &str = r#"{"To_Account":"nobody","ErrorCode":70107}"#;
    const JOSE: &str = r#"{"To_Account":"josé","ErrorCode":70107}"#;
    assert_eq!(
        answer(r#"{"To_Account":["nobody","bob","alice","bob","josé","nobody"]}"#),
        format!(r#""QueryResult":[{BOB},{ALICE},{BOB}],"ErrorList":[{NOBODY},{JOSE},{NOBODY}]}}"#)
    );
    assert_eq!(
        answer(r#"{"To_Account":["nobody"],"IsNeedDetail":1}"#),
        format!(r#""QueryResult":[],"ErrorList":[{NOBODY}]}}"#)
    );
    // Two devices of one kind are one platform; whoever is offline has none.
    let detailed = r#"{"To_Account":"alice","Status":"Online","State":"Online","Detail":[{"Platform":"PC","Status":"Online"},{"Platform":"IPhone","Status":"Online"}]}"#;
    assert_eq!(
        answer(r#"{"To_Account":["alice","bob"],"IsNeedDetail":1}"#),
        format!(r#""QueryResult":[{detailed},{BOB}],"ErrorList":[]}}"#)
    );
    for other in ["0", "2", "-1", "1.0", "true", "\"1\"", "null"] {
        let body = format!(r#"{{"To_Account":["alice"],"IsNeedDetail":{other}}}"#);
        let expected = format!(r#""QueryResult":[{ALICE}],"ErrorList":[]}}"#);
        assert_eq!(answer(&body), expected, "{other}");
    }
}
