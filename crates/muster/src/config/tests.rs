use std::fs;

use super::{layers::DEFAULTS, *};

/// One value for each layer, all different, all allowed.
fn values(key: &str) -> [String; 3] {
    let texts = match key {
        "listen" | "operator_listen" => ["127.0.0.2:1", "127.0.0.3:1", "[::1]:1"],
        "tls_cert" | "tls_key" => ["file.pem", "environment.pem", "flag.pem"],
        "data_dir" => ["./file", "./environment", "./flag"],
        "operator_token" => ["file-file-file-file", "env-env-env-env-env", ""],
        "store" => ["postgres://a@b/c", "postgres://d", ""],
        "store_password" => ["hush", "hush, too", ""],
        "store_password_file" => ["file", "environment", "flag"],
        "store_connections" => ["2", "3", "1000"],
        "trusted_proxies" => ["10.0.0.0/8", "127.0.0.1, ::1", "192.168.0.1"],
        "rate_limits" => ["false", "true", "false"],
        "test_controls" => ["true", "false", "true"],
        "log.format" => ["json", "text", "json"],
        "log.level" => ["warn", "error", "debug,muster_server=trace"],
        // Room for one body at least.
        "limits.body_memory_bytes" => ["2000021", "2000022", "2000023"],
        number if number.starts_with("limits.") => ["21", "22", "23"],
        other => panic!("{other} is new: give it values here"),
    };
    texts.map(str::to_owned)
}

fn environment(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    pairs
        .iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}

/// A configuration file, and what it takes to load it.
fn file(text: &str) -> (tempfile::TempDir, File) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("my.toml");
    fs::write(&path, text).unwrap();
    (dir, File::Named(path))
}

fn toml_line(key: &str, text: &str) -> String {
    let quoted = match Layers::defaults().find(key).unwrap().type_name() {
        "string" => format!("{text:?}"),
        _ => text.to_owned(),
    };
    match key.split_once('.') {
        Some((table, sub)) => format!("[{table}]\n{sub} = {quoted}\n"),
        None => format!("{key} = {quoted}\n"),
    }
}

fn refusal(text: &str, pairs: &[(&str, &str)], flags: Flags) -> String {
    let (dir, file) = file(text);
    let error = match load(flags, environment(pairs), &file) {
        Ok(_) => panic!("{text:?} {pairs:?} is taken"),
        Err(error) => format!("{error:#}"),
    };
    error.replace(&*dir.path().to_string_lossy(), "DIR")
}

#[test]
fn the_default_file_is_what_the_server_does_by_default() {
    let config = load(Flags::new(), [], &File::None).unwrap().config;
    assert_eq!(config.limits, Limits::default());
    assert_eq!(config.listen, "127.0.0.1:7080".parse().unwrap());
    assert_eq!(config.operator_listen, "127.0.0.1:7081".parse().unwrap());
    assert!(config.rate_limits && !config.log.json && config.operator_token.is_none());
}

#[test]
fn flag_over_environment_over_file_over_default_for_every_setting() {
    for key in Layers::defaults().keys() {
        let [in_file, in_environment, in_flag] = values(&key);
        let (_dir, file) = file(&toml_line(&key, &in_file));
        let name = variable(&key);
        let pairs = [(name.as_str(), in_environment.as_str())];
        let flag = || vec![("--set", setting(&key, &in_flag))];
        // One without the other is refused.
        let other_of_pair = match key.as_str() {
            "tls_cert" => Some("tls_key"),
            "tls_key" => Some("tls_cert"),
            _ => None,
        };
        let default = Layers::defaults().find(&key).unwrap().to_string();
        for (flags, pairs, file, expected, from) in [
            (
                Flags::new(),
                &[][..],
                &File::None,
                default.trim().trim_matches('"'),
                None,
            ),
            (
                Flags::new(),
                &[][..],
                &file,
                in_file.as_str(),
                Some("my.toml:"),
            ),
            (
                Flags::new(),
                &pairs[..],
                &file,
                in_environment.as_str(),
                Some(name.as_str()),
            ),
            (flag(), &pairs[..], &file, in_flag.as_str(), Some("--set")),
        ] {
            let mut flags = flags;
            let is_set = from.is_some();
            let other = other_of_pair.filter(|_| is_set);
            flags.extend(other.map(|other| ("--set", setting(other, &"other.pem"))));
            let loaded = load(flags, environment(pairs), file).unwrap();
            let shown = match (key.as_str(), expected) {
                ("operator_token" | "store_password", text) if !text.is_empty() => "***",
                (_, text) => text,
            };
            let printed: toml_edit::DocumentMut = loaded.printed.parse().unwrap();
            let mut item = printed.as_item();
            for part in key.split('.') {
                item = &item[part];
            }
            let mut value = item.as_value().unwrap().clone();
            let suffix = value
                .decor()
                .suffix()
                .and_then(|text| text.as_str())
                .unwrap_or_default();
            match from {
                Some(from) => assert!(suffix.contains(from), "{key}: {suffix}"),
                None => assert_eq!(suffix, "", "{key}"),
            }
            value.decor_mut().clear();
            assert_eq!(value.to_string().trim_matches('"'), shown, "{key} {from:?}");
        }
    }
}

