//! `muster usersig`: signing and explaining, offline.

use std::fs;

use muster_testkit::SAMPLE_KEY;
use muster_usersig::{Claims, SecretKey, UserSig, UserbufText, sign};
use serde_json::Value;

use crate::run::{Done, Run, muster, noted};

const KEY: &str = "0123456789abcdef-a-key-of-ours";

fn signing(args: &[&str]) -> Run {
    let identity = [
        "usersig",
        "sign",
        "--sdkappid",
        "1400000001",
        "--identifier",
        "alice",
    ];
    muster(&[&identity, args].concat())
}

fn lines(done: &Done) -> Vec<&str> {
    done.out.lines().collect()
}

/// A check of `inspect`, as told in the second half of what it says.
fn check(done: &Done, name: &str) -> String {
    let (_, checks) = done
        .out
        .split_once("What a server checks, in this order\n")
        .unwrap();
    noted(&checks.lines().collect::<Vec<_>>(), name)
}

/// Neither the key nor the signature is shown.
fn assert_keeps_secrets(done: &Done, token: &str, key: &str) {
    let mut secrets = vec![key.to_owned(), token.to_owned()];
    secrets.extend(UserSig::decode(token).map(|usersig| usersig.tls_sig().to_owned()));
    for secret in secrets {
        let shown = format!("{}{}", done.out, done.err);
        assert!(!shown.contains(&secret), "{secret} in {done}");
    }
}

#[test]
fn what_is_signed_inspects_well() {
    let token = signing(&["--secret-key", KEY, "--expire-s", "7200"]).ok();
    assert_eq!(token.lines().count(), 1, "{token}");
    let token = token.trim_end();
    let claims = UserSig::decode(token).unwrap().into_claims();
    assert_eq!(
        (claims.sdkappid, claims.identifier.as_str()),
        (1_400_000_001, "alice")
    );

    let done = muster(&[
        "usersig",
        "inspect",
        token,
        "--secret-key",
        KEY,
        "--sdkappid",
        "1400000001",
        "--identifier",
        "alice",
    ])
    .done();
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{done}");
    assert_eq!(noted(&lines(&done), "identifier"), "\"alice\"");
    assert_eq!(noted(&lines(&done), "SDKAppID"), "1400000001");
    assert_eq!(noted(&lines(&done), "valid for"), "7200 s (2 hours)");
    assert_eq!(noted(&lines(&done), "userbuf"), "none");
    assert!(noted(&lines(&done), "signed").contains(&format!("(Unix {})", claims.time_s)));
    assert!(noted(&lines(&done), "ends").contains(&format!("(Unix {})", claims.time_s + 7200)));
    assert_eq!(check(&done, "signature"), "verifies with this key");
    assert!(done.out.ends_with("\nIt would be accepted.\n"), "{done}");
    assert_keeps_secrets(&done, token, KEY);

    // 180 days unless told otherwise.
    let token = signing(&["--secret-key", KEY]).ok();
    let claims = UserSig::decode(token.trim_end()).unwrap().into_claims();
    assert_eq!(claims.expire_s, 180 * 86_400);
}

#[test]
fn where_the_key_comes_from() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("app.key");
    fs::write(&file, format!("{KEY}\n")).unwrap();
    let file = file.to_str().unwrap();
    let other = "another-key";
    for sign in [
        signing(&["--secret-key", KEY]),
        signing(&["--secret-key-file", file]),
        signing(&["--secret-key-file", "/dev/stdin"]).stdin(KEY),
        signing(&[]).env("MUSTER_SECRET_KEY", KEY),
        // Flags count over the environment.
        signing(&["--secret-key", KEY]).env("MUSTER_SECRET_KEY", other),
        signing(&["--secret-key-file", file]).env("MUSTER_SECRET_KEY", other),
    ] {
        let token = sign.ok();
        let token = token.trim_end();
        for inspect in [
            muster(&["usersig", "inspect", token, "--secret-key", KEY]),
            muster(&["usersig", "inspect", "--secret-key-file", file, token]),
            muster(&["usersig", "inspect", token]).env("MUSTER_SECRET_KEY", KEY),
            muster(&["usersig", "inspect", "-", "--secret-key", KEY]).stdin(&format!("{token}\n")),
        ] {
            let done = inspect.done();
            assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{done}");
            assert_eq!(check(&done, "signature"), "verifies with this key");
            assert_keeps_secrets(&done, token, KEY);
        }
    }
}

