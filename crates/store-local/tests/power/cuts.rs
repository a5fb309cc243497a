//! Every cut of a run, and for each what the disk may have kept.

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    hash::{DefaultHasher, Hash, Hasher as _},
    path::Path,
    sync::Mutex,
    thread,
    time::Instant,
};

use muster_testkit::disk::{
    Event, Recorder, in_memory,
    replay::{Data, Disk, Image, Kept},
};

use super::{
    check::check,
    damage::files_below,
    expected::{Expected, Progress},
    workload::{Kind, Mark, Run, parse_marks, record},
};

const MARKS: &str = "marks";

/// So many failures are enough to see what is wrong.
const FAILURES_LIMIT: usize = 20;

struct Past {
    events: Vec<Event>,
    expected: Expected,
    /// Cuts come after these events.
    cuts: Vec<bool>,
}

/// What there was of each kind.
pub(crate) type Counts = BTreeMap<&'static str, u64>;

#[derive(Default)]
struct Tally {
    counts: Counts,
    failures: Vec<String>,
}

/// Records the run and tries every cut of it.
pub(crate) fn try_all(run: &Run) -> Counts {
    let began = Instant::now();
    let dir = in_memory();
    let root = dir.path().join("disk");
    fs::create_dir(&root).unwrap();
    let recorder = Recorder::new(&root);
    record(run, &recorder, &root);
    let events = recorder.events();
    drop(recorder);
    assert_whole(&events, &root);
    let marks: Vec<Mark> = events.iter().filter_map(mark).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let past = Past {
        cuts: cuts(run, &events),
        expected: runtime.block_on(Expected::new(run, &marks)),
        events,
    };

    let tally = Mutex::new(Tally {
        counts: counts(&past),
        failures: Vec::new(),
    });
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for nth in 0..threads {
            let (past, tally) = (&past, &tally);
            scope.spawn(move || try_share(run, past, (nth, threads), tally));
        }
    });
    let Tally { counts, failures } = tally.into_inner().unwrap();
    println!("{run:?} in {:.0?}: {counts:?}", began.elapsed());
    assert!(failures.is_empty(), "{run:?}\n{}", failures.join("\n"));
    counts
}

/// The log says all: replayed, it makes the directory that the child has left.
fn assert_whole(events: &[Event], root: &Path) {
    let mut disk = Disk::new();
    for event in events {
        disk.follow(event);
    }
    let everything = Kept {
        names: disk.unsynced_names(),
        data: Data::Everything,
    };
    let place = in_memory();
    let replayed = place.path().join("replayed");
    disk.write(&disk.image(everything), &replayed).unwrap();
    let left = files_below(root);
    assert_eq!(files_below(&replayed).len(), left.len());
    for file in left {
        let same = replayed.join(file.strip_prefix(root).unwrap());
        let (same, left) = (fs::read(same).unwrap(), fs::read(&file).unwrap());
        assert!(same == left, "{} is not as recorded", file.display());
    }
}

fn mark(event: &Event) -> Option<Mark> {
    match event {
        Event::Write { path, bytes, .. } if path == MARKS => Some(parse_marks(bytes)),
        _ => None,
    }
}

fn is_journal(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|end| end == "jnl")
}

/// After which events the power is cut.
fn cuts(run: &Run, events: &[Event]) -> Vec<bool> {
    let start = events
        .iter()
        .position(|event| matches!(mark(event), Some(Mark::Start)))
        .expect("the child says when it starts");
    // What changes nothing on the disk needs no cut of its own.
    let changes = |event: &Event| match event {
        Event::Write { path, .. } | Event::Create { path } => path != MARKS,
        _ => true,
    };
    let mut cuts: Vec<bool> = (0..events.len())
        .map(|nth| nth > start && changes(&events[nth]))
        .collect();
    if run.kind == Kind::Journals {
        let around = events.iter().enumerate().filter(|(nth, event)| {
            *nth > start
                && match event {
                    Event::Create { path } | Event::Remove { path } => is_journal(path),
                    _ => false,
                }
        });
        let around: Vec<usize> = around.map(|(nth, _)| nth).collect();
        assert!(around.len() >= 2, "the journal did not change");
        for (nth, cut) in cuts.iter_mut().enumerate() {
            *cut &= around
                .iter()
                .any(|change| change.abs_diff(nth) < run.around_a_journal);
        }
    }
    cuts
}

