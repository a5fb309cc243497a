//! What keeps a server from starting: the public sample key beyond loopback, addresses that others
//! have, data directories that others have or that are none. The refusal names what is at fault.

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use muster_client::operator::NewApp;
use muster_testkit::{Launch, SAMPLE_KEY, SDKAPPID, sample_key};

use crate::{
    dev::{curl, paste},
    run::{MUSTER, dev, muster, noted, operator, refuses_to_start, serve, stop, wait},
};

const ALLOW: &str = "--allow-public-sample-key";

/// A launch on all addresses of this machine instead of loopback.
fn beyond_loopback(subcommand: &str, data_dir: &Path) -> Launch {
    let script = format!(r#"bin=$1; shift 4; exec "$bin" {subcommand} --listen 0.0.0.0:0 "$@""#);
    Launch::dev_in_shell(MUSTER, data_dir, &script)
}

fn assert_refuses_the_public_key(said: &str, app: u32) {
    let (_, error) = said.split_once("error: ").unwrap();
    for expected in [
        "listen = 0.0.0.0:0 (--listen) reaches beyond this machine".to_owned(),
        format!("the app {app} has the public sample key, with which anyone can sign"),
        format!("`muster app rotate-key {app}`"),
        ALLOW.to_owned(),
    ] {
        assert!(error.contains(&expected), "{expected}\n{said}");
    }
    assert!(!said.contains(SAMPLE_KEY), "{said}");
    assert!(!said.contains("muster is ready"), "{said}");
}

#[test]
fn dev_does_not_leave_loopback_with_the_public_key() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    assert_refuses_the_public_key(
        &refuses_to_start(beyond_loopback("dev", &data_dir)),
        SDKAPPID,
    );
    assert!(!data_dir.exists(), "it was written to before the refusal");
    // As a container has it: there already, and empty.
    fs::create_dir(&data_dir).unwrap();
    fs::set_permissions(&data_dir, fs::Permissions::from_mode(0o700)).unwrap();
    assert_refuses_the_public_key(
        &refuses_to_start(beyond_loopback("dev", &data_dir)),
        SDKAPPID,
    );
    assert_eq!(fs::read_dir(&data_dir).unwrap().count(), 0);

    // A store without the app: it is not made either.
    stop(serve(&data_dir).start());
    assert_refuses_the_public_key(
        &refuses_to_start(beyond_loopback("dev", &data_dir)),
        SDKAPPID,
    );
    let served = serve(&data_dir).start();
    assert_eq!(wait(operator(&served).apps()).unwrap(), []);
    stop(served);

    let allowed = beyond_loopback("dev", &data_dir).arg(ALLOW).start();
    let url = noted(allowed.printed(), "accounts API");
    let port = url.strip_prefix("http://0.0.0.0:").unwrap();
    let reachable = format!("'http://127.0.0.1:{port}/v4/");
    assert!(curl(&allowed).contains(&reachable), "{}", curl(&allowed));
    assert_eq!(paste(&allowed)["ErrorCode"], 0);
    stop(allowed);

    // It is there now, and refused all the same.
    assert_refuses_the_public_key(
        &refuses_to_start(beyond_loopback("dev", &data_dir)),
        SDKAPPID,
    );
    assert_refuses_the_public_key(
        &refuses_to_start(beyond_loopback("serve", &data_dir)),
        SDKAPPID,
    );
    // With a key of its own it may be reached from anywhere.
    let local = dev(&data_dir).start();
    wait(operator(&local).rotate_key(SDKAPPID, None)).unwrap();
    stop(local);
    stop(beyond_loopback("dev", &data_dir).start());
    stop(beyond_loopback("serve", &data_dir).start());
}

/// The key can come later, through the operator API: the next start sees it.
#[test]
fn serve_does_not_leave_loopback_with_a_public_key_given_later() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    let server = beyond_loopback("serve", &data_dir).start();
    let (made, rotated) = (1_400_000_001, 1_400_000_002);
    let api = operator(&server);
    wait(api.create_app(&NewApp::new(made))).unwrap();
    wait(api.create_app(&NewApp::new(rotated))).unwrap();
    wait(api.rotate_key(rotated, Some(&sample_key()))).unwrap();
    stop(server);

    let said = refuses_to_start(beyond_loopback("serve", &data_dir));
    assert_refuses_the_public_key(&said, rotated);
    stop(beyond_loopback("serve", &data_dir).arg(ALLOW).start());
}

