//! Reading all records once, when the store is opened, for what is kept in memory of them.
//!
//! The accounts are cut into ranges of internal ids, which all cores read at the same time.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use fjall::{Guard, Readable, Snapshot};
use muster_accounts::{InternalId, SdkAppId, StoreError};

use crate::{
    Planned, Tenant, app_record, block,
    digests::Digests,
    index::{Filling, IDS_LIMIT, Index, Place, UserHasher},
    layout::{Key, KeyBytes},
    open::Engine,
    record::{self, Head, RecordError},
    records::{FOREIGN_KEY, failed, parse_key, unreadable, unreadable_record},
    scan::{Scanned, scan},
};

/// How many internal ids a thread takes at a time.
const RANGE: u64 = 1 << 18;

/// Accounts of an app, by internal id.
struct Range {
    app: SdkAppId,
    first: InternalId,
    /// The last of the range, or one that is not there.
    last: InternalId,
}

/// How many accounts a thread found in the apps: all, and those that count against the cap.
type Counts = BTreeMap<SdkAppId, (u64, u64)>;

/// Rebuilds from the records of a snapshot the index and what the writer plans against.
pub(crate) fn read_in(
    engine: &Engine,
    snapshot: &Snapshot,
    bucket_mask: u64,
) -> Result<(UserHasher, Index, Planned), StoreError> {
    let reader = Reader { engine, snapshot };
    let mut apps = BTreeMap::new();
    let mut ranges = Vec::new();
    let mut last_id = None;
    let mut from = SdkAppId(0);
    while let Some((sdkappid, tenant)) = reader.next_app(from)? {
        apps.insert(sdkappid, tenant);
        if let Some((first, last)) = reader.ids(sdkappid)? {
            ranges.extend(cut(sdkappid, first, last));
            last_id = last_id.max(Some(last));
        }
        match sdkappid.0.checked_add(1) {
            Some(next) => from = SdkAppId(next),
            None => break,
        }
    }

    let hasher = UserHasher::new(&random()?);
    let index = Filling::new(bucket_mask);
    let digests = Digests::new(&random()?, last_id).map_err(|error| {
        StoreError::Failed(format!("the index has no room in memory: {error}").into())
    })?;
    let next = AtomicUsize::new(0);
    let read = || {
        let mut counts = Counts::new();
        let mut index = index.filler();
        while let Some(range) = ranges.get(next.fetch_add(1, Ordering::Relaxed)) {
            reader.accounts(range, &mut counts, |scanned, head| {
                let place = Place {
                    internal_id: scanned.internal_id,
                    in_block: scanned.in_block,
                    is_deleted: head.texts.is_none(),
                };
                index.insert(hasher.hash(range.app, &head.user_id), place);
                if let Some(texts) = head.texts {
                    digests.read_in(scanned.internal_id, texts);
                }
            })?;
        }
        Ok::<_, StoreError>(counts)
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let counts = thread::scope(|scope| {
        let running: Vec<_> = (0..threads.min(ranges.len()))
            .map(|_| scope.spawn(read))
            .collect();
        let ended = running.into_iter().map(|thread| {
            thread
                .join()
                .expect("a damaged record is an error, not a panic")
        });
        ended.collect::<Result<Vec<_>, _>>()
    })?;
    for (sdkappid, (accounts, counted)) in counts.into_iter().flatten() {
        let tenant = apps.get_mut(&sdkappid).expect("its range was made for it");
        tenant.accounts += accounts;
        tenant.counted += counted;
    }
    let planned = Planned {
        apps,
        last_id,
        digests,
    };
    Ok((hasher, index.into_index(), planned))
}

struct Reader<'a> {
    engine: &'a Engine,
    snapshot: &'a Snapshot,
}

