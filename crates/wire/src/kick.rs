//! `kick` (wire §3.6).

use muster_accounts::UserId;
use serde::de::MapAccess;

use crate::{
    Failure, Service,
    answer::{ENVELOPE_BYTES, NoData, ok_body},
    json::{self, Fields, Value},
    parameters,
};

#[derive(Default)]
pub(crate) struct Body<'b> {
    user_id: Value<'b>,
    identifier: Value<'b>,
}

impl<'b> Fields<'b> for Body<'b> {
    fn field<A: MapAccess<'b>>(&mut self, key: &str, object: &mut A) -> Result<(), A::Error> {
        match key {
            "UserID" => self.user_id = json::read(object)?,
            "Identifier" => self.identifier = json::read(object)?,
            _ => json::skip_value(object)?,
        }
        Ok(())
    }
}

/// Whom to kick.
pub(crate) fn decode(fields: Body<'_>) -> Result<UserId, Failure> {
    // `Identifier` stands in for an absent `UserID` only: one that is null is there.
    let value = match fields.user_id {
        Value::Absent => fields.identifier,
        value => value,
    };
    let name = parameters::user_id(value, str::to_owned)?;
    UserId::parse(&name).map_err(|error| Failure::bad_user_id(&name, error))
}

/// The answer to a kick that happened.
pub fn answer() -> Vec<u8> {
    ok_body(Service::ImOpenLoginSvc, NoData {}, ENVELOPE_BYTES)
}

/// The answer if there is no account of that user.
pub fn not_imported() -> Failure {
    Failure::not_imported()
}
