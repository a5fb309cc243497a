//! Users that a caller asks about, in the order asked. A text that is no user id is a user who does
//! not exist (wire §3.5, §3.9).

use std::borrow::Cow;

use bytestring::ByteString;
use muster_accounts::UserId;

use crate::json::share;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    User(UserId),
    /// No user id; the text as sent.
    Invalid(ByteString),
}

impl Asked {
    pub(crate) fn parse(body: &ByteString, text: Cow<'_, str>) -> Self {
        UserId::parse(&text).map_or_else(|_| Self::Invalid(share(body, text)), Self::User)
    }

    pub(crate) fn text(&self) -> &str {
        match self {
            Self::User(user_id) => user_id.as_str(),
            Self::Invalid(text) => text,
        }
    }
}

/// Those that can exist, in the order asked and as often.
pub(crate) fn users(asked: &[Asked]) -> Vec<UserId> {
    let user = |one: &Asked| match one {
        Asked::User(user_id) => Some(*user_id),
        Asked::Invalid(_) => None,
    };
    asked.iter().filter_map(user).collect()
}

/// Each text asked about with what was found under it; `found` answers [`users`] of `asked`.
pub(crate) fn with_found<'a, T>(
    asked: &'a [Asked],
    found: &'a [T],
) -> impl Iterator<Item = (&'a str, Option<&'a T>)> {
    let mut found = found.iter();
    asked.iter().map(move |one| {
        let found = match one {
            Asked::User(_) => Some(found.next().expect("one answer for each user asked about")),
            Asked::Invalid(_) => None,
        };
        (one.text(), found)
    })
}
