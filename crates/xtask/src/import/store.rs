//! muster's store by itself: the same accounts, as many a request as a large commit of the server has.

use std::{path::Path, thread, time::Instant};

use anyhow::{Context as _, ensure};
use futures_util::{StreamExt as _, stream};
use muster_accounts::{
    AccountStore as _, Edition, FaceUrl, NewApp, Nick, SdkAppId, UnixSeconds, UserId,
    rules::import::{ImportEntry, ImportRequest},
};
use muster_store_local::LocalStore;
use muster_testkit::{SDKAPPID, sample_key};
use rustix::thread::{CpuSet, sched_setaffinity};
use serde::Serialize;

use super::{
    file::Expected,
    record::{self, Record},
};
use crate::{
    compare::phase::ensure_written,
    figures::{as_f64, number},
    process, tell,
};

/// Accounts of a request.
pub(super) const BATCH: usize = 10_000;

/// How many requests are under way at once.
pub(super) const UNDER_WAY: [usize; 2] = [1, 2];

const APP: SdkAppId = SdkAppId(SDKAPPID);

/// What a run came to.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Figures {
    /// From the first request to the last answer.
    pub(super) records_per_s: f64,
    /// Of this process, which does nothing else.
    pub(super) cpu_us_per_record: f64,
}

/// Imports all good records into a store in `dir`, with so many requests under way.
pub(super) fn measure(
    expected: &Expected,
    under_way: usize,
    core: Option<u16>,
    dir: &Path,
) -> anyhow::Result<Figures> {
    // Written before the time begins to count.
    let requests = requests(expected.records)?;
    let figures = thread::scope(|scope| {
        let run = || run(expected, requests, under_way, core, dir);
        // All threads of the store are started by this one, and have its core.
        scope.spawn(run).join().expect("it does not panic")
    })?;
    tell(format_args!(
        "    the store by itself, {under_way} under way: {} records/s",
        number(figures.records_per_s)
    ));
    Ok(figures)
}

fn requests(records: u64) -> anyhow::Result<Vec<ImportRequest>> {
    let mut requests = Vec::new();
    let mut entries = Vec::with_capacity(BATCH);
    for number in 0..records {
        let Record::Good(good) = record::record(number) else {
            continue;
        };
        let user_id = UserId::parse(&good.user_id())?;
        let said = |text: String| (!text.is_empty()).then_some(text.into());
        entries.push(ImportEntry {
            position: entries.len(),
            user_id,
            nick: said(good.values.nick).map(Nick::parse).transpose()?,
            face_url: said(good.values.face_url).map(FaceUrl::parse).transpose()?,
        });
        if entries.len() == BATCH {
            let full = std::mem::replace(&mut entries, Vec::with_capacity(BATCH));
            requests.push(ImportRequest::new(full));
        }
    }
    requests.push(ImportRequest::new(entries));
    Ok(requests)
}

fn run(
    expected: &Expected,
    requests: Vec<ImportRequest>,
    under_way: usize,
    core: Option<u16>,
    dir: &Path,
) -> anyhow::Result<Figures> {
    if let Some(core) = core {
        let mut cores = CpuSet::new();
        cores.set(core.into());
        sched_setaffinity(None, &cores).context("cannot have a core alone")?;
    }
    let store = LocalStore::open(dir)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let now = UnixSeconds(1_700_000_000);
    runtime.block_on(async {
        let app = NewApp {
            sdkappid: APP,
            edition: Edition::Enterprise,
            key: sample_key(),
        };
        store.create_app(app, now).await?;
        let (begun, cpu_before_s) = (Instant::now(), process::own_cpu_s());
        let import = |request| store.import(APP, request, now);
        let mut imports = stream::iter(requests).map(import).buffered(under_way);
        while let Some(imported) = imports.next().await {
            ensure!(imported?.barred.is_empty(), "users are barred");
        }
        let elapsed_s = begun.elapsed().as_secs_f64();
        let cpu_s = process::own_cpu_s() - cpu_before_s;
        drop(imports);
        // The administrator is no user of the file.
        ensure_written("accounts", store.count(APP).await?, expected.users + 1)?;
        store.close().await?;
        let imported = as_f64(expected.imported);
        Ok(Figures {
            records_per_s: imported / elapsed_s,
            cpu_us_per_record: cpu_s * 1e6 / imported,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::{super::file, *};

    #[test]
    fn a_run_on_a_disk() {
        let dir = tempfile::tempdir().unwrap();
        let expected = file::write(&dir.path().join("users.csv"), 25_000).unwrap();
        let entries: usize = requests(25_000)
            .unwrap()
            .iter()
            .map(|request| request.entries().len())
            .sum();
        // Of a user who is named twice in a request the last entry counts.
        let imported = usize::try_from(expected.imported).unwrap();
        assert!((imported - 25..=imported).contains(&entries), "{entries}");
        let core = crate::machine::cores().unwrap()[0];
        for (under_way, core) in [(1, None), (2, Some(core))] {
            let place = dir.path().join(format!("store-{under_way}"));
            let figures = measure(&expected, under_way, core, &place).unwrap();
            assert!(figures.records_per_s > 0.0 && figures.cpu_us_per_record > 0.0);
        }
    }
}
