//! `muster app`: the apps of a running server.

use std::{fs, path::Path};

use muster_client::{
    CallError, ImportEntry, SecretKey,
    operator::{NewFault, OperatorError},
};
use muster_testkit::{Muster, SAMPLE_KEY, SDKAPPID, sample_key};
use serde_json::Value;

use crate::run::{Run, client_of, dev, muster, noted, operator, serve, stop, wait};

const APP: u32 = 1_400_000_001;
const KEY: &str = "0123456789abcdef-a-key-of-ours";

/// A server, and the flags with which commands find it.
struct Served {
    muster: Muster,
    _dir: tempfile::TempDir,
}

fn served() -> Served {
    let dir = tempfile::tempdir().unwrap();
    let muster = serve(&dir.path().join("data")).start();
    Served { muster, _dir: dir }
}

impl Served {
    fn app(&self, args: &str) -> Run {
        let data_dir = self.muster.data_dir().to_str().unwrap();
        let mut words = vec!["app"];
        words.extend(args.split(' '));
        words.extend([
            "--operator-url",
            self.muster.operator_url(),
            "--data-dir",
            data_dir,
        ]);
        muster(&words)
    }

    /// Whether the app takes what is signed with this key.
    fn takes(&self, sdkappid: u32, key: &str) -> bool {
        let key = SecretKey::parse(key).unwrap();
        let client = client_of(&self.muster, sdkappid, key);
        match wait(client.account_import(&ImportEntry::id("alice"))) {
            Ok(()) => true,
            Err(CallError::Api(failure)) if failure.code == 70009 => false,
            Err(error) => panic!("{error}"),
        }
    }
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

fn json(text: &str) -> Value {
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(text).unwrap()
}

#[test]
fn create_makes_a_key_and_shows_it_once() {
    let served = served();
    let made = served.app("create --sdkappid 1400000001").ok();
    assert!(
        made.starts_with("The app 1400000001 is made.\n\n"),
        "{made}"
    );
    assert!(
        made.ends_with("\n\nKeep the secret key: it is not shown again.\n"),
        "{made}"
    );
    for (name, value) in [
        ("sdkappid", "1400000001"),
        ("edition", "developer"),
        ("admins", "administrator"),
        ("accounts", "1"),
    ] {
        assert_eq!(noted(&lines(&made), name), value);
    }
    let key = noted(&lines(&made), "secret key  ");
    assert!(served.takes(APP, &key));
    assert!(!served.takes(APP, KEY));

    for args in [
        "show 1400000001",
        "list",
        "show 1400000001 --json",
        "list --json",
    ] {
        let shown = served.app(args).ok();
        assert!(shown.contains("1400000001"), "{shown}");
        assert!(
            !shown.contains(&key) && !shown.contains("secret"),
            "{shown}"
        );
    }
    assert!(!served.muster.log().contains(&key));
    stop(served.muster);
}

#[test]
fn create_takes_a_key_and_an_edition() {
    let served = served();
    let file = served.muster.data_dir().join("../app.key");
    fs::write(&file, format!("{KEY}\n")).unwrap();
    let file = file.to_str().unwrap();
    let from_file = served
        .app(&format!(
            "create --sdkappid 1400000001 --edition pro_plus --secret-key-file {file}"
        ))
        .ok();
    assert_eq!(noted(&lines(&from_file), "edition"), "pro_plus");
    let from_flag = served
        .app(&format!("create --sdkappid 7 --secret-key {KEY}"))
        .ok();
    let from_stdin = served
        .app("create --sdkappid 8 --edition trial --secret-key-file /dev/stdin")
        .stdin(KEY)
        .ok();
    for (sdkappid, shown) in [(APP, from_file), (7, from_flag), (8, from_stdin)] {
        assert!(
            !shown.contains("secret key") && !shown.contains(KEY),
            "{shown}"
        );
        assert!(served.takes(sdkappid, KEY), "{shown}");
    }
    // A key of the environment is for signing; an app gets one only if it is given here.
    let made = served
        .app("create --sdkappid 9")
        .env("MUSTER_SECRET_KEY", KEY)
        .ok();
    assert!(made.contains("secret key"), "{made}");
    assert!(!served.takes(9, KEY));
    stop(served.muster);
}

#[test]
fn rotate_key() {
    let served = served();
    served
        .app(&format!("create --sdkappid 1400000001 --secret-key {KEY}"))
        .ok();
    let rotated = served.app("rotate-key 1400000001").ok();
    assert!(
        rotated.starts_with("The app 1400000001 has another key.\n\n"),
        "{rotated}"
    );
    let second = noted(&lines(&rotated), "secret key  ");
    assert!(served.takes(APP, &second));
    assert!(!served.takes(APP, KEY));

    let back = served
        .app(&format!("rotate-key 1400000001 --secret-key {KEY}"))
        .ok();
    assert!(!back.contains("secret key"), "{back}");
    assert!(served.takes(APP, KEY));
    assert!(!served.takes(APP, &second));
    stop(served.muster);
}

#[test]
fn old_keys_are_given_time() {
    let served = served();
    served
        .app(&format!("create --sdkappid 1400000001 --secret-key {KEY}"))
        .ok();
    let rotated = served.app("rotate-key 1400000001 --grace 3600").ok();
    let keys = noted(&lines(&rotated), "keys");
    assert!(keys.starts_with("2 (old ones until 2"), "{keys}");
    let second = noted(&lines(&rotated), "secret key  ");
    assert!(served.takes(APP, &second));
    assert!(served.takes(APP, KEY));
    served
        .app("rotate-key 1400000001 --grace 31536001")
        .refused(2);
    stop(served.muster);
}

#[test]
fn settings_are_set_and_shown() {
    let served = served();
    served.app("create --sdkappid 5").ok();
    let token_file = served.muster.data_dir().join("../webhook.token");
    fs::write(&token_file, "webhook-secret\n").unwrap();
    let token_file = token_file.to_str().unwrap();
    let webhook = "https://backend.example.com/muster";
    for (args, name, value) in [
        ("--edition pro", "edition", "pro".to_owned()),
        ("--disable", "disabled", "yes".to_owned()),
        ("--enable", "disabled", "no".to_owned()),
        ("--deletion on", "deletion", "on".to_owned()),
        ("--deletion off", "deletion", "off".to_owned()),
        (
            "--import-at-sign-in off",
            "import at sign-in",
            "off".to_owned(),
        ),
        (
            "--allow 10.0.0.0/8,192.0.2.1 --allow ::1",
            "calls from",
            "10.0.0.0/8, 192.0.2.1/32, ::1/128".to_owned(),
        ),
        ("--allow-all", "calls from", "everywhere".to_owned()),
        (
            "--custom-field Vip --custom-field Team",
            "custom fields",
            "Team, Vip".to_owned(),
        ),
        ("--no-custom-fields", "custom fields", "none".to_owned()),
        (
            "--rate-limit kick=7,account_import=none --rate-limit *=0",
            "rate limits",
            "*=0, account_import=none, kick=7".to_owned(),
        ),
        (
            "--documented-rate-limits",
            "rate limits",
            "as documented".to_owned(),
        ),
        (
            &format!("--webhook {webhook}"),
            "webhook",
            format!("{webhook} (not signed, retry off, imports off)"),
        ),
        (
            &format!("--webhook-token-file {token_file} --webhook-retry on"),
            "webhook",
            format!("{webhook} (signed, retry on, imports off)"),
        ),
        (
            "--no-webhook-token --webhook-retry off --webhook-imports on",
            "webhook",
            format!("{webhook} (not signed, retry off, imports on)"),
        ),
        ("--webhook none", "webhook", "none".to_owned()),
    ] {
        let set = served.app(&format!("set 5 {args}")).ok();
        assert!(set.starts_with("The app 5 is changed.\n\n"), "{set}");
        assert!(!set.contains("webhook-secret"), "{set}");
        assert_eq!(noted(&lines(&set), name), value, "{args}");
        let shown = served.app("show 5").ok();
        assert!(set.ends_with(&shown), "{shown}");
    }
    let listed = served.app("list").ok();
    assert!(!listed.contains("disabled"), "{listed}");
    let set = json(&served.app("set 5 --disable --json").ok());
    assert_eq!(set["disabled"], true);
    let listed = served.app("list").ok();
    assert!(listed.contains("disabled"), "{listed}");
    stop(served.muster);
}

#[test]
fn settings_that_cannot_be_are_refused() {
    let served = served();
    served.app("create --sdkappid 5").ok();
    for (args, code, expected) in [
        (
            "set 5",
            2,
            "the following required arguments were not provided",
        ),
        ("set --deletion on", 2, "the following required arguments"),
        (
            "set 5 --disable --enable",
            2,
            "the argument '--disable' cannot",
        ),
        (
            "set 5 --allow 10.0.0.1 --allow-all",
            2,
            "the argument '--allow",
        ),
        ("set 5 --deletion yes", 2, "invalid value 'yes'"),
        ("set 5 --rate-limit kick", 2, "invalid value 'kick'"),
        ("set 5 --rate-limit kick=-1", 2, "invalid value 'kick=-1'"),
        (
            "set 5 --rate-limit kik=1",
            1,
            "rate_limits: there is no command \"kik\"; use ",
        ),
        (
            "set 5 --allow here",
            1,
            "allow_list: \"here\" is no address and no network; ",
        ),
        (
            "set 5 --custom-field V1p",
            1,
            "custom_fields: \"V1p\" is no name of a custom field",
        ),
        (
            "set 5 --webhook example.com",
            1,
            "webhook.url: the webhook URL has to start with https:// or http://",
        ),
        (
            "set 5 --webhook-retry on",
            1,
            "The app has no webhook yet; give webhook.url to make one.",
        ),
        (
            "set 5 --no-webhook-token",
            1,
            "The app has no webhook yet; give webhook.url to make one.",
        ),
        (
            "set 5 --webhook none --webhook-retry on",
            1,
            "--webhook none removes the webhook with all its settings; give it alone",
        ),
        (
            "set 5 --webhook-token-file none.token",
            1,
            "--webhook-token-file: cannot read none.token: ",
        ),
        ("set 9 --disable", 1, "There is no app 9."),
    ] {
        let error = served.app(args).refused(code);
        assert!(error.starts_with(expected), "{args}: {error}");
    }
    stop(served.muster);
}

#[test]
fn list_and_show() {
    let served = served();
    assert_eq!(
        served.app("list").ok(),
        "There are no apps yet; `muster app create --sdkappid N` makes one.\n"
    );
    assert_eq!(served.app("list --json").ok(), "{\"apps\":[]}\n");
    for args in [
        "create --sdkappid 20 --edition trial",
        "create --sdkappid 3",
    ] {
        served.app(args).ok();
    }
    served.app("admin add 3 alice").ok();
    let listed = served.app("list").ok();
    let rows: Vec<Vec<&str>> = listed
        .lines()
        .map(|line| line.split_whitespace().take(4).collect())
        .collect();
    assert_eq!(
        rows,
        [
            ["SDKAPPID", "EDITION", "ACCOUNTS", "ADMINS"],
            ["3", "developer", "2", "2"],
            ["20", "trial", "1", "1"],
        ]
    );
    let shown = served.app("show 3").ok();
    assert_eq!(noted(&lines(&shown), "admins"), "administrator, alice");
    stop(served.muster);
}

#[test]
fn admins() {
    let served = served();
    served.app("create --sdkappid 5").ok();
    let added = served.app("admin add 5 alice").ok();
    assert!(added.starts_with("alice is an admin.\n\n"), "{added}");
    assert_eq!(noted(&lines(&added), "admins"), "administrator, alice");
    // Again is no change, and no error.
    assert_eq!(served.app("admin add 5 alice").ok(), added);
    // An id that has to be escaped in a URL.
    let odd = "a/b?c#d%20e";
    let added = served.app(&format!("admin add 5 {odd}")).ok();
    assert_eq!(
        noted(&lines(&added), "admins"),
        format!("{odd}, administrator, alice")
    );
    let removed = served.app(&format!("admin remove 5 {odd}")).ok();
    assert!(
        removed.starts_with(&format!("{odd} is no admin any more.\n\n")),
        "{removed}"
    );
    assert_eq!(noted(&lines(&removed), "admins"), "administrator, alice");
    // The account stays.
    assert_eq!(noted(&lines(&removed), "accounts"), "3");
    stop(served.muster);
}

/// One document, as the operator API answers it.
#[test]
fn json_for_scripts() {
    let served = served();
    let mut made = json(&served.app("create --sdkappid 5 --json").ok());
    let key = made.as_object_mut().unwrap().remove("secret_key").unwrap();
    assert!(served.takes(5, key.as_str().unwrap()));
    let rotated = json(&served.app("rotate-key 5 --json").ok());
    assert!(served.takes(5, rotated["secret_key"].as_str().unwrap()));
    let given = json(
        &served
            .app(&format!("--json rotate-key 5 --secret-key {KEY}"))
            .ok(),
    );
    let added = json(&served.app("admin add 5 bob --json").ok());
    assert_eq!(added["admins"], serde_json::json!(["administrator", "bob"]));
    let removed = json(&served.app("admin remove 5 bob --json").ok());
    let shown = json(&served.app("show 5 --json").ok());
    let listed = json(&served.app("list --json").ok());
    assert_eq!(removed, shown);
    assert_eq!(listed, serde_json::json!({ "apps": [shown] }));

    // Exactly the fields of the API.
    let app = wait(operator(&served.muster).app(5)).unwrap();
    let expected = serde_json::json!({
        "sdkappid": 5, "edition": "developer", "admins": ["administrator"],
        "keys": [{"until": null}], "accounts": app.accounts, "created_at": app.created_at,
        "disabled": false, "deletion": false, "import_at_sign_in": true, "allow_list": [],
        "custom_fields": [], "rate_limits": {}, "webhook": null,
    });
    assert_eq!(shown, expected);
    for (mut document, accounts) in [(made, 1), (given, 2)] {
        let fields = document.as_object_mut().unwrap();
        assert_eq!(
            fields.insert("accounts".to_owned(), app.accounts.into()),
            Some(accounts.into())
        );
        assert_eq!(document, expected);
    }
    // An error is no document.
    served.app("show 6 --json").refused(1);
    stop(served.muster);
}

/// Faults and the clock are for servers to develop against, unless a setting says otherwise.
#[test]
fn test_controls_are_there_in_dev_only() {
    let dir = tempfile::tempdir().unwrap();
    let dev = dev(&dir.path().join("dev")).start();
    let api = operator(&dev);
    assert_eq!(wait(api.clock()).unwrap().ahead_s, 0);
    let time = wait(api.advance_clock(3600)).unwrap();
    assert_eq!(time.ahead_s, 3600);
    let cut = NewFault::default().cut().count(1);
    wait(api.add_fault(&cut)).unwrap();
    let client = client_of(&dev, SDKAPPID, sample_key());
    let alice = ImportEntry::id("alice");
    let error = wait(client.account_import(&alice)).unwrap_err();
    assert!(matches!(error, CallError::Transport(_)), "{error}");
    wait(client.account_import(&alice)).unwrap();
    let page = wait(api.accounts(SDKAPPID, None, 10)).unwrap();
    let stamped = &page.accounts[1].imported_at;
    assert!(*stamped >= time.now, "{stamped} {time:?}");
    stop(dev);

    let served = served();
    let api = operator(&served.muster);
    for refused in [
        wait(api.clock()).unwrap_err(),
        wait(api.add_fault(&cut)).unwrap_err(),
    ] {
        assert!(
            matches!(&refused, OperatorError::Refused { code, .. } if code == "test_controls_off"),
            "{refused}"
        );
    }
    stop(served.muster);
}

#[test]
fn refusals_of_the_server() {
    let served = served();
    served.app("create --sdkappid 5").ok();
    for number in 2..=10 {
        served.app(&format!("admin add 5 user{number}")).ok();
    }
    for (args, expected) in [
        (
            "create --sdkappid 5",
            "There is an app 5 already. (HTTP status 409, app_exists)",
        ),
        (
            "show 9",
            "There is no app 9. `muster app list` shows the apps. (HTTP status 404, app_not_found)",
        ),
        ("rotate-key 9", "There is no app 9."),
        ("admin add 9 alice", "There is no app 9."),
        ("admin remove 9 alice", "There is no app 9."),
        (
            "admin add 5 user11",
            "App 5 has 10 admins, `administrator` among them; remove one first. (HTTP status 409, \
             too_many_admins)",
        ),
        (
            "admin remove 5 administrator",
            "`administrator` cannot lose its role. (HTTP status 409, administrator_fixed)",
        ),
        (
            "admin remove 5 nobody",
            "The user is not an admin of app 5. (HTTP status 409, not_an_admin)",
        ),
        ("admin remove 5 ..", "\"..\" cannot be part of a URL's path"),
        (
            "create --sdkappid 6 --secret-key-file none.key",
            "--secret-key-file: cannot read none.key: ",
        ),
        (
            "rotate-key 5 --secret-key é",
            "--secret-key: the secret key is not printable ASCII",
        ),
    ] {
        let error = served.app(args).refused(1);
        assert!(error.starts_with(expected), "{args}: {error}");
    }
    let listed = json(&served.app("list --json").ok());
    assert_eq!(listed["apps"].as_array().unwrap().len(), 1, "{listed}");
    stop(served.muster);
}

#[test]
fn the_public_key_is_warned_of() {
    let served = served();
    let made = served.app("create --sdkappid 6").done();
    assert_eq!(made.code, Some(0), "{made}");
    for args in [
        "create --sdkappid 5 --secret-key KEY",
        "rotate-key 6 --secret-key KEY --json",
    ] {
        let done = served.app(&args.replace("KEY", SAMPLE_KEY)).done();
        assert_eq!(done.code, Some(0), "{done}");
        assert_eq!(
            done.err,
            "warning: this is the public sample key, with which anyone can sign; the server will \
             not start beyond loopback with it unless --allow-public-sample-key is given\n"
        );
        assert!(!done.out.contains(SAMPLE_KEY), "{done}");
    }
    stop(served.muster);
}

/// `muster app list` of a server, which it finds by the URL in the environment.
fn list(server: &Muster, args: &[&str]) -> Run {
    muster(&[&["app", "list"], args].concat()).env("MUSTER_OPERATOR_URL", server.operator_url())
}

#[test]
fn where_the_token_comes_from() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("muster-data");
    let server = dev(&data_dir).start();
    let token = server.operator_token();
    let token_file = dir.path().join("my.token");
    fs::write(&token_file, format!("{token}\n")).unwrap();
    let wrong_file = dir.path().join("wrong.token");
    fs::write(&wrong_file, "0123456789abcdef\n").unwrap();
    let config = dir.path().join("my.toml");
    fs::write(&config, format!("data_dir = {data_dir:?}\n")).unwrap();
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let [data, file, wrong, config] =
        [&data_dir, &token_file, &wrong_file, &config].map(|p| path(p));

