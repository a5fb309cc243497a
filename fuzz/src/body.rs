//! Bodies (wire §3): what is JSON, what an import says, and that everything can be answered.
//!
//! The first byte picks the command, `0` to `8` in the order of [`Command::ALL`]; the rest is the
//! body.

mod batch;

use std::collections::BTreeSet;

use bytes::Bytes;
use muster_accounts::{
    Account, InternalId, Profile, UnixSeconds, UserId, profile::CustomField,
    rules::delete::Deletion,
};
use muster_wire::{
    Command, ErrorCode, Request, account_import, kick, online_status::Status, platform::Platform,
    portrait_set,
};
use serde_json::{Map, Value};

use crate::answer::{failed, succeeded};

/// One input.
pub fn check(data: &[u8]) {
    let Some((first, body)) = data.split_first() else {
        return;
    };
    let number = usize::from(first.wrapping_sub(b'0'));
    let command = Command::ALL[number % Command::ALL.len()];
    let declared = BTreeSet::from([CustomField::parse("Team").unwrap()]);
    let decoded = Request::decode(command, &Bytes::copy_from_slice(body), &declared);

    let object = serde_json::from_slice::<Map<String, Value>>(body).ok();
    match decoded.as_ref().map_err(|failure| failure.code) {
        Err(ErrorCode::BodyNotJson) => assert_eq!(object, None),
        // The code for parameters too.
        Err(ErrorCode::OpenImBadBody) => {}
        _ => assert_ne!(object, None),
    }
    if command == Command::MultiaccountImport
        && let Some(object) = &object
    {
        batch::against_plain_reading(object, &decoded);
    }
    match decoded {
        Ok(request) => answered(request),
        Err(failure) => {
            failed(Some(command.service()), &failure);
        }
    }
}

/// Whatever the store finds, there is an answer, with an entry for each that was asked about.
fn answered(request: Request) {
    match request {
        Request::AccountImport(import) => {
            assert_eq!(import.entries().len(), 1);
            succeeded(&account_import::answer());
        }
        // `batch` reads its answer.
        Request::MultiaccountImport(_) => {}
        Request::AccountDelete(request) => match request.0 {
            Ok(request) => {
                let kinds = [Deletion::Deleted, Deletion::NotImported, Deletion::Admin];
                let deletions: Vec<_> = (0..request.users.len()).map(|i| kinds[i % 3]).collect();
                let answer = succeeded(&request.answer(&deletions));
                has_entries(&answer["ResultItem"], 1..=100);
            }
            Err(failure) => {
                failed(Some(Command::AccountDelete.service()), &failure);
            }
        },
        Request::AccountCheck(request) => {
            let found: Vec<_> = (0..request.users.len()).map(|i| i % 2 == 0).collect();
            let answer = succeeded(&request.answer(&found));
            has_entries(&answer["ResultItem"], 1..=100);
        }
        Request::Kick(_) => {
            succeeded(&kick::answer());
        }
        Request::OnlineStatus(request) => {
            let kinds = [
                Status::NotImported,
                Status::Devices(Vec::new()),
                Status::Devices(vec![Platform::Web, Platform::Windows, Platform::Linux]),
            ];
            let found = |i: usize| kinds[i % kinds.len()].clone();
            let found: Vec<_> = (0..request.users.len()).map(found).collect();
            let answer = succeeded(&request.answer(&found));
            let entries = [&answer["QueryResult"], &answer["ErrorList"]];
            let count: usize = entries
                .iter()
                .map(|list| list.as_array().unwrap().len())
                .sum();
            assert!((1..=500).contains(&count));
        }
        Request::PortraitSet(request) => {
            for failure in [request.account.err(), request.fields.err()]
                .into_iter()
                .flatten()
            {
                failed(Some(Command::PortraitSet.service()), &failure);
            }
            succeeded(&portrait_set::answer());
        }
        Request::PortraitGet(request) => {
            let found = |(i, user_id): (usize, &UserId)| (i % 2 == 0).then(|| account(*user_id));
            let found: Vec<_> = request.users.iter().enumerate().map(found).collect();
            let answer = succeeded(&request.answer(&found));
            has_entries(&answer["UserProfileItem"], 1..=500);
        }
    }
}

fn has_entries(list: &Value, count: std::ops::RangeInclusive<usize>) {
    assert!(count.contains(&list.as_array().unwrap().len()));
}

fn account(user_id: UserId) -> Account {
    Account {
        internal_id: InternalId::FIRST,
        user_id,
        imported_at: UnixSeconds(0),
        changed_at: UnixSeconds(0),
        kicked_at: None,
        profile: Profile::default(),
    }
}
