//! The import rules of wire §3.2, §3.3 steps 6 to 9 and §5, as a caller of the crate sees them.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::BTreeSet;

use muster_accounts::{
    Account, App, AppKey, AppSettings, Edition, InternalId, Nick, Profile, SdkAppId, Tombstone,
    UnixSeconds, UserId,
    rules::{
        Known, Write,
        import::{
            Barred, ImportEntry, ImportOutcome, ImportRefusal, ImportRequest, Imported, Stored,
            plan,
        },
    },
};
use muster_usersig::SecretKey;

const NOW: UnixSeconds = UnixSeconds(1_800_000_000);
const DAY_S: u64 = 86_400;

fn app(edition: Edition) -> App {
    App {
        sdkappid: SdkAppId(1_400_000_000),
        edition,
        keys: vec![AppKey {
            key: SecretKey::from_random([1; 32]),
            until: None,
        }],
        admins: BTreeSet::from([UserId::ADMINISTRATOR]),
        created_at: UnixSeconds(0),
        settings: AppSettings::default(),
        times_disabled: 0,
    }
}

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

fn nick(text: &str) -> Nick {
    Nick::parse(text.into()).unwrap()
}

fn entry(position: usize, name: &str, nickname: Option<&str>) -> ImportEntry {
    ImportEntry {
        position,
        user_id: user(name),
        nick: nickname.map(nick),
        face_url: None,
    }
}

fn account(number: u64, name: &str, nickname: &str) -> Account {
    Account {
        internal_id: InternalId::new(number).unwrap(),
        user_id: user(name),
        imported_at: UnixSeconds(5),
        changed_at: UnixSeconds(5),
        kicked_at: None,
        profile: Profile {
            nick: nick(nickname),
            ..Profile::default()
        },
    }
}

fn deleted(name: &str, deleted_at: UnixSeconds) -> Known {
    let internal_id = InternalId::FIRST;
    Known::Deleted(Tombstone {
        internal_id,
        user_id: user(name),
        deleted_at,
        kicked_at: None,
    })
}

fn run(
    edition: Edition,
    counted: u64,
    entries: Vec<ImportEntry>,
    known: Vec<Known>,
) -> Result<(Vec<Write>, ImportOutcome), ImportRefusal> {
    let stored = known.into_iter().map(Stored::Known).collect();
    run_on(edition, counted, entries, stored)
}

fn run_on(
    edition: Edition,
    counted: u64,
    entries: Vec<ImportEntry>,
    stored: Vec<Stored>,
) -> Result<(Vec<Write>, ImportOutcome), ImportRefusal> {
    let mut id = InternalId::new(1 << 60).unwrap();
    let new_id = || {
        id = id.next();
        id
    };
    plan(
        &app(edition),
        counted,
        ImportRequest::new(entries),
        stored,
        NOW,
        new_id,
    )
}

#[test]
fn the_last_duplicate_counts_as_a_whole_at_the_first_position() {
    let request = ImportRequest::new(vec![
        entry(0, "a", Some("first")),
        entry(1, "b", Some("bee")),
        entry(2, "a", Some("second")),
        entry(3, "c", None),
        entry(4, "a", None),
        entry(5, "c", Some("sea")),
    ]);
    assert_eq!(
        request.entries(),
        [
            entry(0, "a", None),
            entry(1, "b", Some("bee")),
            entry(3, "c", Some("sea"))
        ]
    );
}

#[test]
fn a_field_not_passed_stays_and_an_empty_one_overwrites() {
    let stored = account(1 << 58, "a", "Ann");
    for (passed, expected) in [
        (None, None),
        (Some("Ann"), None),
        (Some(""), Some("")),
        (Some("Bea"), Some("Bea")),
    ] {
        let known = vec![Known::Account(stored.clone())];
        let (writes, outcome) =
            run(Edition::Developer, 1, vec![entry(0, "a", passed)], known).unwrap();
        let expected_writes = match expected {
            None => vec![],
            Some(text) => {
                let mut account = stored.clone();
                account.profile.nick = nick(text);
                account.changed_at = NOW;
                vec![Write::Update(account)]
            }
        };
        assert_eq!(writes, expected_writes, "{passed:?}");
        assert!(matches!(
            outcome.entries[..],
            [Imported::Updated | Imported::Unchanged]
        ));
    }
}

