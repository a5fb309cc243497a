//! Where a copy comes from and where it goes: a data directory or a database.

use std::{
    fmt,
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, bail, ensure};
use muster_accounts::Transfer;
use muster_store_local::LocalStore;
use muster_store_postgres::{Options, PostgresStore};

use crate::{config::Source as SettingSource, data_dir};

/// What the servers have their password in, too.
const PASSWORD: &str = "MUSTER_STORE_PASSWORD";

pub(super) enum Place {
    Directory(PathBuf),
    Database(Box<Options>),
}

impl Place {
    pub(super) fn parse(text: &str, password_file: Option<PathBuf>) -> anyhow::Result<Self> {
        let is_url = ["postgres://", "postgresql://"]
            .iter()
            .any(|scheme| text.starts_with(scheme));
        if !is_url {
            ensure!(
                !text.is_empty(),
                "name a directory, or a database by its URL"
            );
            ensure!(password_file.is_none(), "a data directory has no password");
            return Ok(Self::Directory(text.into()));
        }
        let mut options = Options::parse(text)?;
        ensure!(
            !options.has_password(),
            "leave the password out, for other users of this machine can read the command line; give it \
             as {PASSWORD} or in a file"
        );
        let password = match password_file {
            Some(path) => {
                let text = fs::read_to_string(&path)
                    .with_context(|| format!("cannot read the password in {}", path.display()))?;
                Some(text.trim_end_matches(['\r', '\n']).to_owned())
            }
            None => std::env::var(PASSWORD).ok().filter(|text| !text.is_empty()),
        };
        if let Some(password) = password {
            options.password(&password);
        }
        Ok(Self::Database(options.into()))
    }

    /// Whether both are the same, as far as their names tell.
    pub(super) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Directory(one), Self::Directory(two)) => {
                one == two
                    || fs::canonicalize(one)
                        .is_ok_and(|one| fs::canonicalize(two).is_ok_and(|two| one == two))
            }
            (Self::Database(one), Self::Database(two)) => one.to_string() == two.to_string(),
            _ => false,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(dir) => dir.display().fmt(f),
            Self::Database(options) => options.fmt(f),
        }
    }
}

/// What is copied.
pub(super) struct Source {
    store: Arc<dyn Transfer>,
    shown: String,
}

impl Source {
    pub(super) async fn open(place: &Place) -> anyhow::Result<Self> {
        if let Place::Directory(dir) = place {
            let is_there = dir.join("store").is_dir();
            ensure!(is_there, "{} is no data directory of muster", dir.display());
        }
        Ok(Self {
            store: open(place).await?,
            shown: place.to_string(),
        })
    }

    pub(super) fn store(&self) -> &dyn Transfer {
        &*self.store
    }

    pub(super) fn place(&self) -> &str {
        &self.shown
    }

    pub(super) async fn close(self) -> anyhow::Result<()> {
        let closed = self.store.close().await;
        closed.with_context(|| format!("cannot close {}", self.shown))
    }
}

/// What is filled. A directory has another name until it is whole.
pub(super) struct Target {
    store: Arc<dyn Transfer>,
    shown: String,
    /// The name that it has, and the one that it gets.
    unnamed: Option<(PathBuf, PathBuf)>,
}

impl Target {
    pub(super) async fn open(place: &Place) -> anyhow::Result<Self> {
        if let Place::Directory(dir) = place {
            let is_other = dir.exists() && !dir.is_dir();
            ensure!(!is_other, "{} is a file; name a directory", dir.display());
        }
        let mut opened = match place {
            // It was whole at the end of an earlier copy, or it is none.
            Place::Directory(dir) if !data_dir::is_new(dir) => {
                let is_store = dir.join("store").is_dir();
                ensure!(
                    is_store,
                    "{} is there and is no data directory of muster; name one that is new",
                    dir.display()
                );
                Place::Directory(dir.clone())
            }
            Place::Directory(dir) => {
                let partial = partial(dir)?;
                data_dir::prepare(&partial, &SettingSource::Flag("--to"))?;
                Place::Directory(partial)
            }
            Place::Database(options) => Place::Database(options.clone()),
        };
        if let Place::Database(options) = &mut opened {
            options.for_filling();
        }
        let unnamed = match (place, &opened) {
            (Place::Directory(dir), Place::Directory(now)) if now != dir => {
                Some((now.clone(), dir.clone()))
            }
            _ => None,
        };
        Ok(Self {
            store: open(&opened).await?,
            shown: opened.to_string(),
            unnamed,
        })
    }

    pub(super) fn store(&self) -> &dyn Transfer {
        &*self.store
    }

    pub(super) fn place(&self) -> &str {
        &self.shown
    }

    pub(super) async fn begin(&self) -> anyhow::Result<()> {
        let begun = self.store.begin_filling().await;
        begun.with_context(|| self.shown.clone())
    }

    /// Closes it, and gives it its name.
    pub(super) async fn end(self) -> anyhow::Result<()> {
        let ended = async {
            self.store.end_filling().await?;
            self.store.close().await
        };
        ended.await.with_context(|| self.shown.clone())?;
        drop(self.store);
        if let Some((now, then)) = self.unnamed {
            name(&now, &then)
                .with_context(|| format!("cannot rename {} {}", now.display(), then.display()))?;
        }
        Ok(())
    }
}

async fn open(place: &Place) -> anyhow::Result<Arc<dyn Transfer>> {
    Ok(match place {
        Place::Directory(dir) => Arc::new(LocalStore::open(dir)?),
        Place::Database(options) => {
            let opened = PostgresStore::open(options).await;
            Arc::new(opened.with_context(|| options.to_string())?)
        }
    })
}

fn partial(dir: &Path) -> anyhow::Result<PathBuf> {
    let Some(name) = dir.file_name() else {
        bail!("{} has no name of its own", dir.display());
    };
    let mut name = name.to_owned();
    name.push(".partial");
    Ok(dir.with_file_name(name))
}

/// Durably. What it replaces is an empty directory or nothing.
fn name(now: &Path, then: &Path) -> std::io::Result<()> {
    fs::rename(now, then)?;
    let parent = then.parent().filter(|parent| *parent != Path::new(""));
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}