#[test]
fn a_data_directory_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    let first = dev(&data_dir).start();
    for second in [dev(&data_dir), serve(&data_dir)] {
        let said = refuses_to_start(second);
        let expected = format!(
            "error: data_dir (--data-dir): the data directory {} is in use by another muster \
             process; stop that one, or choose another directory",
            data_dir.display()
        );
        assert_eq!(said.trim(), expected);
    }
    assert_eq!(paste(&first)["ErrorCode"], 0);
    stop(first);
}

#[test]
fn an_address_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let free = "127.0.0.1:0";
    for (listen, operator_listen, setting, what) in [
        (
            taken.as_str(),
            free,
            "listen (--listen)",
            "the account protocol",
        ),
        (
            free,
            taken.as_str(),
            "operator_listen (--operator-listen)",
            "the operator API",
        ),
    ] {
        for subcommand in ["dev", "serve"] {
            let data_dir = dir.path().join("data");
            let error = muster(&[
                subcommand,
                "--listen",
                listen,
                "--operator-listen",
                operator_listen,
                "--data-dir",
                data_dir.to_str().unwrap(),
            ])
            .refused(1);
            let expected = format!(
                "{setting}: cannot listen on {taken} for {what}: another process listens there \
                 already; stop it, or choose another port"
            );
            assert!(error.starts_with(&expected), "{error}");
        }
    }
    // The name of a variable, where the address came from one.
    let data_dir = dir.path().join("data");
    let error = muster(&[
        "serve",
        "--operator-listen",
        free,
        "--data-dir",
        data_dir.to_str().unwrap(),
    ])
    .env("MUSTER_LISTEN", &taken)
    .refused(1);
    assert!(
        error.starts_with("listen (MUSTER_LISTEN): cannot listen on"),
        "{error}"
    );
}

#[test]
fn a_data_directory_that_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "mine").unwrap();
    let below = file.join("below");
    // Nobody may make a directory there, not even root.
    let forbidden = Path::new("/sys/muster-data");
    for (path, expected) in [
        (
            file.as_path(),
            "the data directory PATH is a file; name a directory (named by --data-dir)",
        ),
        (
            &below,
            "cannot use the data directory PATH (named by --data-dir): Not a directory",
        ),
        (
            forbidden,
            "cannot make the data directory PATH (named by --data-dir): ",
        ),
    ] {
        let path = path.to_str().unwrap();
        for subcommand in ["dev", "serve"] {
            let error = muster(&[
                subcommand,
                "--listen",
                "127.0.0.1:0",
                "--operator-listen",
                "127.0.0.1:0",
                "--data-dir",
                path,
            ])
            .refused(1);
            assert!(
                error.starts_with(&expected.replace("PATH", path)),
                "{error}"
            );
        }
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
}

/// Runs what follows as nobody, where the tests run as root, who may write everywhere.
fn unprivileged() -> Option<&'static str> {
    if !rustix::process::geteuid().is_root() {
        return Some(r#"exec "$@""#);
    }
    let setpriv = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let ran = Command::new("setpriv")
        .args(setpriv)
        .args([MUSTER, "--version"])
        .output();
    let can = ran.is_ok_and(|output| output.status.success());
    can.then_some(r#"exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@""#)
}

#[test]
fn a_data_directory_that_may_not_be_written() {
    let Some(script) = unprivileged() else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let data_dir = dir.path().join("data");
    fs::create_dir(&data_dir).unwrap();
    fs::set_permissions(&data_dir, fs::Permissions::from_mode(0o555)).unwrap();
    for (path, what) in [(data_dir.clone(), "use"), (data_dir.join("below"), "make")] {
        let said = refuses_to_start(Launch::dev_in_shell(MUSTER, &path, script));
        let expected = format!(
            "error: cannot {what} the data directory {} (named by --data-dir): Permission denied",
            path.display()
        );
        assert!(said.contains(&expected), "{said}");
    }
}

#[test]
fn a_data_directory_that_others_may_enter() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    fs::create_dir(&data_dir).unwrap();
    fs::set_permissions(&data_dir, fs::Permissions::from_mode(0o755)).unwrap();
    let open = dev(&data_dir).start();
    let log = open.log();
    assert!(log.contains("WARN") && log.contains("chmod 700"), "{log}");
    stop(open);
}
