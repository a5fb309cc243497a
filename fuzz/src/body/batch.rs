//! The batch import (wire §3.3) against a second reading, off a [`Value`], step by step as it is
//! written.

use muster_accounts::UserId;
use muster_wire::{Failure, Request};
use serde_json::{Map, Value};

use crate::answer::succeeded;

/// One user to import, as texts: position, id, nickname, avatar.
type PlainEntry = (usize, String, Option<String>, Option<String>);

/// The users to import, and what of the list is no user id.
type PlainBatch = (Vec<PlainEntry>, Vec<String>);

/// The body was read right.
pub(super) fn against_plain_reading(
    object: &Map<String, Value>,
    decoded: &Result<Request, Failure>,
) {
    match (plain_reading(object), decoded) {
        (Ok((entries, invalid)), Ok(Request::MultiaccountImport(request))) => {
            let read = request.import.entries().iter().map(|entry| {
                let nick = entry.nick.as_ref().map(|nick| nick.as_str().to_owned());
                let face_url = entry.face_url.as_ref().map(|url| url.as_str().to_owned());
                (entry.position, entry.user_id.to_string(), nick, face_url)
            });
            assert_eq!(read.collect::<Vec<_>>(), entries);
            let answer = succeeded(&request.invalid.answer(&[]));
            assert_eq!(answer["FailAccounts"], Value::from(invalid));
        }
        (Err((code, info)), Err(failure)) => {
            assert_eq!((failure.code.get(), &failure.info), (code, &info));
            assert_eq!(failure.fail_accounts, Some(Vec::new()));
        }
        (plain, _) => panic!("plainly read {plain:?}, but {decoded:?}"),
    }
}

fn plain_reading(body: &Map<String, Value>) -> Result<PlainBatch, (u32, String)> {
    let list = typed_list(body)?;
    let text = |entry: &Value, field: &str| Some(entry.get(field)?.as_str()?.to_owned());
    for (i, entry) in list.iter().enumerate() {
        for name in ["Nick", "FaceUrl"] {
            let bytes = text(entry, name).map_or(0, |text| text.len());
            if bytes > 500 {
                let info =
                    format!("AccountList[{i}].{name} is {bytes} bytes long, the limit is 500.");
                return Err((40601, info));
            }
        }
    }

    let mut entries: Vec<PlainEntry> = Vec::new();
    let mut invalid = Vec::new();
    for (position, entry) in list.iter().enumerate() {
        let bare = entry.as_str().map(str::to_owned);
        let id = bare.or_else(|| text(entry, "UserID")).unwrap();
        let (nick, face_url) = (text(entry, "Nick"), text(entry, "FaceUrl"));
        if UserId::parse(&id).is_err() {
            if !invalid.contains(&id) {
                invalid.push(id);
            }
            continue;
        }
        // The last one counts as a whole, at the place of the first.
        match entries.iter_mut().find(|(_, known, ..)| *known == id) {
            Some(known) => *known = (known.0, id, nick, face_url),
            None => entries.push((position, id, nick, face_url)),
        }
    }
    Ok((entries, invalid))
}

/// The list that counts, all its entries of the right types.
fn typed_list(body: &Map<String, Value>) -> Result<&[Value], (u32, String)> {
    let bad = |info: String| (70402, format!("Invaild parameters. {info}"));
    let present = |key: &str| body.get(key).filter(|value| !value.is_null());
    let (name, list) = match (present("AccountList"), present("Accounts")) {
        (Some(list), _) => ("AccountList", list),
        (None, Some(list)) => ("Accounts", list),
        (None, None) => return Err(bad("AccountList is missing.".to_owned())),
    };
    let Some(list) = list.as_array() else {
        return Err(bad(format!("{name} is not an array.")));
    };
    match list.len() {
        0 => return Err(bad(format!("{name} is empty."))),
        1..=100 => {}
        count => {
            let info = format!("{name} has {count} entries, the limit is 100.");
            return Err(bad(info));
        }
    }
    let not_a_string = || (60015, "body account invalid".to_owned());
    for (i, entry) in list.iter().enumerate() {
        if name == "Accounts" {
            entry.as_str().ok_or_else(not_a_string)?;
            continue;
        }
        let Some(entry) = entry.as_object() else {
            return Err(bad(format!("AccountList[{i}] is not an object.")));
        };
        let Some(user_id) = entry.get("UserID") else {
            return Err(bad(format!("AccountList[{i}].UserID is missing.")));
        };
        user_id.as_str().ok_or_else(not_a_string)?;
        for field in ["Nick", "FaceUrl"] {
            let value = entry.get(field).unwrap_or(&Value::Null);
            if !value.is_null() && !value.is_string() {
                return Err(bad(format!("AccountList[{i}].{field} is not a string.")));
            }
        }
    }
    Ok(list)
}
