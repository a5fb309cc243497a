//! The local CA of `muster dev --tls`: kept, trusted by name, and good for nothing else.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Command,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use muster_server::Certificate;
use muster_testkit::{Launch, Muster};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::{
    client::{WebPkiServerVerifier, danger::ServerCertVerifier as _},
    crypto::ring,
    pki_types::{ServerName, UnixTime},
};
use x509_parser::{certificate::X509Certificate, prelude::FromDer as _};

use crate::{
    MUSTER,
    authority::{Authority, put},
    client::{ALICE, check, code, connect, roots, shown, trusting, try_connect},
    refuses_to_start, stop,
};

const DAY_S: u64 = 86_400;

fn dev_tls(data_dir: &Path) -> Launch {
    Launch::dev(MUSTER, data_dir).arg("--tls")
}

fn ca_of(data_dir: &Path) -> String {
    fs::read_to_string(data_dir.join("tls/ca.pem")).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn now_s() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

/// The line that begins with this name.
fn noted<'a>(muster: &'a Muster, name: &str) -> &'a str {
    let mut lines = muster.printed().iter();
    let found = lines.find_map(|line| line.trim().strip_prefix(name));
    found
        .unwrap_or_else(|| panic!("no {name:?} in {:#?}", muster.printed()))
        .trim()
}

#[test]
fn the_server_has_every_name_of_the_real_service() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    let muster = dev_tls(&data_dir).start();
    let ca = ca_of(&data_dir);
    let printed = muster.printed();
    let hosts = printed
        .iter()
        .find_map(|line| line.strip_prefix("127.0.0.1 "));
    let hosts: Vec<&str> = hosts.unwrap().split(' ').collect();
    // Both of China, and two each of seven regions (wire §1.4).
    assert_eq!(hosts.len(), 2 + 2 * 7);
    for expected in [
        "console.tim.qq.com",
        "adminapi.my-imcloud.com",
        "adminapisgp.im.qcloud.com",
        "adminapiger.my-imcloud.com",
    ] {
        assert!(hosts.contains(&expected), "{expected} {hosts:?}");
    }
    for name in ["localhost", "127.0.0.1", "::1"].into_iter().chain(hosts) {
        try_connect(&muster, trusting(&ca), name).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    for name in ["example.com", "tim.qq.com", "10.0.0.1", "a.localhost"] {
        assert!(try_connect(&muster, trusting(&ca), name).is_err(), "{name}");
    }
    // Nobody trusts it without being told.
    let other = Authority::new().pem();
    assert!(try_connect(&muster, trusting(&other), "localhost").is_err());
    stop(muster);
}

#[test]
fn two_starts_have_one_ca_and_two_certificates() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    let first = dev_tls(&data_dir).start();
    let path = data_dir.join("tls/ca.pem");
    assert_eq!(
        noted(&first, "local CA"),
        format!(
            "{} (new; clients have to be told to trust it, as below)",
            path.display()
        )
    );
    let ca = ca_of(&data_dir);
    let first_shown = shown(&first, &ca);
    stop(first);

    let again = dev_tls(&data_dir).start();
    assert_eq!(
        noted(&again, "local CA"),
        format!("{} (kept from before)", path.display())
    );
    assert_eq!(ca_of(&data_dir), ca);
    let again_shown = shown(&again, &ca);
    assert_ne!(again_shown, first_shown);
    // Whoever connects the moment it is ready finds it valid.
    let mut connection = connect(&again, trusting(&ca));
    connection.send(check(&[], ALICE));
    assert_eq!(code(&mut connection), 0);
    stop(again);

    for der in [&first_shown, &again_shown] {
        let (_, parsed) = X509Certificate::from_der(der).unwrap();
        let validity = parsed.validity();
        let valid_s = validity.not_after.timestamp() - validity.not_before.timestamp();
        assert!(valid_s <= 397 * 86_400, "{valid_s}");
    }
    // Without --tls it speaks HTTP, and the CA stays.
    let plain = Launch::dev(MUSTER, &data_dir).start();
    assert!(plain.accounts_url().starts_with("http://"));
    stop(plain);
    assert_eq!(ca_of(&data_dir), ca);
}

