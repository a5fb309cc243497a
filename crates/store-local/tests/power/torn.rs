//! A journal's end, byte by byte: what a power cut has torn is cut off, and damage is refused.

use std::{fs, path::Path};

use muster_accounts::{
    AccountStore as _, Edition, FaceUrl, NewApp, Nick, UnixSeconds, UserId,
    rules::import::{ImportEntry, ImportRequest},
};
use muster_store_local::LocalStore;
use muster_testkit::disk::in_memory;
use muster_usersig::SecretKey;

use super::workload::app;

const NOW: UnixSeconds = UnixSeconds(1_800_000_000);
const SECTOR: usize = 512;

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

/// Imports a user with long values, so that the batch covers some sectors.
async fn import(store: &LocalStore, name: &str) {
    let text = name.repeat(500 / name.len());
    let entry = ImportEntry {
        position: 0,
        user_id: user(name),
        nick: Some(Nick::parse(text.clone().into()).unwrap()),
        face_url: Some(FaceUrl::parse(text.into()).unwrap()),
    };
    let second = ImportEntry {
        position: 1,
        user_id: user(&format!("{name}-2")),
        ..entry.clone()
    };
    let request = ImportRequest::new(vec![entry, second]);
    store.import(app(0), request, NOW).await.unwrap();
}

/// A journal with the three imports `a`, `b` and `c`.
struct Journal {
    bytes: Vec<u8>,
    /// Where the batches of `b` and of `c` begin.
    b: usize,
    c: usize,
}

impl Journal {
    async fn new(data: &Path) -> Self {
        let file = data.join("store/0.jnl");
        let read = || {
            let bytes = fs::read(&file).unwrap();
            let written = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
            bytes[..written].to_vec()
        };
        let store = LocalStore::open(data).unwrap();
        let new = NewApp {
            sdkappid: app(0),
            edition: Edition::Developer,
            key: SecretKey::from_random([1; 32]),
        };
        store.create_app(new, NOW).await.unwrap();
        let mut begins = Vec::new();
        for name in ["a", "b", "c"] {
            begins.push(read().len());
            import(&store, name).await;
        }
        store.close().await.unwrap();
        Self {
            bytes: read(),
            b: begins[1],
            c: begins[2],
        }
    }

    /// With zeros from `from` to `to`.
    fn zeros(&self, from: usize, to: usize) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        bytes[from..to].fill(0);
        bytes
    }

    /// With other bits at a place.
    fn flipped(&self, at: usize) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        bytes[at] ^= 1;
        bytes
    }
}

/// The first sector that is wholly within the batch that begins here.
fn sector_in(begin: usize) -> (usize, usize) {
    let from = begin.next_multiple_of(SECTOR);
    (from, from + SECTOR)
}

/// Whether `a`, `b` and `c` are there; or why the store does not open.
async fn found(data: &Path) -> Result<[bool; 3], String> {
    let store = LocalStore::open(data).map_err(|error| error.to_string())?;
    let users = ["a", "b", "c"].map(user);
    let found = store.check(app(0), &users).await.unwrap();
    // It goes on from there, and nothing of what was cut off comes back.
    import(&store, "d").await;
    store.close().await.unwrap();
    drop(store);
    let store = LocalStore::open(data).map_err(|error| error.to_string())?;
    assert_eq!(store.check(app(0), &users).await.unwrap(), found);
    assert_eq!(store.check(app(0), &[user("d")]).await.unwrap(), [true]);
    Ok(found.try_into().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_torn_end_is_cut_off_and_damage_is_refused() {
    let place = in_memory();
    let data = place.path().join("data");
    let whole = Journal::new(&data).await;
    let (end, last) = (whole.bytes.len(), whole.c);
    let all = Ok([true, true, true]);
    let without_last = Ok([true, true, false]);
    let refused = Err("0.jnl is damaged");

    let mut cases = vec![("whole", whole.bytes.clone(), all)];
    for kept in [
        1,
        12,
        13,
        40,
        SECTOR + 7,
        end - last - 13,
        end - last - 4,
        end - last - 1,
    ] {
        cases.push((
            "torn, the file ends",
            whole.bytes[..last + kept].to_vec(),
            without_last,
        ));
        cases.push((
            "torn, zeros follow",
            whole.zeros(last + kept, end),
            without_last,
        ));
    }
    let (from, to) = sector_in(last);
    let tail = (end - 1) / SECTOR * SECTOR;
    cases.extend([
        (
            "no byte of the last batch",
            whole.zeros(last, end),
            without_last,
        ),
        (
            "its first sector is missing",
            whole.zeros(last, from),
            without_last,
        ),
        (
            "one in its middle is missing",
            whole.zeros(from, to),
            without_last,
        ),
        (
            "its last sector is missing",
            whole.zeros(tail, end),
            without_last,
        ),
        ("a bit of its values", whole.flipped(from), refused),
        (
            "a bit of its number of entries",
            whole.flipped(last + 1),
            refused,
        ),
        ("a bit of its checksum", whole.flipped(end - 5), refused),
        ("a bit of its trailer", whole.flipped(end - 1), refused),
        (
            "the beginning of one before it",
            whole.flipped(whole.b),
            refused,
        ),
        (
            "the sequence number of one before it",
            whole.flipped(whole.b + 11),
            refused,
        ),
        (
            "a sector of one before it",
            {
                let (from, to) = sector_in(whole.b);
                whole.zeros(from, to)
            },
            refused,
        ),
    ]);
    for (name, bytes, expected) in cases {
        try_case(&data, &place.path().join("copy"), name, &[bytes], expected).await;
    }

    // What is torn is last only if no later journal has a batch.
    let (before, later) = whole.bytes.split_at(last);
    let torn = before[..before.len() - 5].to_vec();
    let copy = place.path().join("copy");
    let journals = [before.to_vec(), later.to_vec()];
    try_case(&data, &copy, "two journals", &journals, all).await;
    let journals = [torn.clone(), later.to_vec()];
    try_case(&data, &copy, "torn before a journal", &journals, refused).await;
    let journals = [torn, vec![0; 4096]];
    let without_b = Ok([true, false, false]);
    try_case(
        &data,
        &copy,
        "torn before an empty journal",
        &journals,
        without_b,
    )
    .await;
}

/// Opens a copy of the store that has these journals.
async fn try_case(
    data: &Path,
    copy: &Path,
    name: &str,
    journals: &[Vec<u8>],
    expected: Result<[bool; 3], &str>,
) {
    super::damage::copy(data, copy);
    let store = copy.join("store");
    for (number, bytes) in journals.iter().enumerate() {
        fs::write(store.join(format!("{number}.jnl")), bytes).unwrap();
    }
    match (found(copy).await, expected) {
        (Err(error), Err(expected)) => {
            assert!(error.contains(expected), "{name}: {error}");
            let left = fs::read(store.join("0.jnl")).unwrap();
            assert_eq!(left, journals[0], "{name}: the journal was changed");
        }
        (found, expected) => assert_eq!(found, expected.map_err(str::to_owned), "{name}"),
    }
}
