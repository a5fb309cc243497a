//! The ways through two stores: what of the one is in the other, what is missing, and whether in the end
//! they are the same. Each goes through the records in the order of their ids, a page at a time.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail, ensure};
use muster_accounts::{App, InternalId, Record, SdkAppId, Transfer, transfer::RecordReader};

use super::progress::Progress;

/// Records at a time: some megabytes, and one sync or one transaction.
const PAGE: usize = 5000;

/// How far the target is.
pub(super) struct Standing {
    /// Of each app that it has, the last id.
    last_ids: BTreeMap<SdkAppId, Option<InternalId>>,
    /// All of its records.
    pub(super) records: u64,
}

/// Looks how far the target is, and refuses one that is not the first part of the source.
pub(super) async fn standing(
    source: &dyn Transfer,
    target: &dyn Transfer,
) -> anyhow::Result<Standing> {
    let mut standing = Standing {
        last_ids: BTreeMap::new(),
        records: 0,
    };
    for app in target.apps().await? {
        let sdkappid = app.sdkappid;
        match source.app(sdkappid).await? {
            None => bail!("it holds the app {sdkappid}, which is not in the source"),
            Some(of_source) => same_app(&of_source, &app)?,
        }
        let mut ours = source.records(sdkappid, None).await?;
        let mut theirs = target.records(sdkappid, None).await?;
        let mut last_id = None;
        loop {
            let there = theirs.next(PAGE).await?;
            let Some(last) = there.last() else {
                break;
            };
            last_id = Some(last.internal_id());
            let here = ours.next(there.len()).await?;
            same_records(sdkappid, &here, &there)?;
            standing.records += there.len() as u64;
        }
        standing.last_ids.insert(sdkappid, last_id);
    }
    Ok(standing)
}

/// Puts into the target what is missing.
pub(super) async fn copy(
    source: &dyn Transfer,
    target: &dyn Transfer,
    standing: Standing,
    progress: &Progress,
) -> anyhow::Result<()> {
    for app in source.apps().await? {
        let sdkappid = app.sdkappid;
        let last_id = standing.last_ids.get(&sdkappid);
        if last_id.is_none() {
            target.put_app(App::clone(&app)).await?;
        }
        let after = last_id.copied().flatten();
        let mut reader = source.records(sdkappid, after).await?;
        let mut page = reader.next(PAGE).await?;
        while !page.is_empty() {
            let records = page.len() as u64;
            // The next is read while this one is written.
            let (next, put) = tokio::join!(reader.next(PAGE), target.put_records(sdkappid, page));
            put?;
            progress.add(records);
            page = next?;
        }
    }
    Ok(())
}

/// What both hold.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) apps: usize,
    pub(super) accounts: u64,
    pub(super) deleted: u64,
}

/// Compares all that both hold.
pub(super) async fn verify(
    source: &dyn Transfer,
    target: &dyn Transfer,
    progress: &Progress,
) -> anyhow::Result<Counts> {
    let (here, there) = (source.apps().await?, target.apps().await?);
    for app in &here {
        let found = target.app(app.sdkappid).await?;
        let found = found.with_context(|| format!("the app {} is missing", app.sdkappid))?;
        same_app(app, &found)?;
    }
    ensure!(
        here.len() == there.len(),
        "it has {} apps, not {}",
        there.len(),
        here.len()
    );
    let mut counts = Counts {
        apps: here.len(),
        ..Counts::default()
    };
    for app in here {
        let sdkappid = app.sdkappid;
        let mut ours = source.records(sdkappid, None).await?;
        let mut theirs = target.records(sdkappid, None).await?;
        loop {
            let (here, there) = pages(&mut *ours, &mut *theirs).await?;
            same_records(sdkappid, &here, &there)?;
            if here.is_empty() {
                break;
            }
            for record in &here {
                match record {
                    Record::Account(_) => counts.accounts += 1,
                    Record::Deleted(_) => counts.deleted += 1,
                }
            }
            progress.add(here.len() as u64);
        }
    }
    Ok(counts)
}

async fn pages(
    ours: &mut dyn RecordReader,
    theirs: &mut dyn RecordReader,
) -> anyhow::Result<(Vec<Record>, Vec<Record>)> {
    let (here, there) = tokio::join!(ours.next(PAGE), theirs.next(PAGE));
    Ok((here?, there?))
}