#[test]
fn its_files_are_its_owners() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    // What a crash in the middle of making it has left.
    let half = data_dir.join("tls.new");
    fs::create_dir_all(&half).unwrap();
    fs::write(half.join("ca.key"), "half a k").unwrap();
    stop(dev_tls(&data_dir).start());
    let tls = data_dir.join("tls");
    assert_eq!(mode(&tls), 0o700);
    assert_eq!(mode(&tls.join("ca.key")), 0o600);
    assert!(!half.exists());

    let key = fs::read_to_string(tls.join("ca.key")).unwrap();
    let ca = Certificate::from_pem(ca_of(&data_dir).as_bytes(), key.as_bytes()).unwrap();
    let years = ca.ends().0.abs_diff(now_s()) / (365 * DAY_S);
    assert!((9..=10).contains(&years), "{years}");
}

/// The pasted command, and how its line says what to trust.
#[test]
fn the_printed_curl_trusts_the_ca() {
    let dir = tempfile::tempdir().unwrap();
    // A path that a shell would take apart.
    let data_dir = dir.path().join("it's my data");
    let muster = dev_tls(&data_dir).start();
    let printed = muster.printed().join("\n");
    let (_, from_curl) = printed.split_once("\ncurl ").unwrap();
    let (curl, _) = from_curl.split_once("\n\n").unwrap();
    assert!(curl.starts_with("-sS --cacert '"), "{curl}");
    let url = format!("'{}/v4/", muster.accounts_url());
    assert!(curl.contains(&url), "{curl}");
    let is_there = Command::new("curl").arg("--version").output();
    if is_there.is_ok_and(|ran| ran.status.success()) {
        let script = format!("curl {curl}");
        let ran = Command::new("sh").args(["-c", &script]).output().unwrap();
        let answer = String::from_utf8(ran.stdout).unwrap();
        let complaint = String::from_utf8(ran.stderr).unwrap();
        assert!(answer.contains(r#""ErrorCode":0"#), "{answer}\n{complaint}");
    }
    stop(muster);
}

/// Trusting the CA is no great risk: whoever steals its key gets no further than this machine and
/// the names of the real service.
#[test]
fn the_ca_cannot_vouch_for_other_names() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    stop(dev_tls(&data_dir).start());
    let ca = ca_of(&data_dir);
    let key = fs::read_to_string(data_dir.join("tls/ca.key")).unwrap();
    let issuer = || Issuer::from_ca_cert_pem(&ca, KeyPair::from_pem(&key).unwrap()).unwrap();
    let provider = Arc::new(ring::default_provider());
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots(&ca)), provider).build();
    let verifier = verifier.unwrap();
    let verify = |leaf: &rcgen::Certificate, between: &[&rcgen::Certificate], name: &str| {
        let between: Vec<_> = between.iter().map(|it| it.der().clone()).collect();
        let name = ServerName::try_from(name).unwrap();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now_s()));
        let found = verifier.verify_server_cert(leaf.der(), &between, &name, &[], now);
        // rustls has no name of its own for what is expected here.
        found.map(|_| ()).map_err(|error| format!("{error:?}"))
    };
    let leaf_key = KeyPair::generate().unwrap();
    for (name, allowed) in [
        ("localhost", true),
        ("127.0.0.1", true),
        ("127.9.9.9", true),
        ("::1", true),
        ("console.tim.qq.com", true),
        ("adminapisgp.im.qcloud.com", true),
        ("adminapi.my-imcloud.com", true),
        ("example.com", false),
        ("qq.com", false),
        ("mail.qq.com", false),
        ("nottim.qq.com", false),
        ("console.tim.qq.com.example.com", false),
        ("qcloud.com", false),
        ("10.0.0.1", false),
        ("128.0.0.1", false),
        ("::2", false),
    ] {
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let leaf = params.signed_by(&leaf_key, &issuer()).unwrap();
        match verify(&leaf, &[], name) {
            Ok(()) => assert!(allowed, "{name}"),
            Err(error) => {
                assert!(!allowed, "{name}: {error}");
                assert!(error.contains("NameConstraintViolation"), "{name}: {error}");
            }
        }
    }

    // Nor can another CA below it.
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let below_key = KeyPair::generate().unwrap();
    let below = params.signed_by(&below_key, &issuer()).unwrap();
    let below_issuer = Issuer::from_ca_cert_der(below.der(), below_key).unwrap();
    let params = CertificateParams::new(vec!["example.com".to_owned()]).unwrap();
    let leaf = params.signed_by(&leaf_key, &below_issuer).unwrap();
    let error = verify(&leaf, &[&below], "example.com").unwrap_err();
    assert!(error.contains("NameConstraintViolation"), "{error}");
}

