//! A wrong byte in any file of a store: either it does not matter and everything is there, or the
//! store does not open and says which file it is. And when the byte is put right, all is there again.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Mutex,
    thread,
};

use muster_store_local::LocalStore;
use muster_testkit::disk::in_memory;

use super::{
    SHORT,
    check::check,
    expected::{Expected, Progress},
    setting,
    workload::{Kind, LANES, Mark, Run, app, ask, prepare, request},
    writes,
};

const EACH: usize = 40;

/// Some bytes of a short file are tried, and all of them in a long run.
fn places(length: usize, random: &mut fastrand::Rng) -> Vec<usize> {
    if length <= 32 || writes() > SHORT {
        return (0..length).collect();
    }
    // Headers, trailers, and whatever is between.
    let ends = (0..16).chain(length - 16..length);
    ends.chain((0..60).map(|_| random.usize(0..length)))
        .collect()
}

/// A store with tables and a journal, and all that must be in it.
async fn make(run: &Run, data: &Path) -> (Expected, Progress) {
    use muster_accounts::AccountStore as _;

    prepare(data, 16 * 1024);
    let mut marks = Vec::new();
    let mut store = LocalStore::open(data).unwrap();
    for number in 0..EACH {
        for lane in 0..LANES {
            ask(&store, app(lane), request(run, lane, number)).await;
            let accounts = store.page(app(lane), None, usize::MAX).await.unwrap();
            let ids = accounts
                .into_iter()
                .map(|account| (account.user_id, account.internal_id));
            marks.push(Mark::Asked { lane, number });
            marks.push(Mark::Answered {
                lane,
                number,
                ids: ids.collect(),
            });
        }
        if number == EACH / 2 {
            store.close().await.unwrap();
            drop(store);
            store = LocalStore::open(data).unwrap();
        }
    }
    store.close().await.unwrap();
    let mut progress = Progress::default();
    for mark in &marks {
        progress.follow(mark);
    }
    (Expected::new(run, &marks).await, progress)
}

pub(crate) fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// What the name of a file of the engine says of its kind.
fn kind(file: &Path) -> &'static str {
    let name = file.file_name().unwrap().to_str().unwrap();
    let parent = file.parent().unwrap();
    match name {
        "current" => "current",
        "version" => "version",
        "lock" => "lock",
        _ if parent.ends_with("tables") => "table",
        _ if name.starts_with('v') => "manifest",
        _ if file.extension().is_some_and(|end| end == "jnl") => "journal",
        _ => panic!("an unknown kind of file: {}", file.display()),
    }
}

pub(crate) fn copy(from: &Path, to: &Path) {
    if to.exists() {
        fs::remove_dir_all(to).unwrap();
    }
    for file in files_below(from) {
        let copy = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::write(&copy, fs::read(&file).unwrap()).unwrap();
    }
}

#[test]
fn a_wrong_byte_in_any_file_is_harmless_or_named() {
    let run = Run {
        kind: Kind::Requests,
        requests: 0,
        seed: setting("MUSTER_POWER_SEED", fastrand::u64(..)),
        around_a_journal: 0,
    };
    println!("{run:?}");
    let place = in_memory();
    let data = place.path().join("data");
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
    };
    let (expected, progress) = runtime().block_on(make(&run, &data));

    let mut random = fastrand::Rng::with_seed(run.seed);
    let mut wrong = Vec::new();
    for file in files_below(&data) {
        let length = fs::read(&file).unwrap().len();
        for at in places(length, &mut random) {
            wrong.push((file.clone(), at, 1 << random.u8(0..8)));
        }
    }
    let tally = Mutex::new(std::collections::BTreeMap::<_, (u64, u64)>::new());
    let wrong = Mutex::new(wrong);
    let next = || wrong.lock().unwrap().pop();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for nth in 0..threads {
            let (next, tally, data, expected, place) = (&next, &tally, &data, &expected, &place);
            scope.spawn(move || {
                let runtime = runtime();
                let copied = place.path().join(format!("copy-{nth}"));
                while let Some((file, at, bits)) = next() {
                    copy(data, &copied);
                    let copied_file = copied.join(file.strip_prefix(data).unwrap());
                    let mut bytes = fs::read(&copied_file).unwrap();
                    bytes[at] ^= bits;
                    fs::write(&copied_file, &bytes).unwrap();
                    let outcome = runtime.block_on(check(&copied, expected, &progress));
                    let mut tally = tally.lock().unwrap();
                    let (harmless, named) = tally.entry(kind(&file)).or_default();
                    let Err(error) = outcome else {
                        *harmless += 1;
                        continue;
                    };
                    *named += 1;
                    drop(tally);
                    let what = format!("{}, byte {at} ^ {bits}: {error}", file.display());
                    assert!(error.starts_with("it does not open: "), "{what}");
                    assert!(error.contains(copied_file.to_str().unwrap()), "{what}");
                    assert!(
                        error.contains("put a copy of the whole data directory"),
                        "{what}"
                    );
                    bytes[at] ^= bits;
                    fs::write(&copied_file, &bytes).unwrap();
                    let again = runtime.block_on(check(&copied, expected, &progress));
                    assert_eq!(again, Ok(()), "{what}; and when it is put right");
                }
            });
        }
    });
    let tally = tally.into_inner().unwrap();
    println!("kind: (harmless, named) {tally:?}");
    for kind in ["journal", "table", "manifest", "current", "version"] {
        assert!(tally.contains_key(kind), "no {kind} was tried");
    }
}

/// Files that are gone are missed, but for locks, which are made anew.
#[test]
fn a_missing_file_is_named() {
    let run = Run {
        kind: Kind::Requests,
        requests: 0,
        seed: 1,
        around_a_journal: 0,
    };
    let place = in_memory();
    let data = place.path().join("data");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let (expected, progress) = runtime.block_on(make(&run, &data));
    let copied = place.path().join("copy");
    let dirs = ["", "/0", "/1", "/0/tables", "/1/tables"];
    let dirs = dirs.map(|dir| data.join(format!("store/keyspaces{dir}")));
    for gone in files_below(&data).into_iter().chain(dirs) {
        copy(&data, &copied);
        let copied_path = copied.join(gone.strip_prefix(&data).unwrap());
        if copied_path.is_dir() {
            fs::remove_dir_all(&copied_path).unwrap();
        } else {
            fs::remove_file(&copied_path).unwrap();
        }
        let outcome = runtime.block_on(check(&copied, &expected, &progress));
        if let Err(error) = outcome {
            let what = format!("without {}: {error}", gone.display());
            assert!(error.starts_with("it does not open: "), "{what}");
            assert!(
                error.contains("put a copy of the whole data directory"),
                "{what}"
            );
        }
    }
}
