//! Every code that the specification knows (wire §7), over HTTP: those that are raised, by what
//! raises them, and those that come by fault injection only, injected.

use std::collections::BTreeMap;

use muster_accounts::{AccountStore as _, AppChange, AppPatch, Edition, SdkAppId, UnixSeconds};
use muster_server::Limits;
use serde_json::json;

use crate::{
    harness::{
        ALICE, APP, CHECK, DELETE, GET, IMPORT, IMPORT_MANY, KEY, KICK, NOW_S, QUERYSTATE, Running,
        SET, STATUS, Setup, post, post_head, query, query_with, request, usersig,
        usersig_of_another_app,
    },
    peer::{Answer, Peer},
    stub_store::{Fault, StubStore},
};

const SPECIFICATION: &str = include_str!("../../../../docs/wire.md");

/// The codes in the first column of the table with this head, ranges written out.
fn table(head: &str) -> Vec<u64> {
    let mut rows = SPECIFICATION
        .lines()
        .skip_while(|line| !line.starts_with(head));
    assert!(rows.next().is_some(), "no table {head}");
    let rows = rows.skip(1).take_while(|line| line.starts_with('|'));
    let mut codes = Vec::new();
    for row in rows {
        let cell = row.trim_matches('|').split('|').next().unwrap();
        for code in cell.split([',', ';']).map(str::trim) {
            let (first, last) = code.split_once('-').unwrap_or((code, code));
            codes.extend(first.parse::<u64>().unwrap()..=last.parse().unwrap());
        }
    }
    assert!(codes.len() > 30, "{codes:?}");
    codes
}

/// What has to be so for a code to be raised.
#[derive(Default)]
struct Scene {
    patch: AppPatch,
    limits: Limits,
    fault: Option<Fault>,
    /// Calls before the one that is judged, with their codes.
    before: Vec<(String, u64)>,
    /// The bytes of the call that is judged.
    call: String,
}

fn call(path: &str, body: &str) -> Scene {
    sent(post(path, &query("administrator"), body))
}

fn sent(call: String) -> Scene {
    Scene {
        call,
        ..Scene::default()
    }
}

/// An import with another query.
fn import_with(query: &str) -> Scene {
    sent(post(IMPORT, query, ALICE))
}

fn signed_by(identifier: &str, usersig: &str) -> Scene {
    import_with(&query_with(identifier, usersig))
}

fn under(patch: AppPatch, scene: Scene) -> Scene {
    Scene { patch, ..scene }
}

fn of_edition(edition: Edition) -> AppPatch {
    AppPatch {
        edition: Some(edition),
        ..AppPatch::default()
    }
}

/// A call to a store that misbehaves.
fn inside(fault: Fault, path: &str, body: &str) -> Scene {
    let limits = Limits {
        deadline_s: if fault == Fault::Blocks { 0 } else { 3 },
        ..Limits::default()
    };
    Scene {
        fault: Some(fault),
        limits,
        ..call(path, body)
    }
}

