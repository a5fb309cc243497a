//! `muster serve` and its settings, and `muster config print`.

use std::{fs, path::PathBuf};

use crate::run::{Done, muster, noted, refuses_to_start, serve, stop};

/// A directory with a configuration file.
fn with_file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("my.toml");
    fs::write(&path, text).unwrap();
    (dir, path)
}

/// The form of the log shows which layer counted.
#[test]
fn serve_takes_flags_over_environment_over_file_over_defaults() {
    let (dir, json_file) = with_file("[log]\nformat = \"json\"\n");
    let json_file = json_file.to_str().unwrap();
    for (number, (file, variable, flag, json)) in [
        (None, None, None, false),
        (Some(json_file), None, None, true),
        (Some(json_file), Some("text"), None, false),
        (Some(json_file), Some("text"), Some("json"), true),
        (None, Some("json"), None, true),
        (None, Some("json"), Some("text"), false),
    ]
    .into_iter()
    .enumerate()
    {
        let mut launch = serve(&dir.path().join(number.to_string()));
        if let Some(file) = file {
            launch = launch.arg("--config").arg(file);
        }
        if let Some(format) = variable {
            launch = launch.env("MUSTER_LOG_FORMAT", format);
        }
        if let Some(format) = flag {
            launch = launch.arg("--log-format").arg(format);
        }
        let server = launch.start();
        let log = first_log(&server);
        let is_json =
            serde_json::from_str::<serde_json::Value>(log.lines().next().unwrap()).is_ok();
        assert_eq!(is_json, json, "{file:?} {variable:?} {flag:?}\n{log}");
        stop(server);
    }
}

/// `./muster.toml` is read without being named, and `MUSTER_CONFIG` names another.
#[test]
fn serve_finds_its_file() {
    let (dir, other) = with_file("[log]\nformat = \"text\"\n");
    fs::write(dir.path().join("muster.toml"), "[log]\nformat = \"json\"\n").unwrap();
    let data_dir = dir.path().join("data");
    // The testkit starts it beside its data directory.
    let beside = serve(&data_dir).start();
    assert!(
        first_log(&beside).starts_with('{'),
        "{}",
        first_log(&beside)
    );
    stop(beside);
    let named = serve(&data_dir)
        .env("MUSTER_CONFIG", other.to_str().unwrap())
        .start();
    assert!(!first_log(&named).starts_with('{'), "{}", first_log(&named));
    stop(named);
}

#[test]
fn serve_says_what_it_serves() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    let server = serve(&data_dir).start();
    let printed = server.printed();
    let title = format!(
        "muster {}, serving {}",
        env!("CARGO_PKG_VERSION"),
        data_dir.display()
    );
    assert_eq!(printed[0], title);
    assert_eq!(
        noted(printed, "apps"),
        format!(
            "none yet; `muster app create --sdkappid N --data-dir {}` makes one",
            data_dir.display()
        )
    );
    assert_eq!(printed.last().unwrap(), "muster is ready");
    stop(server);
}

#[test]
fn a_wrong_file_is_named_with_line_and_key() {
    for (text, expected) in [
        (
            "listen = \"127.0.0.1:0\"\n\n[limits]\nmax_conections = 5\n",
            "FILE:4: limits.max_conections is no setting of muster; in [limits] it has \
             max_connections, ",
        ),
        (
            "# mine\nrate_limits = \"no\"\n",
            "FILE:2: rate_limits must be a boolean, not a string",
        ),
        (
            "[limits]\ndeadline_s = 0\n",
            "FILE:2: limits.deadline_s is 0, 1 to 86400 are allowed",
        ),
        (
            "listen = \"localhost\"\n",
            "FILE:1: listen: \"localhost\" is no address; write an IP address and a port, as in \
             127.0.0.1:7080",
        ),
        ("listen = \n", "FILE:1: "),
    ] {
        let (dir, path) = with_file(text);
        let path = path.to_str().unwrap();
        let expected = expected.replace("FILE", path);
        // Where serve gives --listen itself, the file still has to be right in form.
        if !text.starts_with("listen = \"localhost") {
            let data_dir = dir.path().join("data");
            let said = refuses_to_start(serve(&data_dir).arg("--config").arg(path));
            assert!(
                said.trim().starts_with(&format!("error: {expected}")),
                "{said}"
            );
            assert!(!data_dir.exists());
        }
        let error = muster(&["config", "print", "--config", path]).refused(1);
        assert!(error.starts_with(&expected), "{error}");
    }
}

#[test]
fn a_missing_file_is_named() {
    for command in [&["serve"][..], &["config", "print"], &["app", "list"]] {
        let named = [command, &["--config", "none.toml"]].concat();
        let in_variable = muster(command).env("MUSTER_CONFIG", "none.toml");
        for refused in [muster(&named), in_variable] {
            assert_eq!(
                refused.refused(1),
                "cannot read the configuration file none.toml: No such file or directory (os \
                 error 2)"
            );
        }
    }
}