#[test]
fn every_layer_reaches_the_config() {
    let (_dir, file) = file("data_dir = \"./a\"\nrate_limits = false\n[limits]\ndeadline_s = 5\n");
    let pairs = environment(&[
        ("MUSTER_LIMITS_MAX_CONNECTIONS", "50"),
        ("MUSTER_LISTEN", "[::]:80"),
        ("MUSTER_DATA_DIR", "./b"),
        ("MUSTER_OPERATOR_TOKEN", "0123456789abcdef"),
        ("MUSTER_LOG_FORMAT", ""),
    ]);
    let flags = vec![("--listen", setting("listen", &"0.0.0.0:81"))];
    let Config {
        listen,
        data_dir,
        operator_token,
        rate_limits,
        log,
        limits,
        sources,
        ..
    } = load(flags, pairs, &file).unwrap().config;
    assert_eq!(listen, "0.0.0.0:81".parse().unwrap());
    assert_eq!(sources.listen, Source::Flag("--listen"));
    assert_eq!(data_dir, PathBuf::from("./b"));
    assert_eq!(
        sources.data_dir,
        Source::Environment("MUSTER_DATA_DIR".to_owned())
    );
    assert_eq!(operator_token.unwrap().as_str(), "0123456789abcdef");
    assert!(!rate_limits);
    // An empty variable is one that is not set.
    assert!(!log.json);
    assert_eq!((limits.deadline_s, limits.max_connections), (5, 50));
}

#[test]
fn a_wrong_file_is_named_with_line_and_key() {
    for (text, expected) in [
        (
            "\n\nlisten_on = \"a\"\n",
            "DIR/my.toml:3: listen_on is no setting of muster; at the top it has listen, \
             tls_cert, tls_key, operator_listen, data_dir, store, store_password, \
             store_password_file, store_connections, operator_token, rate_limits, trusted_proxies, test_controls, log, limits",
        ),
        (
            "[log]\nlevle = \"info\"\n",
            "DIR/my.toml:2: log.levle is no setting of muster; in [log] it has format, level",
        ),
        ("[limit]\n", "DIR/my.toml:1: limit is no setting"),
        (
            "[log.level]\n",
            "DIR/my.toml:1: log.level must be a string, not a table",
        ),
        (
            "rate_limits = \"no\"\n",
            "DIR/my.toml:1: rate_limits must be a boolean, not a string",
        ),
        (
            "\nlog = 3\n",
            "DIR/my.toml:2: log is a table of format, level; write [log] on a line",
        ),
        (
            "limits.deadline_s = 3.5",
            "DIR/my.toml:1: limits.deadline_s must be an integer, not a float",
        ),
        (
            "limits = { deadline_s = 0 }",
            "DIR/my.toml:1: limits.deadline_s is 0, 1 to 86400",
        ),
        (
            "limits.body_memory_bytes = 1000",
            "DIR/my.toml:1: limits.body_memory_bytes is 1000, too little for one body of \
             limits.body_limit_bytes, which is 1048576 (default); raise the one or lower the other",
        ),
        (
            "listen = \"localhost:1\"",
            "DIR/my.toml:1: listen: \"localhost:1\" is no address",
        ),
        (
            "log.format = \"xml\"",
            "DIR/my.toml:1: log.format: \"xml\" is no log format",
        ),
        (
            "log.level = \"inof\"",
            "DIR/my.toml:1: log.level: \"inof\" is no log level",
        ),
        (
            "tls_cert = \"a.pem\"",
            "DIR/my.toml:1: tls_cert is set and tls_key is not; set both or none",
        ),
        (
            "\ntls_key = \"a.key\"",
            "DIR/my.toml:2: tls_key is set and tls_cert is not; set both or none",
        ),
        (
            "data_dir = \"\"",
            "DIR/my.toml:1: data_dir: name a directory",
        ),
        ("\nlisten = \n", "DIR/my.toml:2: "),
        (
            "listen = \"a\"\nlisten = \"b\"\n",
            "DIR/my.toml:2: duplicate key",
        ),
    ] {
        let error = refusal(text, &[], Flags::new());
        assert!(error.starts_with(expected), "{text:?}: {error}");
    }
}

