//! Callers who write through all nodes without end, and know what must be there after it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::caller::{Caller, Unknown};

pub(crate) const NODES: usize = 3;

/// Callers for each node.
const CALLERS: usize = 2;

/// How long a caller waits after a call that failed.
const PAUSE: Duration = Duration::from_millis(20);

/// Users that a caller draws from at first, and by how many they grow with each call.
const USERS_AT_FIRST: usize = 60;
const MORE_USERS_A_CALL: usize = 2;

/// What the callers and the test share.
pub(crate) struct Load {
    /// Where each node is at present.
    urls: Mutex<[String; NODES]>,
    over: AtomicBool,
    /// When each node acknowledged a write.
    acknowledged: [Mutex<Vec<Instant>>; NODES],
    failed: AtomicU64,
}

impl Load {
    pub(crate) fn new(urls: [String; NODES]) -> Self {
        Self {
            urls: Mutex::new(urls),
            over: AtomicBool::new(false),
            acknowledged: Default::default(),
            failed: AtomicU64::new(0),
        }
    }

    pub(crate) fn node_is_at(&self, node: usize, url: &str) {
        url.clone_into(&mut self.urls.lock().unwrap()[node]);
    }

    fn url(&self, node: usize) -> String {
        self.urls.lock().unwrap()[node].clone()
    }

    /// Writes that each node has acknowledged so far.
    pub(crate) fn acknowledged(&self) -> [usize; NODES] {
        self.acknowledged
            .each_ref()
            .map(|times| times.lock().unwrap().len())
    }

    /// Calls that came to nothing, or nobody knows.
    pub(crate) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// The longest time between two acknowledgements of each node, of which the second came after `from`.
    pub(crate) fn longest_gaps(&self, from: Instant) -> [Duration; NODES] {
        self.acknowledged.each_ref().map(|times| {
            let mut times = times.lock().unwrap().clone();
            times.sort_unstable();
            let pairs = times.windows(2).filter(|pair| pair[1] > from);
            let gaps = pairs.map(|pair| pair[1] - pair[0].max(from));
            gaps.max().unwrap_or_default()
        })
    }

    /// Starts callers at all nodes.
    pub(crate) fn start(self: &Arc<Self>, seed: u64) -> Vec<JoinHandle<Writer>> {
        let writers = (0..NODES * CALLERS).map(|number| Writer {
            number,
            node: number % NODES,
            random: fastrand::Rng::with_seed(seed + number as u64),
            caller: Caller::new(),
            calls: 0,
            users: BTreeMap::new(),
        });
        let start = |writer: Writer| {
            let load = self.clone();
            thread::spawn(move || writer.write(&load))
        };
        writers.map(start).collect()
    }

    /// Ends the callers, and gives what they know.
    pub(crate) fn end(&self, writers: Vec<JoinHandle<Writer>>) -> Vec<Writer> {
        self.over.store(true, Ordering::Relaxed);
        let ended = writers.into_iter().map(JoinHandle::join);
        ended
            .map(|writer| writer.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    }
}

/// What may be stored of a user, by what was acknowledged since: the nickname, or nothing.
pub(crate) struct Expected {
    pub(crate) any_of: Vec<Option<String>>,
    /// A kick was acknowledged; the mark is for ever.
    pub(crate) kicked: bool,
}

impl Expected {
    fn is_certainly_there(&self) -> bool {
        self.any_of.iter().all(Option::is_some)
    }

    fn is_certainly_gone(&self) -> bool {
        self.any_of.iter().all(Option::is_none)
    }
}

/// A caller with users of its own.
pub(crate) struct Writer {
    number: usize,
    node: usize,
    random: fastrand::Rng,
    caller: Caller,
    calls: usize,
    pub(crate) users: BTreeMap<String, Expected>,
}

impl Writer {
    fn write(mut self, load: &Load) -> Self {
        while !load.over.load(Ordering::Relaxed) {
            self.calls += 1;
            let done = match self.random.u8(0..10) {
                0..4 => self.import(load),
                4..6 => self.delete(load),
                6..8 => self.set_portrait(load),
                8 => self.kick(load),
                _ => self.check(load),
            };
            if let Err(Unknown) = done {
                load.failed.fetch_add(1, Ordering::Relaxed);
                thread::sleep(PAUSE);
            }
        }
        self
    }

    fn some_users(&mut self, most: usize) -> Vec<String> {
        let among = USERS_AT_FIRST + MORE_USERS_A_CALL * self.calls;
        let number = self.random.usize(1..=most);
        let mut users: Vec<String> = (0..number)
            .map(|_| format!("w{}-{}", self.number, self.random.usize(0..among)))
            .collect();
        users.sort_unstable();
        users.dedup();
        users
    }

