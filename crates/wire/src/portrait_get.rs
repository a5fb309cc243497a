//! `portrait_get` (wire §3.9).

use std::{borrow::Cow, collections::BTreeSet};

use bytestring::ByteString;
use muster_accounts::{Account, UserId, profile::CustomField};
use serde::{Serialize, de::MapAccess};

use crate::{
    Failure, Service,
    answer::{ENVELOPE_BYTES, ok_body},
    asked::{self, Asked},
    json::{self, Fields, List, Value},
    profile_tag::{Tag, TagValue},
};

const LIMIT_ACCOUNTS: usize = 500;
const LIMIT_TAGS: usize = 100;

/// Users whose profiles are asked for, and the fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Those that can exist, in the order asked, repeated ones as often as asked.
    pub users: Vec<UserId>,
    asked: Vec<Asked>,
    /// Each once: repeated ones would multiply an answer that is long already.
    tags: Vec<Tag>,
}

#[derive(Default)]
pub(crate) struct Body<'b> {
    to_account: List<Value<'b>, LIMIT_ACCOUNTS>,
    tag_list: List<Value<'b>, LIMIT_TAGS>,
}

impl<'b> Fields<'b> for Body<'b> {
    fn field<A: MapAccess<'b>>(&mut self, key: &str, object: &mut A) -> Result<(), A::Error> {
        match key {
            "To_Account" => self.to_account = json::read(object)?,
            "TagList" => self.tag_list = json::read(object)?,
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
    if let List::Absent | List::Entries { count: 0, .. } = fields.to_account {
        return Err(Failure::profile_no_accounts());
    }
    let accounts = texts(fields.to_account)?;
    let tag_names = texts(fields.tag_list)?;
    let mut tags = Vec::new();
    for name in tag_names {
        let tag = Tag::parse(&name, declared)?;
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    let asked: Vec<_> = accounts
        .into_iter()
        .map(|text| Asked::parse(body, text))
        .collect();
    Ok(Request {
        users: asked::users(&asked),
        asked,
        tags,
    })
}

fn texts<const LIMIT: usize>(list: List<Value<'_>, LIMIT>) -> Result<Vec<Cow<'_, str>>, Failure> {
    let entries = list.filled().ok_or_else(Failure::profile_bad_parameter)?;
    let text = |entry| match entry {
        Value::Text(text) => Ok(text),
        _ => Err(Failure::profile_bad_parameter()),
    };
    entries.into_iter().map(text).collect()
}

#[derive(Serialize)]
struct Answer<'a> {
    #[serde(rename = "UserProfileItem")]
    user_profile_item: Vec<UserProfileItem<'a>>,
    #[serde(rename = "Fail_Account", skip_serializing_if = "Vec::is_empty")]
    fail_account: Vec<&'a str>,
}

#[derive(Serialize)]
struct UserProfileItem<'a> {
    #[serde(rename = "To_Account")]
    to_account: &'a str,
    #[serde(rename = "ProfileItem", skip_serializing_if = "Option::is_none")]
    profile_item: Option<Vec<ProfileItem<'a>>>,
    #[serde(rename = "ResultCode")]
    result_code: u32,
    #[serde(rename = "ResultInfo")]
    result_info: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ProfileItem<'a> {
    tag: Cow<'static, str>,
    value: TagValue<'a>,
}

impl Request {
    /// The answer. `accounts` holds the account of each of `users`.
    pub fn answer(&self, accounts: &[Option<Account>]) -> Vec<u8> {
        const ITEM_BYTES: usize = 128;
        const FIELD_BYTES: usize = 96;
        let mut answer = Answer {
            user_profile_item: Vec::new(),
            fail_account: Vec::new(),
        };
        for (to_account, account) in asked::with_found(&self.asked, accounts) {
            let Some(account) = account.and_then(Option::as_ref) else {
                let Failure { code, info, .. } = Failure::profile_not_imported(to_account);
                answer.user_profile_item.push(UserProfileItem {
                    to_account,
                    profile_item: None,
                    result_code: code.get(),
                    result_info: info,
                });
                if !answer.fail_account.contains(&to_account) {
                    answer.fail_account.push(to_account);
                }
                continue;
            };
            answer.user_profile_item.push(UserProfileItem {
                to_account,
                profile_item: Some(self.profile_items(account)),
                result_code: 0,
                result_info: String::new(),
            });
        }
        let item_bytes = ITEM_BYTES + self.tags.len() * FIELD_BYTES;
        let capacity_bytes = ENVELOPE_BYTES + self.asked.len() * item_bytes;
        ok_body(Service::Profile, answer, capacity_bytes)
    }

    fn profile_items<'a>(&self, account: &'a Account) -> Vec<ProfileItem<'a>> {
        let item = |tag: &Tag| {
            let value = tag.value_in(&account.profile)?;
            Some(ProfileItem {
                tag: tag.name(),
                value,
            })
        };
        self.tags.iter().filter_map(item).collect()
    }
}