/// What raises this code.
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn scene(code: u64) -> Scene {
    let administrator = |usersig: &str| signed_by("administrator", usersig);
    let import = |body: &str| post(IMPORT, &query("administrator"), body);
    match code {
        40001 => call(SET, "{}"),
        40002 => call(GET, "{}"),
        40003 => call(
            SET,
            r#"{"From_Account":"nobody","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":""}]}"#,
        ),
        40004 => sent(post(GET, &query("alice"), "{}")),
        40006 => inside(
            Fault::Fails,
            GET,
            r#"{"To_Account":["alice"],"TagList":["Tag_Profile_IM_Nick"]}"#,
        ),
        40009 => call(
            GET,
            r#"{"To_Account":["a"],"TagList":["Tag_Profile_Custom_Unknown"]}"#,
        ),
        40601 => call(
            IMPORT,
            &format!(r#"{{"UserID":"a","Nick":"{}"}}"#, "x".repeat(501)),
        ),
        40605 => call(
            SET,
            r#"{"From_Account":"administrator","ProfileItem":[{"Tag":"Tag_Profile_IM_Gender","Value":"Other"}]}"#,
        ),
        40610 => call(
            SET,
            r#"{"From_Account":"administrator","ProfileItem":[{"Tag":"Tag_Profile_IM_Level","Value":"3"}]}"#,
        ),
        60002 => sent(request("GET", IMPORT, "", "")),
        60003 => call(IMPORT, "["),
        60006 => import_with("sdkappid=x&identifier=administrator&usersig=x"),
        60007 => {
            let none = BTreeMap::from([("account_import".to_owned(), Some(0))]);
            let patch = AppPatch {
                rate_limits: Some(none),
                ..AppPatch::default()
            };
            under(patch, call(IMPORT, ALICE))
        }
        60008 => sent(post_head(IMPORT, &query("administrator"), 1_048_577)),
        60009 => call("/v4/im_open_login_svc/account_imports", ALICE),
        60012 => import_with("identifier=administrator&usersig=x"),
        60015 => call(IMPORT, r#"{"UserID":7}"#),
        60016 => {
            let patch = AppPatch {
                disabled: Some(true),
                ..AppPatch::default()
            };
            under(patch, call(IMPORT, ALICE))
        }
        60018 => Scene {
            limits: Limits {
                max_calls: 0,
                ..Limits::default()
            },
            ..call(IMPORT, ALICE)
        },
        60021 => {
            let patch = AppPatch {
                allow_list: Some(vec!["192.0.2.0/24".parse().unwrap()]),
                ..AppPatch::default()
            };
            under(patch, call(IMPORT, ALICE))
        }
        60025 => import_with(&format!(
            "{}&contenttype=xml",
            query("administrator").replace("&contenttype=json", "")
        )),
        70001 => administrator(&usersig("administrator", KEY, NOW_S - 10, 9)),
        70002 => administrator(""),
        70003 => administrator("not_a_usersig"),
        70009 => administrator(&usersig("administrator", &KEY.replace('5', "6"), NOW_S, 60)),
        70013 => administrator(&usersig("alice", KEY, NOW_S, 60)),
        70014 => administrator(&usersig_of_another_app()),
        70020 => import_with("sdkappid=7&identifier=administrator&usersig=x"),
        70050 => Scene {
            limits: Limits {
                failed_usersigs_per_min: 1,
                ..Limits::default()
            },
            before: vec![(
                post(IMPORT, &query_with("administrator", "x"), ALICE),
                70003,
            )],
            ..call(IMPORT, ALICE)
        },
        70052 => Scene {
            before: vec![(
                post(
                    KICK,
                    &query("administrator"),
                    r#"{"UserID":"administrator"}"#,
                ),
                0,
            )],
            ..call(IMPORT, ALICE)
        },
        70107 => call(KICK, ALICE),
        70169 => inside(Fault::Blocks, IMPORT, ALICE),
        70398 => {
            let ids: Vec<_> = (0..100).map(|i| format!("\"user-{i}\"")).collect();
            let body = format!(r#"{{"Accounts":[{}]}}"#, ids.join(","));
            Scene {
                before: vec![(post(IMPORT_MANY, &query("administrator"), &body), 0)],
                ..under(of_edition(Edition::Trial), call(IMPORT, ALICE))
            }
        }
        70399 => {
            let patch = AppPatch {
                deletion: Some(true),
                ..of_edition(Edition::Standard)
            };
            let deletion = r#"{"DeleteItem":[{"UserID":"alice"}]}"#;
            Scene {
                before: vec![
                    (import(ALICE), 0),
                    (post(DELETE, &query("administrator"), deletion), 0),
                ],
                ..under(patch, call(IMPORT, ALICE))
            }
        }
        70402 => call(CHECK, "{}"),
        70403 => sent(post(IMPORT, &query("alice"), ALICE)),
        70500 => inside(Fault::Fails, IMPORT, ALICE),
        71000 => under(of_edition(Edition::Standard), call(DELETE, "{}")),
        90001 => call(STATUS, "{}"),
        90003 => call(STATUS, r#"{"To_Account":[7]}"#),
        90009 => sent(post(STATUS, &query("alice"), "{}")),
        90011 => call(
            QUERYSTATE,
            &format!(r#"{{"To_Account":[{}]}}"#, vec!["\"a\""; 501].join(",")),
        ),
        90992 => inside(Fault::Blocks, STATUS, r#"{"To_Account":["alice"]}"#),
        90994 => inside(Fault::Panics, STATUS, r#"{"To_Account":["alice"]}"#),
        _ => panic!("nothing here raises {code}"),
    }
}

async fn play(scene: Scene) -> Answer {
    let store = StubStore::new();
    let server = Setup {
        limits: scene.limits,
        store: store.clone(),
        ..Setup::default()
    }
    .start()
    .await;
    let change = AppChange::Configure(Box::new(scene.patch));
    let now = UnixSeconds(NOW_S);
    store.change_app(SdkAppId(APP), change, now).await.unwrap();
    for (before, code) in scene.before {
        let answer = exchange(&server, &before).await;
        assert_eq!(answer.code(), code, "{before}: {}", answer.text());
    }
    if let Some(fault) = scene.fault {
        store.set(fault);
    }
    exchange(&server, &scene.call).await
}

async fn exchange(server: &Running, bytes: &str) -> Answer {
    let mut peer = Peer::connect(server.public).await;
    peer.send(bytes).await;
    peer.answer().await
}

#[tokio::test]
async fn every_raised_code_is_raised() {
    for code in table("| Raised by muster |") {
        let answer = play(scene(code)).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.code(), code, "{}", answer.text());
        let json = answer.json();
        assert_eq!(json["ActionStatus"], "FAIL");
        assert_ne!(json["ErrorInfo"], "");
    }
}

/// Each at a command that the real service gives it at, where that is known, and once at a batch,
/// whose clients want their list.
#[tokio::test]
async fn every_code_can_be_injected() {
    let server = Setup {
        rate_limits: false,
        ..Setup::default()
    }
    .start()
    .await;
    let injected_only = table("| By fault injection only |");
    let raised = table("| Raised by muster |");
    for code in raised.into_iter().chain(injected_only) {
        for (path, body) in [
            (IMPORT_MANY, r#"{"Accounts":["alice"]}"#),
            (
                GET,
                r#"{"To_Account":["a"],"TagList":["Tag_Profile_IM_Nick"]}"#,
            ),
            (STATUS, r#"{"To_Account":["administrator"]}"#),
        ] {
            let command = path.rsplit('/').next().unwrap();
            let fault = json!({"command": command, "code": code, "count": 1}).to_string();
            let ordered = server.operate("POST", "/muster/v1/faults", &fault).await;
            assert_eq!(ordered.status, 201, "{}", ordered.text());
            let answer = server.call(path, body).await;
            assert_eq!(answer.code(), code, "{path}");
            let json = answer.json();
            assert_eq!(json["ActionStatus"], "FAIL");
            let info = json["ErrorInfo"].as_str().unwrap();
            assert!(info.starts_with("Injected fault: "), "{info}");
            let list = (path == IMPORT_MANY).then(|| json!([]));
            assert_eq!(json.get("FailAccounts"), list.as_ref());
            let display = (path == GET).then(|| json!(""));
            assert_eq!(json.get("ErrorDisplay"), display.as_ref());
            // It was one strike, and nothing was done.
            assert_eq!(server.call(path, body).await.code(), 0);
        }
        let delete = r#"{"DeleteItem":[{"UserID":"alice"}]}"#;
        assert_eq!(server.call(DELETE, delete).await.code(), 0);
    }
}
