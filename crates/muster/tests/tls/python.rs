//! PyPI's `tencentcloud-sdk-python-im`, unmodified, on the host name that it has built in.
//!
//! What leads `console.tim.qq.com` here is a proxy, as any client takes one from its environment; a
//! line in `/etc/hosts` would need root.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Command, Output},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use muster_testkit::{Launch, SAMPLE_KEY};

use crate::{MUSTER, stop};

const SCRIPT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/public_clients/python_https.py"
);

/// A proxy that leads every CONNECT to one server.
struct Proxy {
    address: SocketAddr,
    /// How often it was asked for `console.tim.qq.com:443`.
    asked: Arc<AtomicUsize>,
}

impl Proxy {
    fn start(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let (target, count) = (target.to_owned(), asked.clone());
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, target, count) = (client.unwrap(), target.clone(), count.clone());
                // Either side may go at any time; the script tells whether all went well.
                thread::spawn(move || lead(client, &target, &count));
            }
        });
        Self { address, asked }
    }
}

fn lead(client: TcpStream, target: &str, asked: &AtomicUsize) -> io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    if line.starts_with("CONNECT console.tim.qq.com:443 ") {
        asked.fetch_add(1, Ordering::Relaxed);
    }
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line)?;
    }
    (&client).write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    let server = TcpStream::connect(target)?;
    let (mut to_server, mut to_client) = (server.try_clone()?, client);
    thread::spawn(move || {
        let _ = io::copy(&mut reader, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    let mut from_server = server;
    io::copy(&mut from_server, &mut to_client)?;
    to_client.shutdown(Shutdown::Write)
}

fn run(proxy: &Proxy, ca: Option<&Path>) -> Output {
    let python =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-tools/python/bin/python");
    assert!(
        python.exists(),
        "{} is missing; run scripts/test, which installs it",
        python.display()
    );
    let mut command = Command::new(python);
    command
        .arg(SCRIPT)
        // Proxies and certificates of the developer must not decide a test.
        .env_clear()
        .env("HTTPS_PROXY", format!("http://{}", proxy.address))
        .env("MUSTER_KEY", SAMPLE_KEY);
    if let Some(ca) = ca {
        command.env("REQUESTS_CA_BUNDLE", ca);
    }
    command.output().unwrap()
}

#[test]
fn the_python_client_takes_it_for_console_tim_qq_com() {
    let dir = tempfile::tempdir().unwrap();
    let muster = Launch::dev(MUSTER, &dir.path().join("data"))
        .arg("--tls")
        .start();
    let proxy = Proxy::start(muster.accounts_url().strip_prefix("https://").unwrap());

    let stranger = run(&proxy, None);
    let complaint = String::from_utf8_lossy(&stranger.stderr);
    assert!(!stranger.status.success());
    assert!(
        complaint.contains("CERTIFICATE_VERIFY_FAILED"),
        "{complaint}"
    );

    let asked_in_vain = proxy.asked.load(Ordering::Relaxed);
    assert!(asked_in_vain > 0);
    let ca = muster.data_dir().join("tls/ca.pem");
    let told = run(&proxy, Some(&ca));
    let complaint = String::from_utf8_lossy(&told.stderr);
    assert!(told.status.success(), "{complaint}\n{}", muster.log());
    assert!(proxy.asked.load(Ordering::Relaxed) > asked_in_vain);
    stop(muster);
}