#[test]
fn a_wrong_key_is_named_and_not_shown() {
    let dir = tempfile::tempdir().unwrap();
    let bad = "sécret-of-ours";
    let file = dir.path().join("app.key");
    fs::write(&file, bad).unwrap();
    let file = file.to_str().unwrap();
    let in_file = format!("--secret-key-file: {file}: the secret key is not printable ASCII");
    for (sign, expected) in [
        (
            signing(&[]),
            "there is no secret key; give it with --secret-key-file or in MUSTER_SECRET_KEY",
        ),
        (
            signing(&[]).env("MUSTER_SECRET_KEY", ""),
            "there is no secret key; give it with --secret-key-file or in MUSTER_SECRET_KEY",
        ),
        (
            signing(&["--secret-key", ""]),
            "--secret-key: the secret key is empty",
        ),
        (
            signing(&["--secret-key", bad]),
            "--secret-key: the secret key is not printable ASCII at byte 1",
        ),
        (
            signing(&[]).env("MUSTER_SECRET_KEY", bad),
            "MUSTER_SECRET_KEY: the secret key is not printable ASCII at byte 1",
        ),
        (signing(&["--secret-key-file", file]), &in_file),
        (
            signing(&["--secret-key-file", "none.key"]),
            "--secret-key-file: cannot read none.key: No such file",
        ),
    ] {
        let error = sign.refused(1);
        assert!(error.starts_with(expected), "{error}");
        assert!(!error.contains("cret-of-ours"), "{error}");
    }
}

/// A UserSig with these claims changed, for the sample key.
fn token(change: impl FnOnce(&mut Claims)) -> String {
    let mut claims = Claims {
        identifier: "administrator".to_owned(),
        sdkappid: 1_400_000_000,
        time_s: 1_700_000_000,
        expire_s: 86_400,
        userbuf: None,
    };
    change(&mut claims);
    sign(&SecretKey::parse(SAMPLE_KEY).unwrap(), &claims)
}

fn inspect(token: &str, key: &str, at_s: u64) -> Run {
    let at_s = at_s.to_string();
    muster(&[
        "usersig",
        "inspect",
        token,
        "--secret-key",
        key,
        "--at",
        &at_s,
        "--sdkappid",
        "1400000000",
        "--identifier",
        "administrator",
    ])
}

#[test]
fn every_reason_to_refuse_has_its_code() {
    let good = token(|_| {});
    let mut damaged = good.clone();
    let middle = good.len() / 2;
    let other = if good[middle..].starts_with('A') {
        "B"
    } else {
        "A"
    };
    damaged.replace_range(middle..=middle, other);
    for (token, key, at_s, failing, code, why) in [
        (
            "not_a_usersig".to_owned(),
            SAMPLE_KEY,
            1_700_000_000,
            "readable",
            "70003",
            "not whole base64",
        ),
        (
            good[..good.len() - 8].to_owned(),
            SAMPLE_KEY,
            1_700_000_000,
            "readable",
            "70003",
            "cut off",
        ),
        (damaged, SAMPLE_KEY, 1_700_000_000, "readable", "70003", ""),
        (
            good.replacen('e', "+", 1),
            SAMPLE_KEY,
            1_700_000_000,
            "readable",
            "70003",
            "standard base64",
        ),
        (
            token(|claims| claims.sdkappid = 7),
            SAMPLE_KEY,
            1_700_000_000,
            "SDKAppID",
            "70014",
            "for SDKAppID 7, the request for 1400000000",
        ),
        (
            token(|claims| claims.identifier = "other".to_owned()),
            SAMPLE_KEY,
            1_700_000_000,
            "identifier",
            "70013",
            "for identifier \"other\", the request for \"administrator\"",
        ),
        (
            good.clone(),
            KEY,
            1_700_000_000,
            "signature",
            "70009",
            "another key",
        ),
        (
            good.clone(),
            SAMPLE_KEY,
            1_700_086_401,
            "time",
            "70001",
            "ended at Unix second 1700086400",
        ),
    ] {
        let done = inspect(&token, key, at_s).done();
        assert_eq!((done.code, done.err.as_str()), (Some(1), ""), "{done}");
        let told = check(&done, failing);
        assert!(told.starts_with("FAILS: ") && told.contains(why), "{told}");
        let (_, answer) = done
            .out
            .split_once("It would be refused. The server's answer:\n")
            .unwrap();
        assert_eq!(answer.split_whitespace().next(), Some(code), "{done}");
        assert_keeps_secrets(&done, &token, key);
    }
    // The last second still counts.
    let done = inspect(&good, SAMPLE_KEY, 1_700_086_400).done();
    assert_eq!(done.code, Some(0), "{done}");

    // All that is wrong is told at once.
    let all_wrong = token(|claims| {
        claims.sdkappid = 7;
        claims.identifier = "other".to_owned();
    });
    let done = inspect(&all_wrong, KEY, 1_800_000_000).done();
    assert_eq!(done.code, Some(1), "{done}");
    let mut from = 0;
    for code in ["70014", "70013", "70009", "70001"] {
        let place = done.out[from..].find(&format!("\n  {code} "));
        from += place.unwrap_or_else(|| panic!("{code} is not in its place: {done}"));
    }
}