    for found in [
        list(&server, &["--data-dir", &data]),
        list(&server, &[]).env("MUSTER_DATA_DIR", &data),
        list(&server, &["--config", &config]),
        // ./muster-data is the default.
        list(&server, &[]).within(dir.path()),
        list(&server, &[]).env("MUSTER_OPERATOR_TOKEN", &token),
        list(&server, &["--operator-token-file", &file]),
        // The flag counts over the environment, and that over the data directory.
        list(&server, &["--operator-token-file", &file])
            .env("MUSTER_OPERATOR_TOKEN", "0123456789abcdef"),
        list(&server, &["--data-dir", "none"]).env("MUSTER_OPERATOR_TOKEN", &token),
    ] {
        let listed = found.ok();
        assert!(listed.contains(&SDKAPPID.to_string()), "{listed}");
        assert!(!listed.contains(&token));
    }

    let refused = |source: &str| {
        format!(
            "the server at {} refuses the operator token from {source}; give the server's own with \
             --operator-token-file (unless it was told another, it is operator.token in the \
             server's data directory)",
            server.operator_url()
        )
    };
    for (call, expected) in [
        (
            list(&server, &["--data-dir", &data]).env("MUSTER_OPERATOR_TOKEN", "0123456789abcdef"),
            refused("MUSTER_OPERATOR_TOKEN"),
        ),
        (
            list(
                &server,
                &["--operator-token-file", &wrong, "--data-dir", &data],
            ),
            refused(&wrong),
        ),
        (
            list(&server, &[]),
            "there is no operator token: ./muster-data/operator.token does not exist. Name the \
             server's data directory with --data-dir, or give its token with \
             --operator-token-file or MUSTER_OPERATOR_TOKEN"
                .to_owned(),
        ),
        (
            list(&server, &["--operator-token-file", "none.token"]),
            "--operator-token-file: there is no none.token".to_owned(),
        ),
    ] {
        assert_eq!(call.refused(1), expected);
    }
    stop(server);
}

