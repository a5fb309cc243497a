//! `--tls-cert` and `--tls-key`: the pair that is shown, how another takes its place, and what keeps
//! a server from starting.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
};

use muster_testkit::{Launch, Muster};
use rustix::process::Signal;

use crate::{
    MUSTER,
    authority::{Authority, put},
    client::{ALICE, check, code, connect, shown, trusting},
    refuses_to_start, stop, wait_until,
};

/// `muster dev` with the pair in this directory.
fn with_pair(dir: &Path) -> Launch {
    let path = |name| dir.join(name).to_str().unwrap().to_owned();
    Launch::dev(MUSTER, &dir.join("data"))
        .arg("--tls-cert")
        .arg(&path("cert.pem"))
        .arg("--tls-key")
        .arg(&path("key.pem"))
}

const KEPT: &str = "cannot use the new certificate; the old one stays in use";
const REPLACED: &str = "read the certificate again; new connections are shown it";

fn said(muster: &Muster, what: &str) -> usize {
    muster.log().matches(what).count()
}

#[test]
fn serve_and_dev_show_it() {
    let dir = tempfile::tempdir().unwrap();
    let (ca, pair) = {
        let ca = Authority::new();
        (ca.pem(), ca.issue())
    };
    pair.write(dir.path());
    let serve = Launch::serve(MUSTER, &dir.path().join("served"))
        .env("MUSTER_TLS_CERT", "cert.pem")
        .env("MUSTER_TLS_KEY", "key.pem");
    for launch in [with_pair(dir.path()), serve] {
        let muster = launch.start();
        assert!(muster.accounts_url().starts_with("https://127.0.0.1:"));
        assert!(muster.operator_url().starts_with("http://127.0.0.1:"));
        assert_eq!(shown(&muster, &ca), pair.der);
        wait_until(&muster, || said(&muster, "the account API speaks TLS") == 1);
        assert_eq!(said(&muster, "ends=4000-01-01T00:00:00Z"), 1);
        stop(muster);
    }
}

/// Open connections notice nothing.
#[test]
fn a_pair_replaced_on_disk_is_shown_to_new_connections() {
    let dir = tempfile::tempdir().unwrap();
    let ca = Authority::new();
    ca.issue().write(dir.path());
    let muster = with_pair(dir.path()).start();
    let mut open = connect(&muster, trusting(&ca.pem()));

    let second = ca.issue();
    second.write(dir.path());
    wait_until(&muster, || shown(&muster, &ca.pem()) == second.der);

    // Not one pair of files over another, but a link turned to another directory.
    let third = ca.issue();
    let elsewhere = dir.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    third.write(&elsewhere);
    for name in ["cert.pem", "key.pem"] {
        let aside = dir.path().join("aside");
        symlink(elsewhere.join(name), &aside).unwrap();
        fs::rename(&aside, dir.path().join(name)).unwrap();
    }
    wait_until(&muster, || shown(&muster, &ca.pem()) == third.der);

    open.send(check(&[], ALICE));
    assert_eq!(code(&mut open), 0);
    stop(muster);
}

#[test]
fn sighup_reads_the_files_even_if_they_look_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let ca = Authority::new();
    let first = ca.issue();
    first.write(dir.path());
    let muster = with_pair(dir.path()).start();
    for reads in 1..=2 {
        muster.signal(Signal::HUP);
        wait_until(&muster, || said(&muster, REPLACED) == reads);
    }
    assert_eq!(shown(&muster, &ca.pem()), first.der);

    let second = ca.issue();
    second.write(dir.path());
    muster.signal(Signal::HUP);
    wait_until(&muster, || shown(&muster, &ca.pem()) == second.der);
    stop(muster);
}

#[test]
fn a_pair_that_cannot_be_used_leaves_the_old_one_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let ca = Authority::new();
    let first = ca.issue();
    first.write(dir.path());
    let muster = with_pair(dir.path()).start();
    let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    let spoil: [(&str, &dyn Fn()); 4] = [
        ("does not belong to the first certificate", &|| {
            put(&cert, &ca.issue().certificate);
        }),
        ("holds no certificate in PEM form", &|| {
            put(&cert, "nonsense");
        }),
        ("holds no private key in PEM form", &|| {
            put(&cert, &first.certificate);
            put(&key, "nonsense");
        }),
        ("cannot open it", &|| fs::remove_file(&cert).unwrap()),
    ];
    for (done, (expected, spoil)) in spoil.into_iter().enumerate() {
        spoil();
        wait_until(&muster, || said(&muster, KEPT) == done + 1);
        let log = muster.log();
        let line = log.lines().last().unwrap();
        assert!(line.contains("ERROR") && line.contains(expected), "{log}");
        assert!(
            line.contains("(--tls-cert)") || line.contains("(--tls-key)"),
            "{log}"
        );
        assert_eq!(shown(&muster, &ca.pem()), first.der);
    }

    let good = ca.issue();
    good.write(dir.path());
    wait_until(&muster, || shown(&muster, &ca.pem()) == good.der);
    stop(muster);
}

