//! The engine's manifests and tables, looked over before the engine reads them.
//!
//! A keyspace's directory has a file `current`, which names a manifest `v<number>` and its checksum;
//! the manifest names the tables and their checksums. fjall looks at neither checksum. It deletes
//! every table that the manifest it reads does not name, and every keyspace without `current`; so one
//! wrong bit would cost accounts without a word.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use xxhash_rust::xxh3::Xxh3;

use crate::damage::FileError;

/// What the file `version` holds, by which fjall knows a store from a place for a new one.
const FORMAT: &[u8] = b"FJL\x03";

/// The keyspace in which fjall keeps the names and settings of all others.
const NAMES: &str = "0";

/// The only kind of checksum there is.
const XXH3: u8 = 0;

/// Looks over all keyspaces of a store. Changes nothing.
pub(crate) fn check(store: &Path) -> Result<(), FileError> {
    let version = store.join("version");
    if fs::read(&version).map_err(FileError::io(&version))? != FORMAT {
        let what = "it does not name the format that this version of muster reads";
        return Err(FileError::damaged(&version, what));
    }
    // The engine does not open a store without it.
    let lock = store.join("lock");
    fs::metadata(&lock).map_err(FileError::io(&lock))?;
    let keyspaces = store.join("keyspaces");
    // It names the others, and the engine deletes those that it does not.
    check_keyspace(&keyspaces.join(NAMES))?;
    for entry in fs::read_dir(&keyspaces).map_err(FileError::io(&keyspaces))? {
        let keyspace = entry.map_err(FileError::io(&keyspaces))?.path();
        if keyspace.is_dir() && !keyspace.ends_with(NAMES) {
            check_keyspace(&keyspace)?;
        }
    }
    Ok(())
}

fn check_keyspace(keyspace: &Path) -> Result<(), FileError> {
    let current = keyspace.join("current");
    let bytes = fs::read(&current).map_err(FileError::io(&current))?;
    let named = named_manifest(&bytes);
    let (version, expected) =
        named.ok_or_else(|| FileError::damaged(&current, "it does not name a manifest"))?;
    let manifest = keyspace.join(format!("v{version}"));
    match checksum_of(&manifest) {
        Ok(found) if found == expected => {}
        Ok(_) => {
            let what = format!("its checksum is not the one in {}", current.display());
            return Err(FileError::damaged(&manifest, what));
        }
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            let what = format!("it names {}, which is not there", manifest.display());
            return Err(FileError::damaged(&current, what));
        }
        Err(cause) => return Err(FileError::io(&manifest)(cause)),
    }
    check_tables(keyspace, &manifest)
}

fn check_tables(keyspace: &Path, manifest: &Path) -> Result<(), FileError> {
    let unreadable = || FileError::damaged(manifest, "its list of tables does not read");
    let reader = sfa::Reader::new(manifest).map_err(|_| unreadable())?;
    let section = reader.toc().section(b"tables").ok_or_else(unreadable)?;
    let mut list = Vec::new();
    let section = section.buf_reader(manifest);
    section
        .and_then(|mut section| section.read_to_end(&mut list))
        .map_err(FileError::io(manifest))?;
    for (table, expected) in tables(&list).ok_or_else(unreadable)? {
        let table = keyspace.join(format!("tables/{table}"));
        if checksum_of(&table).map_err(FileError::io(&table))? != expected {
            let what = format!("its checksum is not the one in {}", manifest.display());
            return Err(FileError::damaged(&table, what));
        }
    }
    Ok(())
}

/// Number and checksum of each table: `u8` levels, in each `u8` runs, in each `u32` tables, of each
/// `u64` number, checksum, `u64` sequence number.
fn tables(mut list: &[u8]) -> Option<Vec<(u64, u128)>> {
    let mut tables = Vec::new();
    let list = &mut list;
    for _level in 0..byte(list)? {
        for _run in 0..byte(list)? {
            for _table in 0..u32::from_le_bytes(take(list)?) {
                tables.push((number(list)?, checksum(list)?));
                let _sequence = number(list)?;
            }
        }
    }
    Some(tables)
}

/// Number and checksum of the manifest that `current` names: `u64`, `u128`, `u8` kind of checksum.
fn named_manifest(mut bytes: &[u8]) -> Option<(u64, u128)> {
    let bytes = &mut bytes;
    let named = (number(bytes)?, u128::from_le_bytes(take(bytes)?));
    (byte(bytes)? == XXH3 && bytes.is_empty()).then_some(named)
}

/// `u8` kind, `u128`.
fn checksum(list: &mut &[u8]) -> Option<u128> {
    let kind = byte(list)?;
    let checksum = u128::from_le_bytes(take(list)?);
    (kind == XXH3).then_some(checksum)
}

fn number(list: &mut &[u8]) -> Option<u64> {
    take(list).map(u64::from_le_bytes)
}

fn byte(list: &mut &[u8]) -> Option<u8> {
    take(list).map(|[byte]| byte)
}

fn take<const N: usize>(list: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = list.split_first_chunk()?;
    *list = rest;
    Some(*taken)
}

fn checksum_of(file: &Path) -> io::Result<u128> {
    let mut file = File::open(file)?;
    let mut hash = Xxh3::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.digest128()),
            n => hash.update(&buffer[..n]),
        }
    }
}
