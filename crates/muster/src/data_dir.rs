//! The data directory, and the one file in it that is muster's own: `operator.token`. The rest is
//! the store's.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, anyhow, bail};
use muster_server::OperatorToken;
use rustix::fs::Access;
use tracing::warn;

use crate::config::Source;

/// Makes the directory if it is not there, for its owner only. Returns whether it was made.
///
/// `source` is where its name came from, for errors.
pub(crate) fn prepare(dir: &Path, source: &Source) -> anyhow::Result<bool> {
    let shown = dir.display();
    let cannot_use = || {
        let named_by = named_by(source);
        format!("cannot use the data directory {shown} ({named_by})")
    };
    match fs::metadata(dir) {
        Ok(found) if !found.is_dir() => bail!(
            "the data directory {shown} is a file; name a directory ({})",
            named_by(source)
        ),
        Ok(found) => {
            let access = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
            rustix::fs::access(dir, access).with_context(cannot_use)?;
            let mode = found.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                warn!(
                    data_dir = %shown,
                    mode = format_args!("{mode:03o}"),
                    "other users may enter the data directory, which holds secret keys; chmod 700 it"
                );
            }
            Ok(false)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
            made.with_context(|| {
                format!(
                    "cannot make the data directory {shown} ({})",
                    named_by(source)
                )
            })?;
            Ok(true)
        }
        Err(error) => Err(error).with_context(cannot_use),
    }
}

/// Whether nothing is there yet: no directory, or an empty one.
pub(crate) fn is_new(dir: &Path) -> bool {
    fs::read_dir(dir).map_or(true, |mut entries| entries.next().is_none())
}

fn named_by(source: &Source) -> String {
    match source {
        Source::Default => "the default; choose another with --data-dir".to_owned(),
        source => format!("named by {source}"),
    }
}

/// Where the operator token is kept.
pub(crate) fn token_path(dir: &Path) -> PathBuf {
    dir.join("operator.token")
}

/// The token of this data directory; the first time it is made. To be called with the store open,
/// whose lock keeps other processes out.
pub(crate) fn token_or_new(dir: &Path) -> anyhow::Result<OperatorToken> {
    if let Some(token) = read_token(&token_path(dir))? {
        return Ok(token);
    }
    let mut random = [0; 32];
    getrandom::fill(&mut random)
        .map_err(|error| anyhow!("the operating system gives no random bytes: {error}"))?;
    let token = OperatorToken::from_random(random);
    let path = token_path(dir);
    write_whole(&path, &format!("{}\n", token.as_str()))
        .with_context(|| format!("cannot write the operator token to {}", path.display()))?;
    Ok(token)
}

/// The token in a file, `None` if there is no file.
pub(crate) fn read_token(path: &Path) -> anyhow::Result<Option<OperatorToken>> {
    let shown = path.display();
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(error)
                .with_context(|| format!("cannot read the operator token in {shown}"));
        }
    };
    let token = OperatorToken::new(text.trim_end().to_owned());
    token.map(Some).with_context(|| {
        format!("{shown} holds no operator token (delete it, and the server makes one at its next start)")
    })
}

/// Writes a file for its owner only. After a crash at any moment it is there whole, or not at all.
fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let unfinished = path.with_extension("token.new");
    // What a crash left behind.
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    let dir = path.parent().expect("the file is in the data directory");
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_made_once_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        // A crash while it was written: half a token.
        fs::write(dir.path().join("operator.token.new"), "abc").unwrap();
        let first = token_or_new(dir.path()).unwrap();
        let mode = fs::metadata(token_path(dir.path()))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let second = token_or_new(dir.path()).unwrap();
        assert_eq!(first.as_str(), second.as_str());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_broken_token_is_named_and_not_shown() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(token_path(dir.path()), "sh0rt\n").unwrap();
        let error = format!("{:#}", token_or_new(dir.path()).unwrap_err());
        assert!(
            error.contains("operator.token holds no operator token"),
            "{error}"
        );
        assert!(!error.contains("sh0rt"), "{error}");
    }

    #[test]
    fn directories() {
        let dir = tempfile::tempdir().unwrap();
        let new = dir.path().join("a/b");
        assert!(prepare(&new, &Source::Default).unwrap());
        assert_eq!(
            fs::metadata(&new).unwrap().permissions().mode() & 0o777,
            0o700
        );
        assert!(!prepare(&new, &Source::Default).unwrap());

        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        for path in [&file, &file.join("below")] {
            let error = format!(
                "{:#}",
                prepare(path, &Source::Flag("--data-dir")).unwrap_err()
            );
            assert!(error.contains("named by --data-dir"), "{error}");
            assert!(error.contains(&*path.to_string_lossy()), "{error}");
        }
    }
}