#[test]
fn a_bad_pair_is_a_start_error() {
    let ca = Authority::new();
    let (pair, other) = (ca.issue(), ca.issue());
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIBvTBX\n-----END ENCRYPTED PRIVATE \
                     KEY-----\n";
    let too_long = "#".repeat(1024 * 1024 + 1);
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let cert_named = "tls_cert (--tls-cert): DIR/cert.pem: ";
    let key_named = "tls_key (--tls-key): DIR/key.pem: ";
    let both_named = "tls_cert (--tls-cert): DIR/cert.pem, tls_key (--tls-key): DIR/key.pem: ";
    for (cert, key, named, expected) in [
        (
            None,
            Some(pair.key.as_str()),
            cert_named,
            "cannot open it: No such file",
        ),
        (
            Some(pair.certificate.as_str()),
            None,
            key_named,
            "cannot open it: No such file",
        ),
        (
            Some(""),
            Some(&pair.key),
            cert_named,
            "it holds no certificate in PEM form",
        ),
        (
            Some(&pair.key),
            Some(&pair.key),
            cert_named,
            "it holds no certificate in PEM form",
        ),
        (
            Some(broken),
            Some(&pair.key),
            cert_named,
            "its first certificate cannot be read",
        ),
        (
            Some(&too_long),
            Some(&pair.key),
            cert_named,
            "it is longer than 1048576 bytes",
        ),
        (
            Some(&pair.certificate),
            Some(&pair.certificate),
            key_named,
            "it holds no private key in PEM form",
        ),
        (
            Some(&pair.certificate),
            Some(encrypted),
            key_named,
            "it holds no private key in PEM form that can be used without a passphrase",
        ),
        (
            Some(&pair.certificate),
            Some(&other.key),
            both_named,
            "the private key does not belong to the first certificate",
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [("cert.pem", cert), ("key.pem", key)] {
            if let Some(text) = text {
                put(&dir.path().join(name), text);
            }
        }
        let said = refuses_to_start(with_pair(dir.path()));
        let expected =
            format!("error: {named}{expected}").replace("DIR", dir.path().to_str().unwrap());
        assert!(said.trim().starts_with(&expected), "{expected}\n{said}");
        let secret = pair.key.lines().nth(1).unwrap();
        assert!(!said.contains(secret), "{said}");
        // It is found before anything is done.
        assert!(!dir.path().join("data").exists());
    }
}

#[test]
fn one_without_the_other_is_a_start_error() {
    let dir = tempfile::tempdir().unwrap();
    for (flag, expected) in [
        (
            "--tls-cert",
            "error: --tls-cert: tls_cert is set and tls_key is not; set both or none",
        ),
        (
            "--tls-key",
            "error: --tls-key: tls_key is set and tls_cert is not; set both or none",
        ),
    ] {
        let launch = Launch::dev(MUSTER, &dir.path().join("data"));
        let said = refuses_to_start(launch.arg(flag).arg("a.pem"));
        assert_eq!(said.trim(), expected);
    }
}

#[test]
fn what_is_odd_about_a_pair_is_said_at_the_start() {
    let ca = Authority::new();
    let open_key = "every user of this machine may read the private key; chmod 600 it";
    let ended = "the certificate of tls_cert has ended; clients refuse it";
    for (year, key_mode, expected) in [
        (4000, 0o640, None),
        (4000, 0o644, Some(open_key)),
        (2020, 0o600, Some(ended)),
    ] {
        let dir = tempfile::tempdir().unwrap();
        ca.issue_until(year).write(dir.path());
        let key = dir.path().join("key.pem");
        fs::set_permissions(&key, fs::Permissions::from_mode(key_mode)).unwrap();
        let muster = with_pair(dir.path()).start();
        wait_until(&muster, || said(&muster, "serving") == 1);
        for warning in [open_key, ended] {
            let times = usize::from(expected == Some(warning));
            assert_eq!(said(&muster, warning), times, "{}", muster.log());
        }
        stop(muster);
    }
}
