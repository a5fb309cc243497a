//! The PostgreSQL that is installed.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Where Debian puts the programs of each version.
const VERSIONS: &str = "/usr/lib/postgresql";

/// The directory with the programs of the newest version that Debian has installed.
pub fn newest() -> Option<PathBuf> {
    newest_of(Path::new(VERSIONS))
}

fn newest_of(versions: &Path) -> Option<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(versions).ok()?.flatten() {
        let version: Option<u32> = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        let bin = entry.path().join("bin");
        let has = |program: &str| bin.join(program).is_file();
        if let Some(version) = version
            && has("initdb")
            && has("postgres")
        {
            found.push((version, bin));
        }
    }
    found.into_iter().max().map(|(_, bin)| bin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_that_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(newest_of(&dir.path().join("missing")), None);
        assert_eq!(newest_of(dir.path()), None);
        for (version, programs) in [
            ("9", &["initdb", "postgres"][..]),
            ("10", &["initdb", "postgres"]),
            ("15", &["initdb", "postgres"]),
            ("14", &["initdb", "postgres"]),
            ("16", &["postgres"]),
            ("17", &["psql"]),
            ("common", &["initdb", "postgres"]),
        ] {
            let bin = dir.path().join(version).join("bin");
            fs::create_dir_all(&bin).unwrap();
            for program in programs {
                fs::write(bin.join(program), "").unwrap();
            }
        }
        assert_eq!(newest_of(dir.path()), Some(dir.path().join("15/bin")));
    }
}