#[test]
fn the_bar_lasts_ninety_days_to_the_second() {
    let end = UnixSeconds(NOW.0 - 90 * DAY_S);
    for (edition, deleted_at, barred) in [
        (Edition::Standard, end, false),
        (Edition::Standard, end.plus(1), true),
        (Edition::Enterprise, NOW, true),
        (Edition::Developer, NOW, false),
        // The clock was set back.
        (Edition::Developer, NOW.plus(1), false),
        (Edition::Trial, NOW, false),
    ] {
        let result = run(
            edition,
            0,
            vec![entry(0, "a", None)],
            vec![deleted("a", deleted_at)],
        );
        if barred {
            let until = deleted_at.plus(90 * DAY_S);
            let refusal = vec![Barred {
                position: 0,
                user_id: user("a"),
                until,
            }];
            assert_eq!(result, Err(ImportRefusal::AllBarred(refusal)), "{edition}");
        } else {
            let (writes, _) = result.unwrap();
            assert!(
                matches!(&writes[..], [Write::Create { account, replaces: Some(InternalId::FIRST) }]
                    if account.internal_id != InternalId::FIRST),
                "{edition}: {writes:?}"
            );
        }
    }
}

#[test]
fn one_free_user_is_imported_beside_barred_ones() {
    let entries = vec![entry(0, "a", None), entry(3, "b", None)];
    let (writes, outcome) = run(
        Edition::Pro,
        0,
        entries,
        vec![deleted("a", NOW), Known::Nothing],
    )
    .unwrap();
    assert_eq!(writes.len(), 1);
    let created = |entry: &&Imported| **entry == Imported::Created;
    assert_eq!(outcome.entries.iter().filter(created).count(), 1);
    assert_eq!(outcome.barred.len(), 1);
}

#[test]
fn the_trial_cap_counts_new_accounts_only() {
    let known = || Known::Account(account(1 << 58, "old", ""));
    let refused = Err(ImportRefusal::OverCap { cap: 100 });
    let new = |name| entry(0, name, None);
    // Full, but the call only updates.
    assert!(run(Edition::Trial, 100, vec![new("old")], vec![known()]).is_ok());
    // Above the cap after a change of edition, still only an update.
    assert!(run(Edition::Trial, 500, vec![new("old")], vec![known()]).is_ok());
    assert_eq!(
        run(Edition::Trial, 100, vec![new("a")], vec![Known::Nothing]),
        refused
    );
    assert!(run(Edition::Trial, 99, vec![new("a")], vec![Known::Nothing]).is_ok());
    // Two new ones do not fit where one would: none is imported.
    let two = vec![new("a"), new("b"), new("old")];
    assert_eq!(
        run(
            Edition::Trial,
            99,
            two,
            vec![Known::Nothing, Known::Nothing, known()]
        ),
        refused
    );
    // `administrator` does not count.
    assert!(
        run(
            Edition::Trial,
            100,
            vec![new("administrator")],
            vec![Known::Nothing]
        )
        .is_ok()
    );
    assert!(
        run(
            Edition::Developer,
            1 << 40,
            vec![new("a")],
            vec![Known::Nothing]
        )
        .is_ok()
    );
}

#[test]
fn a_refused_request_uses_no_internal_id() {
    let never = || -> InternalId { panic!("asked for an id") };
    let request = ImportRequest::new(vec![entry(0, "a", None)]);
    let result = plan(
        &app(Edition::Trial),
        100,
        request,
        vec![Stored::Known(Known::Nothing)],
        NOW,
        never,
    );
    assert_eq!(result, Err(ImportRefusal::OverCap { cap: 100 }));
}

/// A store may know that an account has the values of an entry without reading it: the plan is the
/// one that reading it would have led to.
#[test]
fn an_account_known_to_be_the_same_is_one_that_was_read() {
    let full = |name: &str| ImportEntry {
        face_url: Some(Profile::default().face_url),
        ..entry(0, name, Some("Ann"))
    };
    let read = Stored::Known(Known::Account(account(1 << 58, "a", "Ann")));
    let barred = Stored::Known(deleted("b", NOW));
    let new = Stored::Known(Known::Nothing);
    for edition in [Edition::Trial, Edition::Developer, Edition::Pro] {
        for other in [&barred, &new] {
            let plan = |a: &Stored| {
                let entries = vec![full("a"), full("b")];
                run_on(edition, 99, entries, vec![a.clone(), other.clone()])
            };
            assert_eq!(plan(&Stored::Same), plan(&read), "{edition:?} {other:?}");
        }
    }
}
