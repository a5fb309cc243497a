//! The certificate of `muster dev --tls`: a certificate authority of this data directory's own, and
//! under it a server certificate for each start, whose key never leaves memory.
//!
//! Clients are told to trust the authority, so it is made to be worth little to a thief: its name
//! constraints let it vouch for this machine and for the names of Tencent's account API, and for
//! nothing else.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, anyhow, bail};
use muster_accounts::UnixSeconds;
use muster_server::Certificate;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, SanType,
    date_time_ymd,
};

use crate::out::shell_quoted;

const DAY_S: u64 = 86_400;
const CA_VALIDITY_S: u64 = 10 * 365 * DAY_S;
/// An authority with less than this left is not used any more: it would end under someone's hands.
const CA_LEAST_LEFT_S: u64 = 30 * DAY_S;
/// The most that clients accept is 398 days.
const SERVER_VALIDITY_S: u64 = 397 * DAY_S;
/// Certificates begin a little in the past, for clients whose clocks are behind.
const CLOCK_SLACK_S: u64 = 3600;

/// The domains that the authority may vouch for, with all below them.
const DOMAINS: [&str; 4] = ["localhost", "tim.qq.com", "im.qcloud.com", "my-imcloud.com"];

/// The names that the server has (wire §1.4), besides its addresses.
const NAMES: [&str; 4] = [
    "localhost",
    "console.tim.qq.com",
    "*.im.qcloud.com",
    "*.my-imcloud.com",
];

/// What the names of the regions outside China end in (wire §1.4).
const REGIONS: [&str; 7] = ["sgp", "kr", "jpn", "ger", "usa", "idn", "ind"];

/// A server certificate with its authority.
pub(crate) struct LocalTls {
    pub(crate) certificate: Certificate,
    ca_path: PathBuf,
    /// Whether this start made the authority.
    is_new: bool,
}

impl LocalTls {
    /// Opens the authority in the data directory, or makes it, and issues a server certificate. To be
    /// called with the store open, whose lock keeps other processes out.
    pub(crate) fn open(data_dir: &Path, now: UnixSeconds) -> anyhow::Result<Self> {
        let data_dir =
            std::path::absolute(data_dir).context("cannot tell the working directory")?;
        let dir = data_dir.join("tls");
        let (ca_path, key_path) = (dir.join("ca.pem"), dir.join("ca.key"));
        let is_new = !exists(&ca_path)? && !exists(&key_path)?;
        if is_new {
            make_ca(&data_dir, &dir, now)
                .with_context(|| format!("cannot make the local CA in {}", dir.display()))?;
        }
        let advice = || {
            format!(
                "delete {} and {}, and the next start makes a new CA, which clients have to be told \
                 to trust",
                ca_path.display(),
                key_path.display()
            )
        };
        let (issuer, ca_ends) = read_ca(&ca_path, &key_path)
            .with_context(|| format!("cannot use the local CA; {}", advice()))?;
        if ca_ends < now.plus(CA_LEAST_LEFT_S) {
            bail!("the local CA ends at {ca_ends}; {}", advice());
        }
        let certificate = issue(&issuer, now, ca_ends)
            .with_context(|| format!("cannot issue a certificate; {}", advice()))?;
        Ok(Self {
            certificate,
            ca_path,
            is_new,
        })
    }

    /// Where the authority's certificate is.
    pub(crate) fn ca_path(&self) -> &Path {
        &self.ca_path
    }

    /// One line on the authority.
    pub(crate) fn note(&self) -> String {
        let path = self.ca_path.display();
        if self.is_new {
            return format!("{path} (new; clients have to be told to trust it, as below)");
        }
        format!("{path} (kept from before)")
    }

    /// How clients come to trust the authority, and how those come to `base`, where this machine
    /// reaches the server, that know only the names of the real service.
    pub(crate) fn advice(&self, base: &str) -> String {
        let ca = shell_quoted(&self.ca_path.to_string_lossy());
        let here = base.trim_start_matches("https://");
        format!(
            "Clients trust it once they know the local CA. It can vouch for this machine and for the
names of Tencent's account API only, so that to trust it is no great risk:

  curl             --cacert {ca}
  Python requests  REQUESTS_CA_BUNDLE={ca}
  Node             NODE_EXTRA_CA_CERTS={ca}
  Go, OpenSSL      SSL_CERT_FILE={ca}
  Java             keytool -importcert -cacerts -alias muster-dev -file {ca}
  all of Debian    sudo cp {ca} /usr/local/share/ca-certificates/muster-dev.crt
                   sudo update-ca-certificates

REQUESTS_CA_BUNDLE and SSL_CERT_FILE take the place of all other authorities: for a client that calls
other services too, put both into one file.

Clients that insist on https://console.tim.qq.com come here by one of these:

  curl             --connect-to ::{here}
  HTTPS_PROXY      a proxy that leads CONNECT console.tim.qq.com:443 to {here}
  /etc/hosts       the line below, and `muster dev --tls --listen 127.0.0.1:443` (which may need root)

127.0.0.1 {}

",
            host_names().join(" ")
        )
    }
}