    /// Somebody who is there whatever became of the calls that failed.
    fn some_account(&mut self) -> Option<String> {
        let there = self
            .users
            .iter()
            .filter(|(_, user)| user.is_certainly_there());
        let there: Vec<_> = there.map(|(user_id, _)| user_id).collect();
        self.random.choice(there).cloned()
    }

    /// A write at this caller's node.
    fn call(&mut self, load: &Load, command: &str, body: &Value) -> Result<Value, Unknown> {
        let answer = self.caller.call(&load.url(self.node), command, body)?;
        load.acknowledged[self.node]
            .lock()
            .unwrap()
            .push(Instant::now());
        Ok(answer)
    }

    /// What is there of these users now, if the call was acknowledged, or may be.
    fn are_now(&mut self, users: &[String], state: Option<&str>, certainly: bool) {
        for user_id in users {
            let user = self.users.entry(user_id.clone()).or_insert(Expected {
                any_of: vec![None],
                kicked: false,
            });
            if certainly {
                user.any_of.clear();
            }
            user.any_of.push(state.map(ToOwned::to_owned));
        }
    }

    fn import(&mut self, load: &Load) -> Result<(), Unknown> {
        let users = self.some_users(20);
        let nick = format!("n{}", self.calls);
        let entry = |user_id| json!({"UserID": user_id, "Nick": nick});
        let entries: Vec<_> = users.iter().map(entry).collect();
        let body = json!({ "AccountList": entries });
        let done = self.call(load, "im_open_login_svc/multiaccount_import", &body);
        self.are_now(&users, Some(&nick), done.is_ok());
        assert_eq!(done?["FailAccounts"], json!([]));
        Ok(())
    }

    fn delete(&mut self, load: &Load) -> Result<(), Unknown> {
        let users = self.some_users(5);
        let item = |user_id| json!({ "UserID": user_id });
        let items: Vec<_> = users.iter().map(item).collect();
        let body = json!({ "DeleteItem": items });
        let done = self.call(load, "im_open_login_svc/account_delete", &body);
        if let Ok(answer) = &done {
            for (user_id, item) in users.iter().zip(answer["ResultItem"].as_array().unwrap()) {
                let expected = self.users.get(user_id);
                let right = match item["ResultCode"].as_i64().unwrap() {
                    0 => expected.is_some_and(|user| !user.is_certainly_gone()),
                    70_107 => expected.is_none_or(|user| !user.is_certainly_there()),
                    _ => false,
                };
                assert!(right, "deleted {item}, where {:?}", any_of(expected));
            }
        }
        self.are_now(&users, None, done.is_ok());
        done.map(drop)
    }

    fn set_portrait(&mut self, load: &Load) -> Result<(), Unknown> {
        let Some(user_id) = self.some_account() else {
            return Ok(());
        };
        let nick = format!("p{}", self.calls);
        let body = json!({
            "From_Account": user_id,
            "ProfileItem": [{"Tag": "Tag_Profile_IM_Nick", "Value": nick}],
        });
        let done = self.call(load, "profile/portrait_set", &body);
        self.are_now(&[user_id], Some(&nick), done.is_ok());
        done.map(drop)
    }

    fn kick(&mut self, load: &Load) -> Result<(), Unknown> {
        let Some(user_id) = self.some_account() else {
            return Ok(());
        };
        let body = json!({ "UserID": user_id });
        self.call(load, "im_open_login_svc/kick", &body)?;
        self.users.get_mut(&user_id).unwrap().kicked = true;
        Ok(())
    }

    /// What this caller's node acknowledged is asked of the next.
    fn check(&mut self, load: &Load) -> Result<(), Unknown> {
        let users = self.some_users(50);
        let item = |user_id| json!({ "UserID": user_id });
        let items: Vec<_> = users.iter().map(item).collect();
        let body = json!({ "CheckItem": items });
        let next = load.url((self.node + 1) % NODES);
        let answer = self
            .caller
            .call(&next, "im_open_login_svc/account_check", &body)?;
        for (user_id, item) in users.iter().zip(answer["ResultItem"].as_array().unwrap()) {
            let expected = self.users.get(user_id);
            let right = match item["AccountStatus"].as_str().unwrap() {
                "Imported" => expected.is_some_and(|user| !user.is_certainly_gone()),
                _ => expected.is_none_or(|user| !user.is_certainly_there()),
            };
            assert!(right, "checked {item}, where {:?}", any_of(expected));
        }
        Ok(())
    }
}

fn any_of(user: Option<&Expected>) -> &[Option<String>] {
    user.map_or(&[None], |user| &user.any_of)
}