fn same_app(here: &App, there: &App) -> anyhow::Result<()> {
    ensure!(
        here == there,
        "the app {} is another one there, or has other keys, admins or settings",
        here.sdkappid
    );
    Ok(())
}

/// Names the first record that differs.
fn same_records(app: SdkAppId, here: &[Record], there: &[Record]) -> anyhow::Result<()> {
    if here == there {
        return Ok(());
    }
    let both = here.iter().zip(there);
    let same = both.take_while(|(here, there)| here == there).count();
    let named = |record: &Record| {
        let (user_id, internal_id) = (record.user_id(), record.internal_id());
        format!("user {user_id:?} (internal id {internal_id}) of the app {app}")
    };
    match (here.get(same), there.get(same)) {
        (Some(here), Some(there)) if here.internal_id() == there.internal_id() => {
            bail!("{} differs from the source", named(there))
        }
        (Some(here), Some(there)) if here.internal_id() < there.internal_id() => {
            bail!("{} is missing", named(here))
        }
        (_, Some(there)) => bail!("it holds {}, who is not in the source", named(there)),
        (Some(here), None) => bail!("{} is missing", named(here)),
        (None, None) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use muster_accounts::{
        AccountStore as _, Edition, NewApp, Nick, UnixSeconds, UserId,
        rules::import::{ImportEntry, ImportRequest},
    };
    use muster_store_local::LocalStore;
    use muster_usersig::SecretKey;

    use super::*;

    const APP: SdkAppId = SdkAppId(7);

    /// A store with an app of this key, and users with these nicknames.
    async fn store(key: u8, users: &[(&str, &str)]) -> (LocalStore, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let store = LocalStore::open(dir.path()).unwrap();
        let new = NewApp {
            sdkappid: APP,
            edition: Edition::Developer,
            key: SecretKey::from_random([key; 32]),
        };
        store.create_app(new, UnixSeconds(5)).await.unwrap();
        for (name, nick) in users {
            let entry = ImportEntry {
                position: 0,
                user_id: UserId::parse(name).unwrap(),
                nick: Some(Nick::parse((*nick).into()).unwrap()),
                face_url: None,
            };
            let request = ImportRequest::new(vec![entry]);
            store.import(APP, request, UnixSeconds(5)).await.unwrap();
        }
        (store, dir)
    }

    /// Whatever a fault of muster or of a database has made of the copy is found and named.
    #[tokio::test]
    async fn a_copy_that_differs_is_told() {
        let (source, _dir) = store(1, &[("ann", "A"), ("bob", "B")]).await;
        for (key, users, told) in [
            (1, &[("ann", "A"), ("bob", "B")][..], None),
            (
                1,
                &[("ann", "A")],
                Some("user \"bob\" (internal id 144115188075855875) of the app 7 is missing"),
            ),
            (1, &[("ann", "A"), ("bob", "b")], Some("user \"bob\"")),
            (
                1,
                &[("ann", "A"), ("bob", "B"), ("cho", "C")],
                Some("it holds user \"cho\""),
            ),
            (
                2,
                &[("ann", "A"), ("bob", "B")],
                Some("the app 7 is another one there"),
            ),
        ] {
            let (target, _dir) = store(key, users).await;
            let progress = Progress::start("verify", 0);
            let verified = verify(&source, &target, &progress).await;
            match (verified, told) {
                (Ok(counts), None) => assert_eq!((counts.accounts, counts.deleted), (3, 0)),
                (Err(error), Some(told)) => assert!(error.to_string().contains(told), "{error}"),
                (Ok(_), Some(told)) => panic!("not found: {told}"),
                (Err(error), None) => panic!("{error}"),
            }
        }
        let dir = tempfile::tempdir().unwrap();
        let empty = LocalStore::open(dir.path()).unwrap();
        for (here, there, told) in [
            (&source, &empty, "the app 7 is missing"),
            (&empty, &source, "it has 1 apps, not 0"),
        ] {
            let progress = Progress::start("verify", 0);
            let error = verify(here, there, &progress).await.err().unwrap();
            assert!(error.to_string().contains(told), "{error}");
        }
    }
}