/// Every name of the real service (wire §1.4).
fn host_names() -> Vec<String> {
    let mut names = vec![
        "console.tim.qq.com".to_owned(),
        "adminapi.my-imcloud.com".to_owned(),
    ];
    for domain in ["im.qcloud.com", "my-imcloud.com"] {
        names.extend(REGIONS.map(|region| format!("adminapi{region}.{domain}")));
    }
    names
}

fn exists(path: &Path) -> anyhow::Result<bool> {
    let exists = path.try_exists();
    exists.with_context(|| format!("cannot look for {}", path.display()))
}

/// Makes the directory with both files in it aside and renames it: after a crash at any moment it is
/// there whole, or not at all.
fn make_ca(data_dir: &Path, dir: &Path, now: UnixSeconds) -> anyhow::Result<()> {
    let mut random = [0; 4];
    getrandom::fill(&mut random)
        .map_err(|error| anyhow!("the operating system gives no random bytes: {error}"))?;
    let key = KeyPair::generate().context("cannot make a key")?;
    let certificate = ca_params(u32::from_be_bytes(random), now)
        .self_signed(&key)
        .context("cannot sign")?;

    let unfinished = data_dir.join("tls.new");
    match fs::remove_dir_all(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    DirBuilder::new().mode(0o700).create(&unfinished)?;
    write_new(&unfinished.join("ca.key"), 0o600, &key.serialize_pem())?;
    write_new(&unfinished.join("ca.pem"), 0o644, &certificate.pem())?;
    File::open(&unfinished)?.sync_all()?;
    // Also over an empty directory, of which someone has deleted both files.
    fs::rename(&unfinished, dir)?;
    File::open(data_dir)?.sync_all()?;
    Ok(())
}

fn write_new(path: &Path, mode: u32, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// The name has a number, for tools find an authority by its name, and each data directory has one.
fn ca_params(number: u32, now: UnixSeconds) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    let name = format!("muster dev CA {number:08x}");
    params.distinguished_name.push(DnType::CommonName, name);
    set_validity(&mut params, now, now.plus(CA_VALIDITY_S));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let domains = DOMAINS.map(|name| GeneralSubtree::DnsName(name.to_owned()));
    let addresses = [
        CidrSubnet::from_v4_prefix([127, 0, 0, 0], 8),
        CidrSubnet::from_addr_prefix(Ipv6Addr::LOCALHOST.into(), 128),
    ];
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: domains
            .into_iter()
            .chain(addresses.map(GeneralSubtree::IpAddress))
            .collect(),
        excluded_subtrees: Vec::new(),
    });
    params
}

/// The authority, and the last moment of its validity.
fn read_ca(
    ca_path: &Path,
    key_path: &Path,
) -> anyhow::Result<(Issuer<'static, KeyPair>, UnixSeconds)> {
    let read = |path: &Path| {
        let text = fs::read_to_string(path);
        text.with_context(|| format!("cannot read {}", path.display()))
    };
    let (certificate, key) = (read(ca_path)?, read(key_path)?);
    // Judges whether they belong together.
    let pair = Certificate::from_pem(certificate.as_bytes(), key.as_bytes())?;
    let key = KeyPair::from_pem(&key).context("cannot read the key")?;
    let issuer = Issuer::from_ca_cert_pem(&certificate, key);
    Ok((issuer.context("cannot read the certificate")?, pair.ends()))
}

fn issue(
    issuer: &Issuer<'static, KeyPair>,
    now: UnixSeconds,
    ca_ends: UnixSeconds,
) -> anyhow::Result<Certificate> {
    let mut params = CertificateParams::new(NAMES.map(str::to_owned))?;
    let addresses: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    let addresses = addresses.map(SanType::IpAddress);
    params.subject_alt_names.extend(addresses);
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "muster dev");
    let ends = now.plus(SERVER_VALIDITY_S - CLOCK_SLACK_S).min(ca_ends);
    set_validity(&mut params, now, ends);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, issuer)?;
    let key = key
        .serialize_der()
        .try_into()
        .map_err(|error| anyhow!("{error}"))?;
    Ok(Certificate::from_der(vec![certificate.der().clone()], key)?)
}

fn set_validity(params: &mut CertificateParams, now: UnixSeconds, ends: UnixSeconds) {
    let second = |s| date_time_ymd(1970, 1, 1) + Duration::from_secs(s);
    params.not_before = second(now.0.saturating_sub(CLOCK_SLACK_S));
    params.not_after = second(ends.0);
}
