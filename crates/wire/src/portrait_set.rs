//! `portrait_set` (wire §3.8).

use std::{borrow::Cow, collections::BTreeSet};

use bytestring::ByteString;
use muster_accounts::{ProfileField, UserId, profile::CustomField};
use serde::de::MapAccess;

use crate::{
    Failure, Service,
    answer::{ENVELOPE_BYTES, NoData, ok_body},
    json::{self, Fields, List, Object, Value},
    profile_tag::Tag,
};

const LIMIT_ITEMS: usize = 100;

/// Fields to write.
///
/// Both parts can hold a failure, because the account is judged before the fields, and whether it
/// exists is not known here: a caller answers that of `account` first, then [`not_imported`], then
/// that of `fields`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Whose profile; a name that breaks wire §4.1 is an account that does not exist.
    pub account: Result<UserId, Failure>,
    /// The fields in request order, or what is wrong with the first wrong one.
    pub fields: Result<Vec<ProfileField>, Failure>,
}

#[derive(Default)]
pub(crate) struct Body<'b> {
    from_account: Value<'b>,
    profile_item: List<Object<Item<'b>>, LIMIT_ITEMS>,
}

#[derive(Default)]
struct Item<'b> {
    tag: Value<'b>,
    value: Value<'b>,
}

impl<'b> Fields<'b> for Body<'b> {
    fn field<A: MapAccess<'b>>(&mut self, key: &str, object: &mut A) -> Result<(), A::Error> {
        match key {
            "From_Account" => self.from_account = json::read(object)?,
            "ProfileItem" => self.profile_item = json::read(object)?,
            _ => json::skip_value(object)?,
        }
        Ok(())
    }
}

impl<'b> Fields<'b> for Item<'b> {
    fn field<A: MapAccess<'b>>(&mut self, key: &str, object: &mut A) -> Result<(), A::Error> {
        match key {
            "Tag" => self.tag = json::read(object)?,
            "Value" => self.value = json::read(object)?,
            _ => json::skip_value(object)?,
        }
        Ok(())
    }
}

pub(crate) fn decode(
    body: &ByteString,
    fields: Body<'_>,
    declared: &BTreeSet<CustomField>,
) -> Result<Request, Failure> {
    let bad_parameter = Failure::profile_bad_parameter;
    let Value::Text(from_account) = fields.from_account else {
        return Err(bad_parameter());
    };
    let mut items = Vec::new();
    for Object(item) in fields.profile_item.filled().ok_or_else(bad_parameter)? {
        match item {
            None
            | Some(Item {
                value: Value::Absent,
                ..
            }) => return Err(bad_parameter()),
            Some(Item {
                tag: Value::Text(tag),
                value,
            }) => items.push((tag, value)),
            Some(_) => return Err(bad_parameter()),
        }
    }
    let field = |(position, (tag, value)): (usize, (Cow<'_, str>, Value<'_>))| {
        Tag::parse(&tag, declared)?.field(value, body, position)
    };
    Ok(Request {
        account: UserId::parse(&from_account)
            .map_err(|_| Failure::profile_not_imported(&from_account)),
        fields: items.into_iter().enumerate().map(field).collect(),
    })
}

/// The answer to a change that happened.
pub fn answer() -> Vec<u8> {
    ok_body(Service::Profile, NoData {}, ENVELOPE_BYTES)
}

/// The answer if there is no account of that user.
pub fn not_imported(user_id: &UserId) -> Failure {
    Failure::profile_not_imported(user_id.as_str())
}
