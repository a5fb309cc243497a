//! Help, usage errors, the version, completions.

use crate::run::{is_there, muster};

/// Every command with its subcommands, found by reading the help as a user does.
fn commands() -> Vec<Vec<String>> {
    let mut all = vec![Vec::new()];
    let mut next = 0;
    while let Some(command) = all.get(next).cloned() {
        next += 1;
        let help = help_of(&command, "--help");
        let Some((_, below)) = help.split_once("\nCommands:\n") else {
            continue;
        };
        for line in below.lines().take_while(|line| !line.is_empty()) {
            // Lines that go on are indented further.
            if let Some(rest) = line.strip_prefix("  ")
                && !rest.starts_with(' ')
            {
                let name = rest.split_whitespace().next().unwrap();
                // clap's own, which prints what `--help` prints.
                if name == "help" {
                    continue;
                }
                let mut subcommand = command.clone();
                subcommand.push(name.to_owned());
                all.push(subcommand);
            }
        }
    }
    all
}

fn help_of(command: &[String], flag: &str) -> String {
    let mut args: Vec<&str> = command.iter().map(String::as_str).collect();
    args.push(flag);
    muster(&args).ok()
}

#[test]
fn every_command_has_help_with_examples() {
    let commands = commands();
    let names: Vec<String> = commands.iter().map(|command| command.join(" ")).collect();
    for expected in [
        "",
        "dev",
        "serve",
        "config print",
        "app create",
        "app list",
        "app show",
        "app set",
        "app rotate-key",
        "app admin add",
        "app admin remove",
        "export",
        "store check",
        "store copy",
        "usersig sign",
        "usersig inspect",
        "bench import",
        "bench reimport",
        "bench check",
        "bench mixed",
        "completions",
    ] {
        assert!(names.iter().any(|name| name == expected), "{expected}");
    }
    for command in &commands {
        for flag in ["--help", "-h"] {
            let help = help_of(command, flag);
            let usage = format!("Usage: muster {}", command.join(" "));
            assert!(help.contains(usage.trim_end()), "{command:?}\n{help}");
            let (_, examples) = help
                .split_once("\nExamples:\n")
                .unwrap_or_else(|| panic!("{command:?} {flag} without examples:\n{help}"));
            let example = format!("muster {}", command.join(" "));
            assert!(examples.contains(example.trim_end()), "{examples}");
            for line in help.lines() {
                assert!(line.chars().count() <= 100, "{command:?}: {line}");
            }
        }
    }
}

#[test]
fn wrong_usage_is_told_apart_from_failure() {
    for (args, expected) in [
        (&["develop"][..], "unrecognized subcommand 'develop'"),
        (&["dev", "--port", "1"], "unexpected argument '--port'"),
        (
            &["dev", "--listen", "localhost:1"],
            "invalid value 'localhost:1' for '--listen <ADDRESS>': write an IP address and a port, \
             as in 127.0.0.1:7080",
        ),
        (
            &["dev", "--edition", "gold"],
            "[possible values: trial, developer, standard, pro, pro_plus, enterprise]",
        ),
        (
            &["serve", "--set", "limits.none=1"],
            "'--set <KEY=VALUE>': limits.none is no setting of muster",
        ),
        (
            &["serve", "--set", "operator_token=0123456789abcdef"],
            "other users of this machine can read the command line; give operator_token as \
             MUSTER_OPERATOR_TOKEN or in the file",
        ),
        (&["app", "create"], "--sdkappid <N>"),
        (
            &["app", "create", "--sdkappid", "0"],
            "0 is not in 1..=4294967295",
        ),
        (
            &["app", "create", "--sdkappid", "5", "--edition", "gold"],
            "invalid value 'gold' for '--edition <EDITION>'",
        ),
        (&["app", "show"], "<SDKAPPID>"),
        (
            &["app", "show", "4294967296"],
            "4294967296 is not in 1..=4294967295",
        ),
        (
            &["app", "admin", "add", "5", "josé"],
            "invalid value 'josé' for '<USERID>': it has a byte outside 0x20-0x7e",
        ),
        (
            &[
                "app",
                "admin",
                "add",
                "5",
                "123456789012345678901234567890123",
            ],
            "for '<USERID>': ",
        ),
        (
            &["usersig", "sign", "--sdkappid", "5"],
            "--identifier <USERID>",
        ),
        (
            &[
                "usersig",
                "sign",
                "--sdkappid",
                "5",
                "--identifier",
                "a",
                "--expire-s",
                "0",
            ],
            "--expire-s",
        ),
        (&["usersig", "inspect"], "<TOKEN>"),
        (
            &["usersig", "inspect", "--secret", "eJ"],
            "unexpected argument '--secret'",
        ),
        (&["completions", "cmd.exe"], "invalid value 'cmd.exe'"),
    ] {
        let error = muster(args).refused(2);
        assert!(error.contains(expected), "{args:?}: {error}");
        assert!(
            !error.contains("0123456789abcdef"),
            "a secret is shown: {error}"
        );
    }
    // Alone, a command with subcommands shows its help.
    for args in [
        &[][..],
        &["app"],
        &["app", "admin"],
        &["config"],
        &["usersig"],
    ] {
        let done = muster(args).done();
        assert_eq!(done.code, Some(2), "{done}");
        assert!(done.err.contains("Usage: muster"), "{done}");
    }
}

#[test]
fn a_key_is_not_quoted_by_usage_errors() {
    let key = "0123456789abcdef-the-key";
    let error = muster(&[
        "usersig",
        "sign",
        "--sdkappid",
        "5",
        "--identifier",
        "a",
        "--secret-key",
        key,
        "--secret-key-file",
        "app.key",
    ])
    .refused(2);
    assert!(error.contains("--secret-key-file"), "{error}");
    assert!(!error.contains(key), "{error}");
}

#[test]
fn the_version() {
    let expected = format!("muster {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(muster(&["--version"]).ok(), expected);
    assert_eq!(muster(&["-V"]).ok(), expected);
}

#[test]
fn completions() {
    for shell in ["bash", "zsh", "fish"] {
        let script = muster(&["completions", shell]).ok();
        for expected in ["rotate-key", "no-rate-limits", "pro_plus"] {
            assert!(script.contains(expected), "{shell}: no {expected}");
        }
        if !is_there(shell) {
            continue;
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("script");
        std::fs::write(&path, script).unwrap();
        let judged = std::process::Command::new(shell)
            .arg("-n")
            .arg(&path)
            .output()
            .unwrap();
        let complaint = String::from_utf8_lossy(&judged.stderr);
        assert!(
            judged.status.success() && complaint.is_empty(),
            "{shell}: {complaint}"
        );
    }
}

/// `muster ... | head -1` is no failure.
#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let script = format!(
        "{{ {} completions bash; echo $? >&2; }} | head -1",
        crate::run::MUSTER
    );
    let done = crate::run::sh(&script);
    assert_eq!(done.out.lines().count(), 1, "{done}");
    assert_eq!(done.err, "0\n", "{done}");
}