#[test]
fn a_ca_that_cannot_be_used_is_a_start_error_that_says_what_to_delete() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    stop(dev_tls(&data_dir).start());
    let tls = data_dir.join("tls");
    let (pem, key) = (tls.join("ca.pem"), tls.join("ca.key"));
    let (good_pem, good_key) = (ca_of(&data_dir), fs::read_to_string(&key).unwrap());
    let restore = || {
        fs::write(&pem, &good_pem).unwrap();
        put(&key, &good_key);
    };
    let other = Authority::new();
    let spoil: [(&str, &dyn Fn()); 6] = [
        ("cannot read", &|| fs::remove_file(&key).unwrap()),
        ("cannot read", &|| fs::remove_file(&pem).unwrap()),
        ("no certificate in PEM form", &|| {
            fs::write(&pem, "").unwrap();
        }),
        ("no private key in PEM form", &|| {
            put(&key, "nonsense");
        }),
        ("does not belong to the first certificate", &|| {
            fs::write(&pem, other.pem()).unwrap();
        }),
        ("the local CA ends at ", &|| {
            let mut params = CertificateParams::default();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.not_after =
                date_time_ymd(1970, 1, 1) + Duration::from_secs(now_s() + 29 * DAY_S);
            let key = KeyPair::from_pem(&good_key).unwrap();
            fs::write(&pem, params.self_signed(&key).unwrap().pem()).unwrap();
        }),
    ];
    for (expected, spoil) in spoil {
        restore();
        spoil();
        let said = refuses_to_start(dev_tls(&data_dir));
        let (_, error) = said.split_once("error: ").unwrap();
        assert!(error.contains(expected), "{expected}\n{said}");
        let advice = format!("delete {} and {}", pem.display(), key.display());
        assert!(error.contains(&advice), "{said}");
        let secret = good_key.lines().nth(1).unwrap();
        assert!(!said.contains(secret), "{said}");
    }

    restore();
    fs::remove_file(&pem).unwrap();
    fs::remove_file(&key).unwrap();
    let muster = dev_tls(&data_dir).start();
    assert_ne!(ca_of(&data_dir), good_pem);
    shown(&muster, &ca_of(&data_dir));
    stop(muster);
}

#[test]
fn a_pair_of_files_and_the_local_ca_exclude_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    for flag in ["--tls-cert", "--tls-key"] {
        let Err(ended) = dev_tls(&data_dir).arg(flag).arg("a.pem").try_start() else {
            panic!("it started");
        };
        assert_eq!(ended.status.code(), Some(2), "{}", ended.said);
        assert!(ended.said.contains("cannot be used with"), "{}", ended.said);
    }
    let launch = dev_tls(&data_dir)
        .env("MUSTER_TLS_CERT", "a.pem")
        .env("MUSTER_TLS_KEY", "b.pem");
    let said = refuses_to_start(launch);
    assert_eq!(
        said.trim(),
        "error: --tls makes a certificate, and tls_cert names one (MUSTER_TLS_CERT); leave one of \
         them out"
    );
    assert!(!data_dir.exists());
}
