//! What the child process asks of the store, and the marks by which it tells.
//!
//! Each lane has an app of its own and one request under way at the most, so what there must be of it
//! follows from how many of its requests were acknowledged. Its requests follow from the seed alone.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::{self, File},
    io::Write as _,
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
};

use fjall::KeyspaceCreateOptions;
use muster_accounts::{
    AccountStore, AppChange, AppPatch, Edition, FaceUrl, InternalId, NewApp, Nick, OpError,
    ProfileField, SdkAppId, UnixSeconds, UserId,
    profile::{Location, SelfSignature},
    rules::import::{ImportEntry, ImportRequest},
};
use muster_store_local::LocalStore;
use muster_testkit::disk::Recorder;
use muster_usersig::SecretKey;
use tokio::task::JoinSet;

pub(crate) const LANES: usize = 6;
const USERS: usize = 20;

/// A run of the store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) kind: Kind,
    pub(crate) requests: u64,
    pub(crate) seed: u64,
    /// In a run of [`Kind::Journals`], cuts are tried at so many events before and after a journal is
    /// made or removed: each takes long.
    pub(crate) around_a_journal: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    FirstStart,
    Requests,
    Journals,
}

impl Kind {
    const ALL: [Self; 3] = [Self::FirstStart, Self::Requests, Self::Journals];

    /// How much the engine gathers before it writes a table; `None` is its own choice.
    fn memtable_bytes(self) -> Option<u64> {
        match self {
            Self::FirstStart => None,
            Self::Requests => Some(8 * 1024),
            Self::Journals => Some(12 * 1024 * 1024),
        }
    }