#[test]
fn a_wrong_variable_or_flag_is_named() {
    for (name, value, expected) in [
        (
            "MUSTER_LISTEN",
            "7080",
            "MUSTER_LISTEN: listen: \"7080\" is no address",
        ),
        (
            "MUSTER_RATE_LIMITS",
            "no",
            "MUSTER_RATE_LIMITS: \"no\" is neither true nor false",
        ),
        (
            "MUSTER_LIMITS_DEADLINE_S",
            "3s",
            "MUSTER_LIMITS_DEADLINE_S: \"3s\" is not a whole",
        ),
        (
            "MUSTER_LIMITS_DEADLINE_S",
            "-1",
            "MUSTER_LIMITS_DEADLINE_S: limits.deadline_s is -1, 1 to 86400 are allowed",
        ),
    ] {
        let error = refusal("", &[(name, value)], Flags::new());
        assert!(error.starts_with(expected), "{error}");
    }
    let flags = vec![("--log-level", setting("log.level", &"loud"))];
    let error = refusal("", &[], flags);
    assert!(
        error.starts_with("--log-level: log.level: \"loud\" is no log level"),
        "{error}"
    );

    for (pair, expected) in [
        ("listen", "write it as KEY=VALUE"),
        ("listn=1", "listn is no setting of muster"),
        ("limits=1", "limits is no setting of muster"),
        ("rate_limits=1", "\"1\" is neither true nor false"),
    ] {
        let error = setting_pair(pair).unwrap_err();
        assert!(error.contains(expected), "{pair}: {error}");
    }
}

#[test]
fn a_file_that_is_named_has_to_be_there() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("muster.toml");
    let Err(error) = load(Flags::new(), [], &File::Named(missing.clone())) else {
        panic!("it is not there");
    };
    let error = format!("{error:#}");
    assert!(
        error.contains("cannot read the configuration file"),
        "{error}"
    );
    assert!(error.contains(&*missing.to_string_lossy()), "{error}");
}

#[test]
fn the_password_of_the_store_comes_from_one_place() {
    let (dir, password) = file("hush\r\n");
    let File::Named(path) = password else {
        unreachable!("it was just written")
    };
    let path = path.to_str().unwrap();
    let store = ("MUSTER_STORE", "postgres://ann@db/muster");
    let of = |pairs: &[(&str, &str)]| {
        let loaded = load(Flags::new(), environment(pairs), &File::None);
        loaded.map_err(|error| format!("{error:#}"))
    };
    for (given, has_one) in [
        (None, false),
        (Some(("MUSTER_STORE_PASSWORD", "hush")), true),
        (Some(("MUSTER_STORE_PASSWORD_FILE", path)), true),
    ] {
        let pairs: Vec<_> = [store].into_iter().chain(given).collect();
        let loaded = of(&pairs).unwrap();
        assert_eq!(loaded.config.store.unwrap().has_password(), has_one);
        assert!(!loaded.printed.contains("hush"));
    }
    for (pairs, expected) in [
        (
            &[("MUSTER_STORE", "postgres://ann:hush@db/muster")][..],
            "MUSTER_STORE: store: leave the password out",
        ),
        (
            &[("MUSTER_STORE", "mysql://db/hush")],
            "MUSTER_STORE: store: it is no URL of a database",
        ),
        (
            &[
                store,
                ("MUSTER_STORE_PASSWORD", "hush"),
                ("MUSTER_STORE_PASSWORD_FILE", path),
            ],
            "store_password (MUSTER_STORE_PASSWORD) and store_password_file (MUSTER_STORE_PASSWORD_FILE) are both",
        ),
        (
            &[store, ("MUSTER_STORE_PASSWORD_FILE", "/nowhere")],
            "MUSTER_STORE_PASSWORD_FILE: store_password_file: cannot read /nowhere",
        ),
        (
            &[store, ("MUSTER_STORE_CONNECTIONS", "1")],
            "MUSTER_STORE_CONNECTIONS: store_connections is 1",
        ),
    ] {
        let error = of(pairs).map(|_| ()).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
        assert!(!error.contains("hush"), "{error}");
    }
    drop(dir);
}

#[test]
fn the_operator_token_is_never_shown() {
    // An error of the TOML parser would quote the whole line.
    let broken = refusal("operator_token = \"s3cr3t-s3cr3t", &[], Flags::new());
    let short = refusal("operator_token = \"s3cr3t\"", &[], Flags::new());
    assert!(short.starts_with("DIR/my.toml:1: operator_token: the operator token has 6 bytes"));
    let (_dir, file) = file("operator_token = \"s3cr3t-s3cr3t-s3cr3t\"\n");
    let loaded = load(Flags::new(), [], &file).unwrap();
    assert!(
        loaded
            .printed
            .contains("operator_token = \"***\" # masked, from"),
        "{}",
        loaded.printed
    );
    for text in [
        broken,
        short,
        loaded.printed,
        format!("{:?}", loaded.config),
    ] {
        assert!(!text.contains("s3cr3t"), "{text}");
    }
}

#[test]
fn unknown_variables_are_pointed_out() {
    let pairs = environment(&[
        ("MUSTER_LISTN", "x"),
        ("MUSTER_SECRET_KEY", "x"),
        ("MUSTER_CONFIG", "x"),
        ("MUSTER_OPERATOR_URL", "x"),
        ("OTHER", "x"),
    ]);
    let warnings = load(Flags::new(), pairs, &File::None).unwrap().warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("MUSTER_LISTN "), "{warnings:?}");
}

#[test]
fn what_is_printed_is_a_file_again() {
    let printed = load(Flags::new(), [], &File::None).unwrap().printed;
    assert_eq!(printed, DEFAULTS);
    let (_dir, file) = file(&printed);
    load(Flags::new(), [], &file).unwrap();
}
