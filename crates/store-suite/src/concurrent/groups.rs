//! Users in groups. Each import writes one or two whole groups, in any order of users, with a nickname
//! that no other call writes. So every read of a group must show one nickname: that of a writing which
//! was not overwritten before the read began.

use std::{collections::HashMap, sync::Arc};

use fastrand::Rng;
use muster_accounts::{
    Account, AccountStore, Edition, OpError, ProfileField, SdkAppId, UnixSeconds, UserId,
    rules::{
        import::{ImportRequest, Imported},
        kick::KickRefusal,
        profile::ProfileRefusal,
    },
};
use tokio::task::{JoinSet, yield_now};

use super::{CALLERS, Shared, all, entry, time, user};

const APP: SdkAppId = SdkAppId(101);
const GROUPS: usize = 4;
const MEMBERS: usize = 6;
const ROUNDS: usize = 25;
const READERS: usize = 3;

/// A nickname that was written or read. 0 is read where there is no account.
#[derive(Clone, Copy)]
struct Value {
    group: usize,
    nick: u64,
    /// The tick before the call, and the one after it.
    from: u64,
    to: u64,
}

enum Seen {
    Write(Value),
    Read(Value),
    /// The group's accounts were made.
    Created(usize),
}

pub(super) async fn run(shared: Shared) {
    shared.create_app(APP, Edition::Developer).await;
    let running = Arc::new(());
    let over = Arc::downgrade(&running);
    let mut tasks = JoinSet::new();
    for writer in 0..CALLERS {
        let (shared, running) = (shared.clone(), running.clone());
        tasks.spawn(async move {
            let seen = write(&shared, writer).await;
            drop(running);
            seen
        });
    }
    for group in 0..GROUPS {
        let (shared, running) = (shared.clone(), running.clone());
        tasks.spawn(async move {
            let seen = change_members(&shared, group).await;
            drop(running);
            seen
        });
    }
    drop(running);
    for reader in 0..READERS {
        let (shared, over) = (shared.clone(), over.clone());
        tasks.spawn(async move {
            let mut seen = Vec::new();
            while over.strong_count() > 0 {
                seen.extend(read(&shared, reader).await);
                yield_now().await;
            }
            seen
        });
    }
    let seen: Vec<Seen> = all(tasks).await.into_iter().flatten().collect();
    for group in 0..GROUPS {
        assert_in_order(&seen, group);
    }
}

fn members(group: usize) -> Vec<UserId> {
    let first = group * MEMBERS;
    (first..first + MEMBERS)
        .map(|number| user("member", number))
        .collect()
}

async fn write(shared: &Shared, writer: usize) -> Vec<Seen> {
    let store = shared.store(writer);
    let mut rng = Rng::with_seed(writer as u64);
    let mut seen = Vec::new();
    for _ in 0..ROUNDS {
        yield_now().await;
        let mut groups: Vec<usize> = (0..GROUPS).collect();
        rng.shuffle(&mut groups);
        groups.truncate(rng.usize(1..=2));
        let mut users: Vec<UserId> = groups.iter().flat_map(|group| members(*group)).collect();
        rng.shuffle(&mut users);

        let from = shared.tick();
        let entries = users.iter().map(|user_id| entry(*user_id, from)).collect();
        let request = ImportRequest::new(entries);
        let outcome = store.import(APP, request, time(from)).await.unwrap();
        let to = shared.tick();

        let outcomes: HashMap<UserId, Imported> = users.into_iter().zip(outcome.entries).collect();
        for group in groups {
            let members = members(group);
            let outcome = outcomes[&members[0]];
            assert!(matches!(outcome, Imported::Created | Imported::Updated));
            let whole = members.iter().all(|user_id| outcomes[user_id] == outcome);
            assert!(whole, "a call met a part of another: {outcomes:?}");
            if outcome == Imported::Created {
                seen.push(Seen::Created(group));
            }
            let nick = from;
            seen.push(Seen::Write(Value {
                group,
                nick,
                from,
                to,
            }));
            // From here on it is to be seen, unless another has overwritten it.
            seen.push(read_group(shared, &*store, group).await.0);
        }
    }
    seen
}