    /// After how many requests the store is closed and opened again, now and then.
    fn reopens_after(self) -> u64 {
        match self {
            Self::FirstStart => 8,
            Self::Requests => 60,
            Self::Journals => u64::MAX,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Request {
    CreateApp(NewApp),
    ChangeApp(AppChange),
    Import(Vec<ImportEntry>),
    SetProfile(UserId, Vec<ProfileField>),
    Delete(Vec<UserId>),
    Kick(UserId),
}

/// One line of the file of marks.
#[derive(Clone, Debug)]
pub(crate) enum Mark {
    /// The directory is prepared; from now on all counts.
    Start,
    Asked {
        lane: usize,
        number: usize,
    },
    /// Answered, and what ids the lane's accounts then had.
    Answered {
        lane: usize,
        number: usize,
        ids: BTreeMap<UserId, InternalId>,
    },
}

pub(crate) fn app(lane: usize) -> SdkAppId {
    SdkAppId(1_400_000_000 + u32::try_from(lane).unwrap())
}

fn user(lane: usize, number: usize) -> UserId {
    UserId::parse(&format!("lane{lane}-{number}")).unwrap()
}

fn text(random: &mut fastrand::Rng, most: usize) -> String {
    let any = |random: &mut fastrand::Rng, length: usize| -> String {
        let letters = std::iter::repeat_with(|| random.alphanumeric());
        letters.take(length).collect()
    };
    if most < 500 {
        let length = random.usize(0..=most);
        return any(random, length);
    }
    // As long as they may be, so that they fill the journal.
    any(random, 20).repeat(25)
}

/// The request of this number of a lane, from 0 up.
pub(crate) fn request(run: &Run, lane: usize, number: usize) -> (Request, UnixSeconds) {
    let seed = run.seed ^ ((lane as u64) << 48) ^ ((number as u64) << 16);
    let mut random = fastrand::Rng::with_seed(seed);
    let now = UnixSeconds(1_800_000_000 + number as u64);
    if number == 0 {
        let new = NewApp {
            sdkappid: app(lane),
            edition: Edition::Developer,
            key: SecretKey::from_random([u8::try_from(lane).unwrap(); 32]),
        };
        return (Request::CreateApp(new), now);
    }
    // Long values fill the journal.
    let (users, most) = match run.kind {
        Kind::Journals => (100, 500),
        _ => (
            random.usize(1..12),
            if random.u8(..) < 30 { 500 } else { 40 },
        ),
    };
    let entry = |random: &mut fastrand::Rng, position, user_id| ImportEntry {
        position,
        user_id,
        nick: random
            .bool()
            .then(|| Nick::parse(text(random, most).into()).unwrap()),
        face_url: (most == 500 || random.bool())
            .then(|| FaceUrl::parse(text(random, most).into()).unwrap()),
    };
    let any = |random: &mut fastrand::Rng| user(lane, random.usize(0..USERS));
    let request = match (run.kind, random.u8(0..100)) {
        (Kind::Journals, 4..) | (_, 0..30) => {
            let named = (0..users).map(|position| match run.kind {
                Kind::Journals => user(lane, position),
                _ => any(&mut random),
            });
            let named: Vec<_> = named.collect();
            let entries = named.into_iter().enumerate();
            Request::Import(
                entries
                    .map(|(position, user_id)| ImportEntry {
                        nick: Some(Nick::parse(text(&mut random, most).into()).unwrap()),
                        ..entry(&mut random, position, user_id)
                    })
                    .collect(),
            )
        }
        (_, 30..50) => {
            let user_id = any(&mut random);
            Request::Import(vec![entry(&mut random, 0, user_id)])
        }
        (_, 50..68) => {
            let fields = vec![
                ProfileField::Level(random.u32(..)),
                ProfileField::Nick(Nick::parse(text(&mut random, most).into()).unwrap()),
                ProfileField::Location(Location::parse(text(&mut random, 16).into()).unwrap()),
                ProfileField::SelfSignature(
                    SelfSignature::parse(text(&mut random, most).into()).unwrap(),
                ),
            ];
            Request::SetProfile(any(&mut random), fields)
        }
        (_, 68..84) => Request::Delete((0..random.usize(1..6)).map(|_| any(&mut random)).collect()),
        (_, 84..92) => Request::Kick(any(&mut random)),
        (_, _) => Request::ChangeApp(match random.u8(0..4) {
            0 => AppChange::AddAdmin(any(&mut random)),
            1 => AppChange::RemoveAdmin(any(&mut random)),
            2 => AppChange::RotateKey {
                key: SecretKey::from_random([random.u8(..); 32]),
                grace_s: 2,
            },
            _ => AppChange::Configure(Box::new(AppPatch {
                disabled: Some(random.bool()),
                ..AppPatch::default()
            })),
        }),
    };
    (request, now)
}

/// Asks a store, and takes a refusal for an answer.
pub(crate) async fn ask(
    store: &impl AccountStore,
    app: SdkAppId,
    (request, now): (Request, UnixSeconds),
) {
    fn answered<T, R>(outcome: Result<T, OpError<R>>) {
        if let Err(OpError::Store(error)) = outcome {
            panic!("the store failed: {error}");
        }
    }
    match request {
        Request::CreateApp(new) => answered(store.create_app(new, now).await),
        Request::ChangeApp(change) => answered(store.change_app(app, change, now).await),
        Request::Import(entries) => {
            let request = ImportRequest::new(entries);
            answered(store.import(app, request, now).await);
        }
        Request::SetProfile(user_id, fields) => {
            answered(store.set_profile(app, user_id, fields, now).await);
        }
        Request::Delete(users) => answered(store.delete(app, users, now).await),
        Request::Kick(user_id) => answered(store.kick(app, user_id, now).await),
    }
}

const RUN: &str = "MUSTER_POWER_RUN";
const ROOT: &str = "MUSTER_POWER_ROOT";

/// Runs the workload in a child process, under the recorder.
pub(crate) fn record(run: &Run, recorder: &Recorder, root: &Path) {
    let kind = Kind::ALL.iter().position(|kind| *kind == run.kind).unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["workload::child", "--exact", "--ignored", "--nocapture"])
        .env(RUN, format!("{kind} {} {}", run.requests, run.seed))
        .env(ROOT, root)
        .envs(recorder.recording())
        .output()
        .unwrap();
    assert!(
        child.status.success(),
        "{}{}",
        String::from_utf8_lossy(&child.stdout),
        String::from_utf8_lossy(&child.stderr)
    );
}

#[test]
#[ignore = "it is started by the other tests"]
fn child() {
    let (Ok(run), Some(root)) = (std::env::var(RUN), std::env::var_os(ROOT)) else {
        return;
    };
    let mut numbers = run.split(' ').map(|number| number.parse::<u64>().unwrap());
    let mut next = || numbers.next().unwrap();
    let run = Run {
        kind: Kind::ALL[usize::try_from(next()).unwrap()],
        requests: next(),
        seed: next(),
        around_a_journal: 0,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    runtime.block_on(work(&run, Path::new(&root)));
}

struct Marks(Mutex<File>);

impl Marks {
    fn put(&self, line: &str) {
        let line = format!("{line}\n");
        self.0.lock().unwrap().write_all(line.as_bytes()).unwrap();
    }
}

/// Reads the marks that were put into one write.
pub(crate) fn parse_marks(bytes: &[u8]) -> Mark {
    let text = std::str::from_utf8(bytes).unwrap().trim_end();
    let mut words = text.split(' ');
    let kind = words.next().unwrap();
    if kind == "start" {
        return Mark::Start;
    }
    let mut number = || words.next().unwrap().parse::<usize>().unwrap();
    let (lane, number) = (number(), number());
    if kind == "asked" {
        return Mark::Asked { lane, number };
    }
    let ids = words.map(|word| {
        let (user, id) = word.split_once('=').unwrap();
        (
            UserId::parse(user).unwrap(),
            InternalId::new(id.parse().unwrap()).unwrap(),
        )
    });
    Mark::Answered {
        lane,
        number,
        ids: ids.collect(),
    }
}

async fn work(run: &Run, root: &Path) {
    let data = root.join("data");
    let marks = File::options()
        .create(true)
        .append(true)
        .open(root.join("marks"));
    let marks = Arc::new(Marks(Mutex::new(marks.unwrap())));
    if let Some(bytes) = run.kind.memtable_bytes() {
        prepare(&data, bytes);
    }
    marks.put("start");
    let mut store = Arc::new(LocalStore::open(&data).unwrap());
    let mut random = fastrand::Rng::with_seed(run.seed);
    let mut next = [0; LANES];
    let (mut asked, mut reopened) = (0, 0);
    while asked < run.requests {
        let together = random.u8(0..3) > 0;
        let alone = random.usize(0..LANES);
        let mut requests = JoinSet::new();
        for lane in (0..LANES).filter(|lane| together || *lane == alone) {
            let number = next[lane];
            next[lane] += 1;
            asked += 1;
            let (store, marks, run) = (store.clone(), marks.clone(), *run);
            requests.spawn(async move {
                marks.put(&format!("asked {lane} {number}"));
                ask(&*store, app(lane), request(&run, lane, number)).await;
                let mut line = format!("answered {lane} {number}");
                for account in store.page(app(lane), None, 1000).await.unwrap() {
                    let id = account.internal_id.get();
                    write!(line, " {}={id}", account.user_id).unwrap();
                }
                marks.put(&line);
            });
        }
        while let Some(ended) = requests.join_next().await {
            ended.unwrap();
        }
        if asked - reopened >= run.kind.reopens_after() {
            reopened = asked;
            store.close().await.unwrap();
            drop(store);
            store = Arc::new(LocalStore::open(&data).unwrap());
        }
    }
    store.close().await.unwrap();
}

/// Makes the store's keyspace with small tables, which it keeps.
pub(crate) fn prepare(data: &Path, memtable_bytes: u64) {
    fs::create_dir_all(data).unwrap();
    let store = data.join("store");
    let db = fjall::Database::builder(&store).open().unwrap();
    let options = || KeyspaceCreateOptions::default().max_memtable_size(memtable_bytes);
    drop(db.keyspace("accounts", options).unwrap());
    drop(db);
    sync(data);
    File::open(data.parent().unwrap())
        .unwrap()
        .sync_all()
        .unwrap();
}

fn sync(path: &Path) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            sync(&entry.unwrap().path());
        }
    }
    File::open(path).unwrap().sync_all().unwrap();
}
