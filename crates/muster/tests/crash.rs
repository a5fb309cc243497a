//! `kill -9` of the real server in the middle of concurrent imports, again and again.
//!
//! After each kill the server is started on what is left, now and then after a start that was killed
//! too, the very first included. Then:
//!
//! - every account that was acknowledged is there, with the values acknowledged last;
//! - a request that was under way is there whole or not at all;
//! - nobody is there who was never asked for;
//! - an account keeps its internal id, and no id is ever given to a second account.
//!
//! `MUSTER_CRASH_ROUNDS` is the number of kills (50), `MUSTER_CRASH_SEED` repeats a run's choices.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use muster_client::{CallError, Client, ImportEntry, operator::Operator};
use muster_testkit::{Launch, Muster, SDKAPPID, sample_key};

const WORKERS: usize = 6;
/// Users that a worker draws from at first, and by how many they grow with each request: so that
/// every request brings some new ones, and most come again and again.
const USERS_AT_FIRST: u64 = 200;
const MORE_USERS_A_REQUEST: u64 = 4;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| {
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name} is not a number: {value:?}"))
    })
}

/// Nickname and avatar.
type Values = (String, String);

/// What one worker knows of its own users; nobody else touches them.
#[derive(Default)]
struct Worker {
    number: usize,
    /// Requests made; each gives its number to all its users as nickname.
    requests: u64,
    acknowledged: BTreeMap<String, Values>,
    under_way: Option<(Vec<String>, Values)>,
}

impl Worker {
    fn any_user(&self, random: &mut fastrand::Rng) -> String {
        let users = USERS_AT_FIRST + MORE_USERS_A_REQUEST * self.requests;
        format!("w{}-{}", self.number, random.u64(0..users))
    }

    /// Imports until the server is gone.
    async fn import(mut self, client: Client, mut random: fastrand::Rng) -> Self {
        loop {
            self.requests += 1;
            let nick = format!("nick {}", self.requests);
            let face_url = "https://img.example.com/".repeat(random.usize(0..20));
            let number = if random.bool() {
                1
            } else {
                random.usize(1..=100)
            };
            let users: BTreeSet<_> = (0..number).map(|_| self.any_user(&mut random)).collect();
            let users: Vec<String> = users.into_iter().collect();
            let entries: Vec<_> = users
                .iter()
                .map(|user_id| ImportEntry {
                    user_id,
                    nick: Some(&nick),
                    face_url: Some(&face_url),
                })
                .collect();
            let values = (nick.clone(), face_url.clone());
            self.under_way = Some((users.clone(), values.clone()));
            let outcome = if let [entry] = &entries[..] {
                client.account_import(entry).await
            } else {
                client
                    .multiaccount_import(&entries)
                    .await
                    .map(|failed| assert!(failed.is_empty()))
            };
            match outcome {
                Ok(()) => {
                    self.under_way = None;
                    self.acknowledged
                        .extend(users.into_iter().map(|user| (user, values.clone())));
                }
                Err(CallError::Transport(_)) => return self,
                Err(refused) => panic!("worker {}: {refused}", self.number),
            }
        }
    }

    /// Judges what the server has of this worker's users, and learns whether the request that was
    /// under way is in.
    fn judge(&mut self, stored: &BTreeMap<String, Values>) {
        if let Some((users, values)) = self.under_way.take() {
            let written = users
                .iter()
                .filter(|user| stored.get(*user) == Some(&values))
                .count();
            assert!(
                written == 0 || written == users.len(),
                "a request of {} users is half applied: {written} have {values:?}",
                users.len()
            );
            if written > 0 {
                self.acknowledged
                    .extend(users.into_iter().map(|user| (user, values.clone())));
            }
        }
        assert_eq!(*stored, self.acknowledged, "worker {}", self.number);
    }
}

/// All accounts but the administrator's, as user id to internal id and values.
async fn stored(muster: &Muster) -> BTreeMap<String, (String, Values)> {
    let operator = Operator::new(muster.operator_url(), &muster.operator_token()).unwrap();
    let mut stored = BTreeMap::new();
    let mut after = None;
    loop {
        let page = operator
            .accounts(SDKAPPID, after.as_deref(), 1000)
            .await
            .unwrap();
        for account in page.accounts {
            if account.user_id != "administrator" {
                let known = (account.internal_id, (account.nick, account.face_url));
                assert!(
                    stored.insert(account.user_id, known).is_none(),
                    "listed twice"
                );
            }
        }
        after = page.next_after;
        if after.is_none() {
            return stored;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_loses_nothing_that_was_acknowledged() {
    let rounds = setting("MUSTER_CRASH_ROUNDS", 50);
    let seed = setting("MUSTER_CRASH_SEED", fastrand::u64(..));
    println!("{rounds} rounds, MUSTER_CRASH_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);

    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    let launch = || Launch::dev(env!("CARGO_BIN_EXE_muster"), &data_dir).arg("--no-rate-limits");
    let start = |random: &mut fastrand::Rng| {
        while random.u8(0..4) == 0 {
            launch().kill_during_start(Duration::from_micros(random.u64(0..40_000)));
        }
        launch().start()
    };
    let mut workers: Vec<Worker> = (0..WORKERS)
        .map(|number| Worker {
            number,
            ..Worker::default()
        })
        .collect();
    // Who got which internal id, ever.
    let mut given: HashMap<String, String> = HashMap::new();
    let mut requests_in = 0;

    // The first start makes the store; none of its moments may leave one that does not open.
    for after_us in (0..40_000).step_by(2_000) {
        launch().kill_during_start(Duration::from_micros(after_us));
    }
    let mut muster = start(&mut random);
    for round in 0..rounds {
        let mut running = Vec::new();
        for worker in workers.drain(..) {
            let client = Client::new(
                muster.accounts_url(),
                SDKAPPID,
                "administrator",
                sample_key(),
            );
            let random = random.fork();
            running.push(tokio::spawn(worker.import(client.unwrap(), random)));
        }
        // From before the first answer to well into the work.
        tokio::time::sleep(Duration::from_micros(random.u64(0..250_000))).await;
        muster.kill();
        for worker in running {
            workers.push(worker.await.unwrap());
        }

        muster = start(&mut random);
        let mut by_worker: Vec<BTreeMap<String, Values>> = vec![BTreeMap::new(); WORKERS];
        for (user, (internal_id, values)) in stored(&muster).await {
            let holder = given
                .entry(internal_id.clone())
                .or_insert_with(|| user.clone());
            assert_eq!(*holder, user, "internal id {internal_id} was given twice");
            let number: usize = user[1..].split('-').next().unwrap().parse().unwrap();
            by_worker[number].insert(user, values);
        }
        for worker in &mut workers {
            worker.judge(&by_worker[worker.number]);
        }
        let accounts: usize = by_worker.iter().map(BTreeMap::len).sum();
        assert_eq!(given.len(), accounts, "an account changed its internal id");
        requests_in = workers.iter().map(|worker| worker.requests).sum();
        println!("round {round}: {accounts} accounts, {requests_in} requests so far");
    }
    assert!(
        requests_in > rounds,
        "the workers hardly got to work; the test shows nothing"
    );
}