/// Changes what no import and nobody else changes of the members of one group; so all of it must stay.
async fn change_members(shared: &Shared, group: usize) -> Vec<Seen> {
    let store = shared.store(group);
    let mut rng = Rng::with_seed(group as u64);
    let members = members(group);
    let mut expected = [(None, None); MEMBERS];
    let mut seen = Vec::new();
    let mut round = 0;
    while round < ROUNDS {
        yield_now().await;
        let i = rng.usize(..MEMBERS);
        let tick = shared.tick();
        if rng.bool() {
            let level = u32::try_from(tick).unwrap();
            let fields = vec![ProfileField::Level(level)];
            let outcome = store.set_profile(APP, members[i], fields, time(tick)).await;
            match outcome {
                Ok(()) => expected[i].0 = Some(level),
                Err(OpError::Refused(ProfileRefusal::NotImported)) => {}
                Err(error) => panic!("{error}"),
            }
        } else {
            let kicks = store.kicks();
            match store.kick(APP, members[i], time(tick)).await {
                Ok(()) => {
                    expected[i].1 = Some(time(tick));
                    assert_ne!(store.kicks(), kicks, "a kick goes unnoticed");
                }
                Err(OpError::Refused(KickRefusal::NotImported)) => {}
                Err(error) => panic!("{error}"),
            }
            let mark = store.kicked_at(APP, &members[i]).await.unwrap();
            assert_eq!(mark, expected[i].1, "a kick is lost");
        }
        let (read, accounts) = read_group(shared, &*store, group).await;
        seen.push(read);
        let changed = |account: &Account| -> (Option<u32>, Option<UnixSeconds>) {
            let more = account.profile.more.as_ref();
            (more.and_then(|more| more.level), account.kicked_at)
        };
        let changed: Vec<_> = accounts.iter().map(changed).collect();
        if changed.is_empty() {
            assert_eq!(expected, [(None, None); MEMBERS]);
            continue;
        }
        assert_eq!(changed, expected, "a change is lost");
        round += 1;
    }
    seen
}

async fn read(shared: &Shared, reader: usize) -> Vec<Seen> {
    let store = shared.store(reader);
    let mut seen = Vec::new();
    for group in 0..GROUPS {
        seen.push(read_group(shared, &*store, group).await.0);
        let found = store.check(APP, &members(group)).await.unwrap();
        assert!(found.iter().all(|is| *is == found[0]), "{found:?}");
    }
    let from = shared.tick();
    let mut page = store.page(APP, None, 1000).await.unwrap();
    let to = shared.tick();
    page.retain(|account| !account.user_id.is_administrator());
    for group in 0..GROUPS {
        let members = members(group);
        let of_group = page
            .iter()
            .filter(|account| members.contains(&account.user_id));
        let nick = one_nick(of_group);
        seen.push(Seen::Read(Value {
            group,
            nick,
            from,
            to,
        }));
    }
    seen
}

async fn read_group(
    shared: &Shared,
    store: &dyn AccountStore,
    group: usize,
) -> (Seen, Vec<Account>) {
    let from = shared.tick();
    let accounts = store.accounts(APP, &members(group)).await.unwrap();
    let to = shared.tick();
    let accounts: Vec<Account> = accounts.into_iter().flatten().collect();
    let value = Value {
        group,
        nick: one_nick(accounts.iter()),
        from,
        to,
    };
    (Seen::Read(value), accounts)
}

/// The nickname of a whole group.
fn one_nick<'a>(accounts: impl Iterator<Item = &'a Account>) -> u64 {
    let nicks: Vec<&str> = accounts
        .map(|account| account.profile.nick.as_str())
        .collect();
    let Some(nick) = nicks.first() else {
        return 0;
    };
    let whole = nicks.len() == MEMBERS && nicks.iter().all(|other| other == nick);
    assert!(whole, "a read saw a part of a call: {nicks:?}");
    nick.parse().unwrap()
}

/// There is an order of the calls, each at some moment between its begin and its end, in which every
/// read shows what was written last.
fn assert_in_order(seen: &[Seen], group: usize) {
    let mut created = 0;
    // By nickname: when the writing had begun, and by when it had happened.
    let mut writes = HashMap::from([(0, (0, 0))]);
    let mut reads = Vec::new();
    for seen in seen {
        match *seen {
            Seen::Write(value) if value.group == group => {
                writes.insert(value.nick, (value.from, value.to));
            }
            Seen::Read(value) if value.group == group => reads.push(value),
            Seen::Created(of) if of == group => created += 1,
            Seen::Write(_) | Seen::Read(_) | Seen::Created(_) => {}
        }
    }
    assert_eq!(created, 1, "imports that made the group's accounts");
    for read in &reads {
        let known = writes.get_mut(&read.nick);
        let (from, by) = known.expect("only what was written is read");
        assert!(*from < read.to, "read before it was written");
        *by = read.to.min(*by);
    }
    for read in &reads {
        let (_, read_by) = writes[&read.nick];
        for (nick, (from, by)) in &writes {
            let between = read_by < *from && *by < read.from;
            assert!(!between, "read {}, after {nick} was there", read.nick);
        }
    }
}
