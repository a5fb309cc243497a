//! Connections with TLS and without it, to a real PostgreSQL with a certificate of the test's own.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::{fs, path::PathBuf};

use muster_accounts::AccountStore as _;
use muster_store_postgres::{OpenError, Options, PostgresStore};
use muster_testkit::postgres::{self, Postgres};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;

/// A CA, and a file with its certificate.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    dir: TempDir,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Self {
            issuer,
            dir: tempfile::tempdir().unwrap(),
        };
        fs::write(authority.file(), authority.issuer.pem()).unwrap();
        authority
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// `sslmode=require` with this CA.
    fn required(&self) -> String {
        format!("sslmode=require&sslrootcert={}", self.file().display())
    }

    /// A server with a certificate for this name.
    fn server(&self, name: &str) -> Postgres {
        let postgres = Postgres::start();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        postgres.speak_tls(&certificate.pem(), &key.serialize_pem());
        postgres
    }
}

async fn open(url: &str, query: &str) -> Result<PostgresStore, OpenError> {
    PostgresStore::open(&Options::parse(&format!("{url}?{query}"))?).await
}

/// Opens a store there and says whether all of its connections are encrypted, or none is.
async fn is_encrypted(server: &Postgres, query: &str) -> bool {
    let url = server.new_database();
    let store = open(&url, query).await.unwrap();
    let connections = server.sql(
        &url,
        "SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
         WHERE application_name = 'muster'",
    );
    store.close().await.unwrap();
    match connections.as_str() {
        "t" => true,
        "f" => false,
        other => panic!("{other:?}"),
    }
}

/// What is said, which holds no secret, whichever that is.
async fn refusal(url: &str, query: &str) -> String {
    let error = open(url, query).await.err().expect("refused").to_string();
    let password = url.split([':', '@']).nth(2).unwrap();
    assert!(!error.contains(password), "{error}");
    error
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_tls() {
    let authority = Authority::new("ours");
    let server = authority.server("127.0.0.1");
    let required = authority.required();
    for (query, encrypted) in [
        (&*required, true),
        (&*required.replace("require", "verify-full"), true),
        (&*required.replace("require", "verify-ca"), true),
        (&*format!("{required}&channel_binding=require"), true),
        ("sslmode=prefer", true),
        ("sslmode=prefer&channel_binding=require", true),
        ("", true),
        ("sslmode=disable", false),
    ] {
        assert_eq!(is_encrypted(&server, query).await, encrypted, "{query}");
    }

    let url = server.new_database();
    // This machine trusts others, or nobody at all.
    let error = refusal(&url, "sslmode=require").await;
    assert!(error.contains("sslrootcert=FILE"), "{error}");
    for name in ["theirs", "ours"] {
        let error = refusal(&url, &Authority::new(name).required()).await;
        let told = "cannot connect to the database: the server's certificate is of an issuer that is \
                    not trusted; name the file of the issuing CA's certificate: sslrootcert=FILE";
        assert!(error.starts_with(told), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_host_shows_its_own_name() {
    let authority = Authority::new("ours");
    let required = authority.required();
    let (one, two) = (authority.server("one.test"), authority.server("two.test"));
    let url = |servers: [(&str, &Postgres); 2]| {
        let password = one.url("x").split([':', '@']).nth(2).unwrap().to_owned();
        let [(first, at_first), (second, at_second)] = servers;
        let (port, other_port) = (at_first.port(), at_second.port());
        format!("postgres://muster_test:{password}@{first}:{port},{second}:{other_port}/postgres")
    };
    let query = format!("{required}&hostaddr=127.0.0.1,127.0.0.1");

    let error = refusal(&url([("two.test", &one), ("one.test", &two)]), &query).await;
    assert!(
        error.contains("the server's certificate is of another name"),
        "{error}"
    );
    assert!(
        error.contains("one.test") && error.contains("two.test"),
        "{error}"
    );
    // The second has another password, so it is the first that answers.
    let store = open(&url([("one.test", &one), ("two.test", &two)]), &query).await;
    store.unwrap().close().await.unwrap();
    // The name is verified whatever is asked for, as long as anything is.
    let lenient = query.replace("require", "verify-ca");
    let error = refusal(&url([("two.test", &one), ("one.test", &two)]), &lenient).await;
    assert!(error.contains("of another name"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_tls() {
    let server = postgres::shared();
    for query in ["sslmode=prefer", "sslmode=disable", ""] {
        assert!(!is_encrypted(server, query).await, "{query}");
    }
    let error = refusal(&server.new_database(), &Authority::new("ours").required()).await;
    assert!(
        error.contains("the server speaks no TLS; switch it on there"),
        "{error}"
    );
}
