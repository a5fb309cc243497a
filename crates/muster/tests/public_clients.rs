//! Public client libraries, unmodified, against the real server: PyPI's
//! `tencentcloud-sdk-python-im` and the UserSig generators of PyPI and npm.
//!
//! `scripts/test` installs them into `target/test-tools` before it runs this.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use muster_testkit::{Launch, Muster, SAMPLE_KEY};

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/public_clients");

/// A tool that `scripts/test` has installed.
fn tool(path: &str) -> PathBuf {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-tools");
    let tool = tools.join(path);
    assert!(
        tool.exists(),
        "{} is missing; run scripts/test, which installs it",
        tool.display()
    );
    tool
}

fn run(muster: &Muster, command: &mut Command) {
    let output = command
        .env("MUSTER_URL", muster.accounts_url())
        .env("MUSTER_KEY", SAMPLE_KEY)
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{said}\n{complaint}\n{}",
        muster.log()
    );
    print!("{said}");
}

#[test]
fn the_python_client_imports_and_finds_its_accounts_after_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let launch = || Launch::dev(env!("CARGO_BIN_EXE_muster"), &dir.path().join("data")).start();
    let script = format!("{HERE}/python_client.py");
    let python = tool("python/bin/python");
    let muster = launch();
    run(&muster, Command::new(&python).args([&script, "import"]));
    muster.kill();
    run(&launch(), Command::new(&python).args([&script, "check"]));
}

#[test]
fn tokens_of_the_node_generator_verify() {
    let dir = tempfile::tempdir().unwrap();
    let muster = Launch::dev(env!("CARGO_BIN_EXE_muster"), &dir.path().join("data")).start();
    let modules = tool("node/node_modules");
    run(
        &muster,
        Command::new("node")
            .arg(format!("{HERE}/node_usersig.js"))
            .env("NODE_PATH", modules),
    );
}