fn counts(past: &Past) -> Counts {
    let count = |judge: &dyn Fn(&Event) -> bool| {
        past.events.iter().filter(|event| judge(event)).count() as u64
    };
    let is_table = |path: &str| path.contains("/tables/");
    let requests = past.expected.lanes.iter().map(|states| states.len() - 1);
    Counts::from([
        ("requests", requests.sum::<usize>() as u64),
        ("cuts", past.cuts.iter().filter(|cut| **cut).count() as u64),
        (
            "writes",
            count(&|event| matches!(event, Event::Write { path, .. } if path != MARKS)),
        ),
        (
            "syncs",
            count(&|event| matches!(event, Event::SyncEnd { .. })),
        ),
        (
            "tables made",
            count(&|event| matches!(event, Event::Create { path } if is_table(path))),
        ),
        (
            "tables removed",
            count(&|event| matches!(event, Event::Remove { path } if is_table(path))),
        ),
        (
            "journals made",
            count(&|event| matches!(event, Event::Create { path } if is_journal(path))),
        ),
    ])
}

/// Tries the images whose hashes fall to the thread `nth` of `threads`.
fn try_share(run: &Run, past: &Past, (nth, threads): (usize, usize), tally: &Mutex<Tally>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let place = in_memory();
    let mut disk = Disk::new();
    let mut progress = Progress::default();
    let mut tried = HashSet::new();
    for (number, event) in past.events.iter().enumerate() {
        disk.follow(event);
        if let Some(mark) = mark(event) {
            progress.follow(&mark);
        }
        if !past.cuts[number] {
            continue;
        }
        for (model, kept) in models(&disk, event, run.seed ^ number as u64) {
            let image = disk.image(kept);
            let mut hasher = DefaultHasher::new();
            (&image, progress).hash(&mut hasher);
            let hash = hasher.finish();
            if hash % threads as u64 != nth as u64 || !tried.insert(hash) {
                continue;
            }
            let dir = place.path().join("image");
            let outcome = try_one(&disk, &image, &dir, |data| {
                runtime.block_on(check(data, &past.expected, &progress))
            });
            let mut tally = tally.lock().unwrap();
            let answered = progress.answered.iter().sum::<usize>() as u64;
            for (what, count) in [
                (model, 1),
                ("images", 1),
                ("answered requests checked", answered),
            ] {
                *tally.counts.entry(what).or_default() += count;
            }
            if let Err(error) = outcome {
                let event = format!("{event:?}").chars().take(100).collect::<String>();
                tally
                    .failures
                    .push(format!("after event {number} ({event}), {kept:?}: {error}"));
            }
            if tally.failures.len() >= FAILURES_LIMIT {
                return;
            }
        }
    }
}

fn try_one(
    disk: &Disk,
    image: &Image,
    dir: &Path,
    check: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<(), String> {
    if dir.exists() {
        fs::remove_dir_all(dir).unwrap();
    }
    disk.write(image, dir).unwrap();
    check(&dir.join("data"))
}

/// What the disk may have kept at this moment.
fn models(disk: &Disk, event: &Event, seed: u64) -> Vec<(&'static str, Kept)> {
    let mut random = fastrand::Rng::with_seed(seed);
    let (names, bytes) = (disk.unsynced_names(), disk.unsynced_bytes());
    let kept = |names, data| Kept { names, data };
    let mut models = vec![
        ("images: nothing", kept(0, Data::Nothing)),
        ("images: everything", kept(names, Data::Everything)),
    ];
    if bytes > 0 {
        let tear = random.u64(0..bytes);
        let tear = tear + u64::from(tear.is_multiple_of(512));
        models.push(("images: torn", kept(names, Data::Torn(tear))));
        models.push(("images: grown", kept(names, Data::Grown)));
        let some = random.usize(0..=names);
        models.push(("images: sectors", kept(some, Data::Sectors(random.u64(..)))));
    }
    // Names that have been waiting for long are tried all over only when they change.
    let some = match event {
        Event::Write { .. } | Event::SetLength { .. } | Event::SyncBegin { .. } => {
            let some = random.usize(0..=names);
            some..=some
        }
        _ => 0..=names,
    };
    for some in some {
        models.push(("images: names", kept(some, Data::Nothing)));
        models.push(("images: names", kept(some, Data::Everything)));
    }
    models
}
