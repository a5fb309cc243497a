//! `account_import` (wire §3.2).

use std::mem;

use bytestring::ByteString;
use muster_accounts::{
    UserId,
    rules::import::{ImportEntry, ImportRefusal, ImportRequest},
};

use crate::{
    Failure, Service,
    answer::{ENVELOPE_BYTES, NoData, ok_body},
    import_fields::ImportFields,
    json::Value,
};

pub(crate) fn decode(
    body: &ByteString,
    mut fields: ImportFields<'_>,
) -> Result<ImportRequest, Failure> {
    // `Identifier` stands in for an absent `UserID` only: one that is null is there.
    if let Value::Absent = fields.user_id {
        fields.user_id = mem::take(&mut fields.identifier);
    }
    let fields = fields.typed(str::to_owned)?.sized(body, str::to_owned)?;
    let user_id = UserId::parse(&fields.user_id)
        .map_err(|error| Failure::bad_user_id(&fields.user_id, error))?;
    Ok(ImportRequest::new(vec![ImportEntry {
        position: 0,
        user_id,
        nick: fields.nick,
        face_url: fields.face_url,
    }]))
}

/// The answer to an import that happened.
pub fn answer() -> Vec<u8> {
    ok_body(Service::ImOpenLoginSvc, NoData {}, ENVELOPE_BYTES)
}

/// The answer to an import that the rules refuse.
pub fn refused(refusal: &ImportRefusal) -> Failure {
    Failure::import_refused(refusal)
}