/// What counts of a printed configuration: everything but comments.
fn settings(printed: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for line in printed.lines() {
        let line = line.split(" # ").next().unwrap().trim();
        if !line.is_empty() && !line.starts_with('#') {
            lines.push(line.to_owned());
        }
    }
    lines
}

#[test]
fn config_print_shows_what_counts_and_loads_again() {
    let defaults = muster(&["config", "print"]).ok();
    let _: toml_edit::DocumentMut = defaults.parse().unwrap();
    for expected in [
        "listen = \"127.0.0.1:7080\"",
        "operator_listen = \"127.0.0.1:7081\"",
        "data_dir = \"./muster-data\"",
        "rate_limits = true",
    ] {
        assert!(defaults.lines().any(|line| line == expected), "{defaults}");
    }

    let (dir, path) = with_file("rate_limits = false\n[limits]\nidle_timeout_s = 61\n");
    let path = path.to_str().unwrap();
    let printed = muster(&[
        "config",
        "print",
        "--config",
        path,
        "--listen",
        "0.0.0.0:81",
    ])
    .env("MUSTER_LIMITS_DEADLINE_S", "4")
    .ok();
    let from_1 = format!("rate_limits = false # from {path}:1");
    let from_3 = format!("idle_timeout_s = 61 # from {path}:3");
    for expected in [
        "listen = \"0.0.0.0:81\" # from --listen",
        &from_1,
        &from_3,
        "deadline_s = 4 # from MUSTER_LIMITS_DEADLINE_S",
        "header_timeout_s = 10",
    ] {
        assert!(
            printed.lines().any(|line| line == expected),
            "{expected}\n{printed}"
        );
    }

    for text in [&defaults, &printed] {
        let copy = dir.path().join("copy.toml");
        fs::write(&copy, text).unwrap();
        let again = muster(&["config", "print", "--config", copy.to_str().unwrap()]).ok();
        assert_eq!(settings(&again), settings(text));
    }
}

#[test]
fn config_print_masks_the_token() {
    let token = "0123456789abcdef-secret";
    let (dir, path) = with_file(&format!("operator_token = \"{token}\"\n"));
    let path = path.to_str().unwrap();
    let from_file = muster(&["config", "print", "--config", path]).ok();
    let from_variable = muster(&["config", "print"])
        .env("MUSTER_OPERATOR_TOKEN", token)
        .ok();
    for (printed, source) in [
        (&from_file, format!("{path}:1")),
        (&from_variable, "MUSTER_OPERATOR_TOKEN".to_owned()),
    ] {
        let expected = format!("operator_token = \"***\" # masked, from {source}");
        assert!(printed.lines().any(|line| line == expected), "{printed}");
        assert!(!printed.contains(token), "{printed}");
    }

    // As a file it works where the token comes from elsewhere, and is no token itself.
    let copy = dir.path().join("copy.toml");
    fs::write(&copy, &from_variable).unwrap();
    let copy = copy.to_str().unwrap();
    let again = muster(&["config", "print", "--config", copy]).env("MUSTER_OPERATOR_TOKEN", token);
    assert_eq!(settings(&again.ok()), settings(&from_variable));
    let line = 1 + from_variable
        .lines()
        .position(|line| line.contains("***"))
        .unwrap();
    assert_eq!(
        muster(&["config", "print", "--config", copy]).refused(1),
        format!(
            "{copy}:{line}: operator_token: \"***\" is what `muster config print` shows instead of \
             the token; write the token itself, or leave it empty"
        )
    );

    // Errors do not show it either.
    let short = muster(&["config", "print"])
        .env("MUSTER_OPERATOR_TOKEN", "sh0rt")
        .refused(1);
    assert!(
        short.starts_with("MUSTER_OPERATOR_TOKEN: operator_token: "),
        "{short}"
    );
    assert!(!short.contains("sh0rt"), "{short}");
    fs::write(path, format!("operator_token = \"{token}\n")).unwrap();
    let broken = muster(&["config", "print", "--config", path]).refused(1);
    assert!(
        broken.starts_with(&format!("{path}:1: ")) && !broken.contains(token),
        "{broken}"
    );
}

/// A misspelt variable has no effect, and is told.
#[test]
fn a_variable_that_is_none() {
    let Done { code, out, err, .. } = muster(&["config", "print"]).env("MUSTER_LISTN", "x").done();
    assert_eq!(code, Some(0));
    assert_eq!(out, muster(&["config", "print"]).ok());
    assert_eq!(
        err,
        "warning: the environment variable MUSTER_LISTN is none of muster's and has no effect\n"
    );
    let refused = muster(&["config", "print"])
        .env("MUSTER_RATE_LIMITS", "no")
        .refused(1);
    assert_eq!(
        refused,
        "MUSTER_RATE_LIMITS: \"no\" is neither true nor false"
    );
}

/// What a server has logged, once that is a line at least: its log is written by a thread of its own.
fn first_log(server: &muster_testkit::Muster) -> String {
    let end = std::time::Instant::now() + std::time::Duration::from_mins(1);
    loop {
        let log = server.log();
        if log.contains('\n') {
            return log;
        }
        assert!(std::time::Instant::now() < end, "nothing is logged");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}
