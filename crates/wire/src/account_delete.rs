//! `account_delete` (wire §3.4).

use bytestring::ByteString;
use muster_accounts::{SdkAppId, UserId, rules::delete::Deletion};
use serde::{Serialize, de::MapAccess};

use crate::{
    ErrorCode, Failure, Service,
    answer::{ENVELOPE_BYTES, ok_body},
    asked::{self, Asked},
    json::{self, Fields},
    parameters,
};

const LIMIT_ENTRIES: usize = 100;

/// Users to delete.
///
/// The parameters can hold a failure, because whether the app allows deletion is judged before
/// them, and that is not known here: a caller answers [`not_allowed`] first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request(pub Result<Users, Failure>);

/// The users of a well-formed request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Users {
    /// Those that can exist, in the order asked, repeated ones as often as asked.
    pub users: Vec<UserId>,
    asked: Vec<Asked>,
}

#[derive(Default)]
pub(crate) struct Body<'b> {
    delete_item: parameters::UserList<'b, LIMIT_ENTRIES>,
}

impl<'b> Fields<'b> for Body<'b> {
    fn field<A: MapAccess<'b>>(&mut self, key: &str, object: &mut A) -> Result<(), A::Error> {
        match key {
            "DeleteItem" => self.delete_item = json::read(object)?,
            _ => json::skip_value(object)?,
        }
        Ok(())
    }
}

pub(crate) fn decode(body: &ByteString, fields: Body<'_>) -> Request {
    Request(users(body, fields))
}

fn users(body: &ByteString, fields: Body<'_>) -> Result<Users, Failure> {
    let asked = parameters::users(body, fields.delete_item, "DeleteItem")?;
    Ok(Users {
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
    #[serde(rename = "ResultCode")]
    result_code: u32,
    #[serde(rename = "ResultInfo")]
    result_info: String,
    #[serde(rename = "UserID")]
    user_id: &'a str,
}

impl Users {
    /// The answer. `deletions` says what became of each of `users`. A name that cannot be a user id
    /// is one that does not exist.
    pub fn answer(&self, deletions: &[Deletion]) -> Vec<u8> {
        const ITEM_BYTES: usize = 128;
        let result_item: Vec<_> = asked::with_found(&self.asked, deletions)
            .map(|(user_id, deletion)| {
                let failure = match deletion {
                    Some(Deletion::Deleted) => None,
                    Some(Deletion::NotImported) | None => Some(Failure::not_imported()),
                    Some(Deletion::Admin) => Some(Failure::admin_cannot_be_deleted(user_id)),
                };
                let (code, result_info) = failure.map_or((None, String::new()), |failure| {
                    (Some(failure.code), failure.info)
                });
                ResultItem {
                    result_code: code.map_or(0, ErrorCode::get),
                    result_info,
                    user_id,
                }
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

/// The answer if the app's edition allows no deletion and it is not switched on.
pub fn not_allowed(sdkappid: SdkAppId) -> Failure {
    Failure::deletion_not_allowed(sdkappid)
}