#[test]
fn no_token() {
    for inspect in [
        muster(&["usersig", "inspect", ""]),
        muster(&["usersig", "inspect", "-"]),
        muster(&["usersig", "inspect", "-"]).stdin(" \n"),
    ] {
        assert_eq!(
            inspect.refused(1),
            "the token is empty; a server answers 70002, \"usersig is missing from the URL.\""
        );
    }
}

#[test]
fn what_was_not_checked_is_said() {
    let good = token(|_| {});
    let done = muster(&["usersig", "inspect", &good, "--at", "1700000000"]).done();
    assert_eq!(done.code, Some(0), "{done}");
    assert_eq!(
        check(&done, "signature"),
        "not checked, for want of --secret-key-file"
    );
    assert!(
        done.out.ends_with(
            "Nothing speaks against it; not checked: SDKAppID, identifier, signature.\n"
        ),
        "{done}"
    );
}

#[test]
fn userbufs() {
    let grant = b"\0\0\x05alice\x53\x72\x4e\0\0\0\x27\x10\x66\x41\x3f\0\0\0\0\xff\0\0\0\0".to_vec();
    for (bytes, expected) in [
        (b"abc".to_vec(), "3 bytes: 616263"),
        (grant, "bytes, a PrivateMapKey:"),
    ] {
        let token = token(|claims| claims.userbuf = Some(UserbufText::encode(&bytes)));
        let done = muster(&["usersig", "inspect", &token, "--at", "1700000000"]).done();
        assert_eq!(done.code, Some(0), "{done}");
        let told = noted(&lines(&done), "userbuf");
        assert!(told.ends_with(expected), "{done}");
    }
}

/// Tokens of the public libraries, good and bad.
#[test]
fn tokens_of_other_libraries() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../testkit/vectors/usersig.json"
    );
    let file: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let key = file["key"].as_str().unwrap();
    let inspect = |vector: &Value, identifier: &str, sdkappid: u64, at_s: u64| {
        let token = vector["usersig"].as_str().unwrap();
        let (sdkappid, at_s) = (sdkappid.to_string(), at_s.to_string());
        let done = muster(&[
            "usersig",
            "inspect",
            "-",
            "--secret-key",
            key,
            "--sdkappid",
            &sdkappid,
            "--identifier",
            identifier,
            "--at",
            &at_s,
        ])
        .stdin(token)
        .done();
        assert_keeps_secrets(&done, token, key);
        done
    };

    let vectors = file["vectors"].as_array().unwrap();
    assert!(!vectors.is_empty());
    for vector in vectors {
        let identifier = vector["identifier"].as_str().unwrap();
        let sdkappid = vector["sdkappid"].as_u64().unwrap();
        let ended_at_s = vector["time"].as_u64().unwrap() + vector["expire"].as_u64().unwrap();
        let done = inspect(vector, identifier, sdkappid, ended_at_s);
        assert_eq!(done.code, Some(0), "{vector}\n{done}");
        assert!(done.out.ends_with("\nIt would be accepted.\n"), "{done}");
        assert_eq!(
            noted(&lines(&done), "identifier"),
            format!("{identifier:?}")
        );
        let has_userbuf = noted(&lines(&done), "userbuf") != "none";
        assert_eq!(has_userbuf, vector["has_userbuf"] == true, "{done}");
        let done = inspect(vector, identifier, sdkappid, ended_at_s + 1);
        assert_eq!(done.code, Some(1), "{vector}\n{done}");
        assert!(done.out.contains("\n  70001 "), "{done}");
    }

    let negative = file["negative"].as_array().unwrap();
    assert!(!negative.is_empty());
    for vector in negative {
        let identifier = vector["identifier"].as_str().unwrap();
        let sdkappid = vector["sdkappid"].as_u64().unwrap();
        let done = inspect(vector, identifier, sdkappid, 1_750_000_000);
        assert_eq!(done.code, Some(1), "{vector}\n{done}");
        // Where the vectors leave it to the implementation, what is not UserSig base64 is illegal.
        let code = vector["expect"].as_u64().unwrap_or(70003);
        let (_, answer) = done
            .out
            .split_once("It would be refused. The server's answer:\n")
            .unwrap();
        assert!(
            answer.trim_start().starts_with(&code.to_string()),
            "{vector}\n{done}"
        );
    }

    // Where others printed a whole token.
    for published in file["published_by_others"].as_array().unwrap() {
        if published["usersig"].is_string() {
            let done = inspect(published, "0", 1_400_000_000, 1_569_910_200);
            assert_eq!(done.code, Some(0), "{done}");
        }
    }
}
