//! The smallest HTTPS client: the testkit's over rustls.

use std::{io, net::TcpStream, sync::Arc};

use muster_testkit::{Muster, PATIENCE, SDKAPPID, http, usersig};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use serde_json::Value;

pub(crate) type Stream = StreamOwned<ClientConnection, TcpStream>;
pub(crate) type Connection = http::Connection<Stream>;

pub(crate) fn roots(ca: &str) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_slice(ca.as_bytes()).unwrap();
    roots.add(ca).unwrap();
    roots
}

/// A client that trusts this authority and speaks these versions.
pub(crate) fn config(ca: &str, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots(ca))
        .with_no_client_auth()
}

pub(crate) fn trusting(ca: &str) -> ClientConfig {
    config(ca, rustls::ALL_VERSIONS)
}

pub(crate) fn tcp(muster: &Muster) -> TcpStream {
    let address = muster.accounts_url().strip_prefix("https://").unwrap();
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A connection on which the handshake is over, to a server that is to have this name.
pub(crate) fn try_connect(muster: &Muster, config: ClientConfig, name: &str) -> io::Result<Stream> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut tls = ClientConnection::new(config.into(), name).unwrap();
    let mut tcp = tcp(muster);
    while tls.is_handshaking() {
        tls.complete_io(&mut tcp)?;
    }
    Ok(StreamOwned::new(tls, tcp))
}

pub(crate) fn connect(muster: &Muster, config: ClientConfig) -> Connection {
    Connection::over(try_connect(muster, config, "127.0.0.1").unwrap())
}

/// The certificate that the server shows a new connection.
pub(crate) fn shown(muster: &Muster, ca: &str) -> CertificateDer<'static> {
    let stream = try_connect(muster, trusting(ca), "127.0.0.1").unwrap();
    let chain = stream.conn.peer_certificates().unwrap();
    chain[0].clone().into_owned()
}

/// The bytes of an `account_check`.
pub(crate) fn check(headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let usersig = usersig("administrator");
    let target = format!(
        "/v4/im_open_login_svc/account_check?sdkappid={SDKAPPID}&identifier=administrator\
         &usersig={usersig}&random=1&contenttype=json"
    );
    http::request("POST", &target, headers, body)
}

pub(crate) const ALICE: &[u8] = br#"{"CheckItem":[{"UserID":"alice"}]}"#;

/// `ErrorCode` of the next answer.
pub(crate) fn code(connection: &mut Connection) -> u64 {
    let answer = connection.answer();
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    answer["ErrorCode"].as_u64().unwrap()
}
