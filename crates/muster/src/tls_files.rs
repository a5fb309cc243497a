//! The certificate that the settings `tls_cert` and `tls_key` name: read at the start, and again when
//! the files change or SIGHUP says so.
//!
//! The files are looked at every second rather than watched: certificates are replaced by renaming
//! files, by turning links, or by mounting anew, and a look at what a path leads to sees all of that.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, anyhow, ensure};
use muster_server::{Certificate, CertificateError, Clock, Tls};
use tokio::{
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};
use tracing::{error, info, warn};

use crate::{config::Source, signals::ReloadSignal};

/// Both files are some thousand bytes.
const FILE_LIMIT_BYTES: u64 = 1024 * 1024;

/// How often the files are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Where the certificate and its key are, and which settings say so.
#[derive(Clone, Debug)]
pub(crate) struct TlsFiles {
    pub(crate) cert: PathBuf,
    pub(crate) cert_source: Source,
    pub(crate) key: PathBuf,
    pub(crate) key_source: Source,
}

/// What both paths led to at one moment; `None` where there was nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look([Option<FileState>; 2]);

/// Changes with the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileState {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl TlsFiles {
    /// Reads the pair. The look at the files is from before that.
    pub(crate) fn read(&self) -> anyhow::Result<(Certificate, Look)> {
        let look = self.look();
        let named_cert = || format!("tls_cert ({}): {}", self.cert_source, self.cert.display());
        let named_key = || format!("tls_key ({}): {}", self.key_source, self.key.display());
        let chain = read_file(&self.cert).with_context(named_cert)?;
        let key = read_file(&self.key).with_context(named_key)?;
        let certificate = Certificate::from_pem(&chain, &key).map_err(|error| {
            let named = match error {
                CertificateError::NoCertificate | CertificateError::Certificate(_) => named_cert(),
                CertificateError::NoKey | CertificateError::Key(_) => named_key(),
                CertificateError::Mismatch => format!("{}, {}", named_cert(), named_key()),
            };
            anyhow!("{named}: {error}")
        })?;
        let now = Clock::system().now();
        let (begins, ends) = (certificate.begins(), certificate.ends());
        if now > ends {
            warn!(%ends, "the certificate of tls_cert has ended; clients refuse it");
        }
        if now < begins {
            warn!(%begins, "the certificate of tls_cert is not valid yet; clients refuse it");
        }
        Ok((certificate, look))
    }

    /// Warns if everyone on this machine can take the key.
    pub(crate) fn warn_of_open_key(&self) {
        let Ok(found) = fs::metadata(&self.key) else {
            return;
        };
        let mode = found.permissions().mode() & 0o777;
        if mode & 0o004 != 0 {
            warn!(
                tls_key = %self.key.display(),
                mode = format_args!("{mode:03o}"),
                "every user of this machine may read the private key; chmod 600 it"
            );
        }
    }

    fn look(&self) -> Look {
        Look([&self.cert, &self.key].map(|path| FileState::of(path).ok()))
    }

    /// Lets `tls` show what the files hold from now on, for ever.
    pub(crate) async fn keep_shown(self, tls: Tls, shown: Look, mut reload: ReloadSignal) {
        let mut looks = interval(LOOK_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut follows = Follows {
            read: shown,
            last: shown,
        };
        loop {
            let told = tokio::select! {
                () = reload.told() => true,
                _ = looks.tick() => false,
            };
            let files = self.clone();
            // The disk may keep a thread waiting, which is not to be one that serves.
            let found = spawn_blocking(move || follows.next(&files, told)).await;
            match found {
                Ok((now, found)) => {
                    follows = now;
                    show(&tls, found);
                }
                Err(error) => error!(%error, "looking at the files of the certificate panicked"),
            }
        }
    }
}

/// Which state of the files was read last, and which was seen last.
#[derive(Clone, Copy)]
struct Follows {
    read: Look,
    last: Look,
}

impl Follows {
    /// Reads the files if that is asked for, or if they have changed and then stayed as they were
    /// for one interval: whoever replaces both is not caught in the middle.
    fn next(self, files: &TlsFiles, told: bool) -> (Self, Option<anyhow::Result<Certificate>>) {
        let look = files.look();
        let settled = look == self.last && look != self.read;
        if !told && !settled {
            return (Self { last: look, ..self }, None);
        }
        let read = Self {
            read: look,
            last: look,
        };
        (read, Some(files.read().map(|(certificate, _)| certificate)))
    }
}

fn show(tls: &Tls, found: Option<anyhow::Result<Certificate>>) {
    match found {
        None => {}
        Some(Ok(certificate)) => {
            info!(
                ends = %certificate.ends(),
                "read the certificate again; new connections are shown it"
            );
            tls.replace(certificate);
        }
        Some(Err(error)) => error!(
            error = format_args!("{error:#}"),
            "cannot use the new certificate; the old one stays in use"
        ),
    }
}

impl FileState {
    /// Of the file that the path leads to, through any links.
    fn of(path: &Path) -> io::Result<Self> {
        let found = fs::metadata(path)?;
        Ok(Self {
            device: found.dev(),
            inode: found.ino(),
            bytes: found.len(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    }
}

fn read_file(path: &Path) -> anyhow::Result<Vec<u8>> {
    let file = File::open(path).context("cannot open it")?;
    let mut bytes = Vec::new();
    file.take(FILE_LIMIT_BYTES + 1)
        .read_to_end(&mut bytes)
        .context("cannot read it")?;
    ensure!(
        bytes.len() as u64 <= FILE_LIMIT_BYTES,
        "it is longer than {FILE_LIMIT_BYTES} bytes, which no certificate or key is"
    );
    Ok(bytes)
}
