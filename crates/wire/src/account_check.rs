//! `account_check` (wire §3.5).

use bytestring::ByteString;
use muster_accounts::UserId;
use serde::{Serialize, de::MapAccess};

use crate::{
    Failure, Service,
    answer::{ENVELOPE_BYTES, ok_body},
    asked::{self, Asked},
    json::{self, Fields},
    parameters,
};

const LIMIT_ENTRIES: usize = 100;

/// Users to look for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Those that can exist, in the order asked, repeated ones as often as asked.
    pub users: Vec<UserId>,
    asked: Vec<Asked>,
}

#[derive(Default)]
pub(crate) struct Body<'b> {
    check_item: parameters::UserList<'b, LIMIT_ENTRIES>,
}

impl<'b> Fields<'b> for Body<'b> {
    fn field<A: MapAccess<'b>>(&mut self, key: &str, object: &mut A) -> Result<(), A::Error> {
        match key {
            "CheckItem" => self.check_item = json::read(object)?,
            _ => json::skip_value(object)?,
        }
        Ok(())
    }
}

pub(crate) fn decode(body: &ByteString, fields: Body<'_>) -> Result<Request, Failure> {
    let asked = parameters::users(body, fields.check_item, "CheckItem")?;
    Ok(Request {
        users: asked::users(&asked),
        asked,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a> {
    result_item: Vec<ResultItem<'a>>,
}

#[derive(Serialize)]
struct ResultItem<'a> {
    #[serde(rename = "UserID")]
    user_id: &'a str,
    #[serde(rename = "ResultCode")]
    result_code: u32,
    #[serde(rename = "ResultInfo")]
    result_info: &'static str,
    #[serde(rename = "AccountStatus")]
    account_status: &'static str,
}

impl Request {
    /// The answer. `found` says of each of `users` whether they have an account.
    pub fn answer(&self, found: &[bool]) -> Vec<u8> {
        const ITEM_BYTES: usize = 128;
        let result_item: Vec<_> = asked::with_found(&self.asked, found)
            .map(|(user_id, found)| ResultItem {
                user_id,
                result_code: 0,
                result_info: "",
                account_status: match found {
                    Some(true) => "Imported",
                    Some(false) | None => "NotImported",
                },
            })
            .collect();
        let capacity_bytes = ENVELOPE_BYTES + result_item.len() * ITEM_BYTES;
        ok_body(
            Service::ImOpenLoginSvc,
            Answer { result_item },
            capacity_bytes,
        )
    }
}
