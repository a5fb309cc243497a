//! `multiaccount_import` (wire §3.3): two forms of body, one meaning.

use bytestring::ByteString;
use muster_accounts::{
    UserId,
    rules::import::{Barred, ImportEntry, ImportRefusal, ImportRequest},
};
use serde::{Serialize, de::MapAccess};

use crate::{
    Failure, Service,
    answer::{ENVELOPE_BYTES, ok_body},
    import_fields::{ImportFields, TypedFields},
    json::{self, Fields, List, Object, Value, share},
    parameters,
};

const LIMIT_ENTRIES: usize = 100;

/// A batch to import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The users to import. Can be empty: then the store need not be asked, and the answer is
    /// [`InvalidIds::answer`] with nobody barred.
    pub import: ImportRequest,
    /// The rest, for the answer.
    pub invalid: InvalidIds,
}

/// What of a batch is no user id, each text once: its first position in the list, and the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InvalidIds(Vec<(usize, ByteString)>);

/// The two lists as read.
#[derive(Default)]
pub(crate) struct Body<'b> {
    account_list: List<Object<ImportFields<'b>>, LIMIT_ENTRIES>,
    accounts: List<Value<'b>, LIMIT_ENTRIES>,
}

impl<'b> Fields<'b> for Body<'b> {
    fn field<A: MapAccess<'b>>(&mut self, key: &str, object: &mut A) -> Result<(), A::Error> {
        match key {
            "AccountList" => self.account_list = json::read(object)?,
            "Accounts" => self.accounts = json::read(object)?,
            _ => json::skip_value(object)?,
        }
        Ok(())
    }
}

/// Every failure here carries an empty `FailAccounts`.
pub(crate) fn decode(body: &ByteString, lists: Body<'_>) -> Result<Request, Failure> {
    decode_lists(body, lists).map_err(|failure| failure.with_fail_accounts(Vec::new()))
}

/// Steps 1 to 6.
fn decode_lists(body: &ByteString, lists: Body<'_>) -> Result<Request, Failure> {
    let typed = match lists {
        Body {
            account_list: List::Absent,
            accounts: List::Absent,
        } => {
            return Err(Failure::missing("AccountList"));
        }
        Body {
            account_list: List::Absent,
            accounts,
        } => typed_accounts(accounts)?,
        Body { account_list, .. } => typed_account_list(account_list)?,
    };
    // Step 4 for all entries, before any id is judged.
    let mut sized = Vec::with_capacity(typed.len());
    for (position, fields) in typed.into_iter().enumerate() {
        sized.push(fields.sized(body, |field| path(position, field))?);
    }
    let mut entries = Vec::with_capacity(sized.len());
    let mut invalid = InvalidIds::default();
    for (position, fields) in sized.into_iter().enumerate() {
        match UserId::parse(&fields.user_id) {
            Ok(user_id) => entries.push(ImportEntry {
                position,
                user_id,
                nick: fields.nick,
                face_url: fields.face_url,
            }),
            Err(_) => invalid.add(position, share(body, fields.user_id)),
        }
    }
    Ok(Request {
        import: ImportRequest::new(entries),
        invalid,
    })
}

/// Steps 2 and 3 for the newer form.
fn typed_account_list(
    list: List<Object<ImportFields<'_>>, LIMIT_ENTRIES>,
) -> Result<Vec<TypedFields<'_>>, Failure> {
    let mut typed = Vec::new();
    for (position, Object(fields)) in parameters::entries(list, "AccountList")?
        .into_iter()
        .enumerate()
    {
        let fields = fields
            .ok_or_else(|| Failure::not_an_object(format_args!("AccountList[{position}]")))?;
        typed.push(fields.typed(|field| path(position, field))?);
    }
    Ok(typed)
}

/// Steps 2 and 3 for the older form.
fn typed_accounts(list: List<Value<'_>, LIMIT_ENTRIES>) -> Result<Vec<TypedFields<'_>>, Failure> {
    let mut typed = Vec::new();
    for entry in parameters::entries(list, "Accounts")? {
        let Value::Text(user_id) = entry else {
            return Err(Failure::account_not_a_string());
        };
        typed.push(TypedFields {
            user_id,
            nick: None,
            face_url: None,
        });
    }
    Ok(typed)
}

fn path(position: usize, field: &str) -> String {
    format!("AccountList[{position}].{field}")
}

#[derive(Serialize)]
struct Answer {
    #[serde(rename = "FailAccounts")]
    fail_accounts: Vec<ByteString>,
}

impl InvalidIds {
    fn add(&mut self, position: usize, id: ByteString) {
        if !self.0.iter().any(|(_, known)| *known == id) {
            self.0.push((position, id));
        }
    }

    /// The answer to a batch of which all users were imported but `barred`.
    pub fn answer(&self, barred: &[Barred]) -> Vec<u8> {
        let fail_accounts = self.fail_accounts(barred);
        let named_bytes: usize = fail_accounts.iter().map(|id| id.len() + 3).sum();
        ok_body(
            Service::ImOpenLoginSvc,
            Answer { fail_accounts },
            ENVELOPE_BYTES + named_bytes,
        )
    }

    /// The answer to a batch that the rules refuse (steps 7 and 8).
    pub fn refused(&self, refusal: &ImportRefusal) -> Failure {
        let fail_accounts = match refusal {
            ImportRefusal::AllBarred(barred) => self.fail_accounts(barred),
            ImportRefusal::OverCap { .. } => Vec::new(),
        };
        Failure::import_refused(refusal).with_fail_accounts(fail_accounts)
    }

    /// The invalid and the barred ids in order of first appearance. No id is both.
    fn fail_accounts(&self, barred: &[Barred]) -> Vec<ByteString> {
        let mut failed = self.0.clone();
        failed.extend(
            barred
                .iter()
                .map(|one| (one.position, ByteString::from(one.user_id.as_str()))),
        );
        failed.sort_unstable_by_key(|(position, _)| *position);
        failed.into_iter().map(|(_, id)| id).collect()
    }
}
