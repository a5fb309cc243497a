//! `query_online_status` and the older `querystate`, which take and give the same (wire §3.7).

use bytestring::ByteString;
use muster_accounts::UserId;
use serde::{Serialize, de::MapAccess};

use crate::{
    ErrorCode, Failure, Service,
    answer::{ENVELOPE_BYTES, ok_body},
    asked::{self, Asked},
    json::{self, Fields, List, Value},
    platform::Platform,
};

const LIMIT_ENTRIES: usize = 500;

/// Users whose status is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Those that can exist, in the order asked, repeated ones as often as asked.
    pub users: Vec<UserId>,
    asked: Vec<Asked>,
    needs_detail: bool,
}

/// Where a user is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// There is no such account.
    NotImported,
    /// There is, with devices on these platforms. Without any it is offline.
    Devices(Vec<Platform>),
}

#[derive(Default)]
pub(crate) struct Body<'b> {
    to_account: List<Value<'b>, LIMIT_ENTRIES>,
    is_need_detail: Value<'b>,
}

impl<'b> Fields<'b> for Body<'b> {
    fn field<A: MapAccess<'b>>(&mut self, key: &str, object: &mut A) -> Result<(), A::Error> {
        match key {
            "To_Account" => self.to_account = json::read(object)?,
            "IsNeedDetail" => self.is_need_detail = json::read(object)?,
            _ => json::skip_value(object)?,
        }
        Ok(())
    }
}

pub(crate) fn decode(body: &ByteString, fields: Body<'_>) -> Result<Request, Failure> {
    let entries = match fields.to_account {
        List::Absent | List::WrongType | List::Entries { count: 0, .. } => {
            return Err(Failure::openim_bad_body());
        }
        List::Entries { count, .. } if count > LIMIT_ENTRIES => {
            return Err(Failure::openim_too_many(count, LIMIT_ENTRIES));
        }
        List::Entries { kept, .. } => kept,
    };
    let asked = entries.into_iter().enumerate().map(|entry| match entry {
        (_, Value::Text(text)) => Ok(Asked::parse(body, text)),
        (position, _) => Err(Failure::openim_not_a_string(position)),
    });
    let asked = asked.collect::<Result<Vec<_>, _>>()?;
    Ok(Request {
        users: asked::users(&asked),
        asked,
        needs_detail: matches!(fields.is_need_detail, Value::Unsigned(1)),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a> {
    query_result: Vec<QueryResult<'a>>,
    error_list: Vec<ErrorItem<'a>>,
}

#[derive(Serialize)]
struct QueryResult<'a> {
    #[serde(rename = "To_Account")]
    to_account: &'a str,
    #[serde(rename = "Status")]
    status: &'static str,
    #[serde(rename = "State")]
    state: &'static str,
    #[serde(rename = "Detail", skip_serializing_if = "Vec::is_empty")]
    detail: Vec<Detail>,
}

#[derive(PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Detail {
    platform: &'static str,
    status: &'static str,
}

#[derive(Serialize)]
struct ErrorItem<'a> {
    #[serde(rename = "To_Account")]
    to_account: &'a str,
    #[serde(rename = "ErrorCode")]
    error_code: u32,
}

const ONLINE: &str = "Online";
const OFFLINE: &str = "Offline";

impl Request {
    /// The answer. `found` holds the status of each of `users`.
    pub fn answer(&self, found: &[Status]) -> Vec<u8> {
        const ITEM_BYTES: usize = 96;
        let mut answer = Answer {
            query_result: Vec::new(),
            error_list: Vec::new(),
        };
        for (to_account, status) in asked::with_found(&self.asked, found) {
            let Some(Status::Devices(platforms)) = status else {
                answer.error_list.push(ErrorItem {
                    to_account,
                    error_code: ErrorCode::NotImported.get(),
                });
                continue;
            };
            let word = if platforms.is_empty() {
                OFFLINE
            } else {
                ONLINE
            };
            answer.query_result.push(QueryResult {
                to_account,
                status: word,
                state: word,
                detail: self.detail(platforms),
            });
        }
        let capacity_bytes = ENVELOPE_BYTES + self.asked.len() * ITEM_BYTES;
        ok_body(Service::OpenIm, answer, capacity_bytes)
    }

    /// Each platform once, however many devices are on it.
    fn detail(&self, platforms: &[Platform]) -> Vec<Detail> {
        let mut detail = Vec::new();
        for platform in platforms.iter().filter(|_| self.needs_detail) {
            let entry = Detail {
                platform: platform.detail_name(),
                status: ONLINE,
            };
            if !detail.contains(&entry) {
                detail.push(entry);
            }
        }
        detail
    }
}