#[test]
fn no_server_and_no_such_server() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    let server = dev(&data_dir).start();
    let (operator_url, accounts_url) = (
        server.operator_url().to_owned(),
        server.accounts_url().to_owned(),
    );
    let data_dir = data_dir.to_str().unwrap();
    let list = |url: &str| muster(&["app", "list", "--data-dir", data_dir, "--operator-url", url]);

    let error = list(&accounts_url).refused(1);
    assert!(
        error.starts_with(&format!("--operator-url {accounts_url}: HTTP status 200")),
        "{error}"
    );
    assert!(error.ends_with("is it the operator listener?"), "{error}");
    let address = operator_url.strip_prefix("http://").unwrap();
    let error = list(address).refused(1);
    assert!(error.starts_with("--operator-url: the URL "), "{error}");
    let in_tls = format!("https://{address}");
    let error = list(&in_tls).refused(1);
    let expected = format!("no TLS connection to {in_tls} (");
    assert!(error.starts_with(&expected), "{error}");
    assert!(
        error.ends_with(
            "); the operator API is plain HTTP, so give --operator-url with http://, unless a \
             proxy before it speaks TLS"
        ),
        "{error}"
    );
    stop(server);

    let error = list(&operator_url).refused(1);
    let expected = format!("no muster server at {operator_url} (Connection refused");
    assert!(error.starts_with(&expected), "{error}");
    assert!(
        error.ends_with("or say where it is with --operator-url"),
        "{error}"
    );
}