impl Reader<'_> {
    /// The first app from `from` on.
    fn next_app(&self, from: SdkAppId) -> Result<Option<(SdkAppId, Tenant)>, StoreError> {
        let from = Key::App(from).to_bytes();
        let Some(item) = self.range(Bound::Included(from), Bound::Unbounded).next() else {
            return Ok(None);
        };
        let (key, value) = item.into_inner().map_err(failed)?;
        let Key::App(sdkappid) = parse_key(&key)? else {
            return Err(unreadable(&key, NO_APP));
        };
        let app = app_record::decode(sdkappid, &value).map_err(|e| unreadable(&key, e))?;
        let tenant = Tenant {
            app: Arc::new(app),
            accounts: 0,
            counted: 0,
        };
        Ok(Some((sdkappid, tenant)))
    }

    /// The least and the greatest internal id of an app.
    fn ids(&self, app: SdkAppId) -> Result<Option<(InternalId, InternalId)>, StoreError> {
        let from = Bound::Excluded(Key::App(app).to_bytes());
        let mut keys = self.range(from, Key::end_of(app));
        let (first, last) = (keys.next(), keys.next_back());
        let Some(first) = first.map(id_of).transpose()? else {
            return Ok(None);
        };
        let last_key = last.map(id_of).transpose()?.unwrap_or(first);
        // A block may go on beyond the last key.
        let beyond = last_key.get().saturating_add(u64::from(block::LIMIT));
        let beyond =
            InternalId::new(beyond).filter(|id| id.get() - InternalId::FIRST.get() < IDS_LIMIT);
        let beyond = beyond.ok_or_else(|| unreadable_record(app, last_key, NO_ID))?;
        let mut last = last_key;
        for scanned in scan(self.engine, self.snapshot, app, last_key, beyond) {
            last = scanned?.internal_id;
        }
        Ok(Some((first, last)))
    }

    /// Counts the accounts of a range, and hands each record on.
    fn accounts(
        &self,
        range: &Range,
        counts: &mut Counts,
        mut each: impl FnMut(&Scanned, Head<'_>),
    ) -> Result<(), StoreError> {
        let Range { app, first, last } = *range;
        let (accounts, counted) = counts.entry(app).or_default();
        for scanned in scan(self.engine, self.snapshot, app, first, last) {
            let scanned = scanned?;
            let head = record::decode_head(scanned.record())
                .map_err(|e| unreadable_record(app, scanned.internal_id, e))?;
            let Some(head) = head else {
                continue;
            };
            if head.texts.is_some() {
                *accounts += 1;
                *counted += u64::from(!head.user_id.is_administrator());
            }
            each(&scanned, head);
        }
        Ok(())
    }

    fn range(
        &self,
        from: Bound<KeyBytes>,
        to: Bound<KeyBytes>,
    ) -> impl DoubleEndedIterator<Item = Guard> {
        self.snapshot.range(&self.engine.keyspace, (from, to))
    }
}

fn id_of(item: Guard) -> Result<InternalId, StoreError> {
    let key = item.key().map_err(failed)?;
    match parse_key(&key)? {
        Key::Record(_, internal_id) | Key::Block(_, internal_id) => Ok(internal_id),
        Key::App(_) => Err(unreadable(&key, FOREIGN_KEY)),
    }
}

fn cut(app: SdkAppId, first: InternalId, last: InternalId) -> impl Iterator<Item = Range> {
    let id = |number| InternalId::new(number).expect("it is not below the first");
    (first.get()..=last.get())
        .step_by(usize::try_from(RANGE).expect("it is small"))
        .map(move |first| Range {
            app,
            first: id(first),
            last: id(first + (RANGE - 1)),
        })
}

fn random() -> Result<[u8; 16], StoreError> {
    let mut key = [0; 16];
    getrandom::fill(&mut key).map_err(|error| {
        StoreError::Failed(format!("the system gives no random numbers: {error}").into())
    })?;
    Ok(key)
}

const NO_APP: RecordError = RecordError::Damaged("its app is missing");
const NO_ID: RecordError = RecordError::Damaged("its internal id was never given");
