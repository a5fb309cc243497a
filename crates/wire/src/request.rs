//! From body to request: checks 16 and 17 of wire §2.

use std::collections::BTreeSet;

use bytes::Bytes;
use bytestring::ByteString;
use muster_accounts::{UserId, profile::CustomField, rules::import::ImportRequest};

use crate::{
    Command, Failure, account_check, account_delete, account_import, json::body_object, kick,
    multiaccount_import, online_status, portrait_get, portrait_set,
};

/// A well-formed request.
///
/// Texts in it are slices of the body, which stays in memory as long as one of them does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the command of its name, wire §3")]
pub enum Request {
    AccountImport(ImportRequest),
    MultiaccountImport(multiaccount_import::Request),
    AccountDelete(account_delete::Request),
    AccountCheck(account_check::Request),
    Kick(UserId),
    OnlineStatus(online_status::Request),
    PortraitSet(portrait_set::Request),
    PortraitGet(portrait_get::Request),
}

impl Request {
    /// Takes a body in. Its size is limited by the caller (check 15). `declared` are the custom
    /// profile fields of the app (wire §3.8).
    pub fn decode(
        command: Command,
        body: &Bytes,
        declared: &BTreeSet<CustomField>,
    ) -> Result<Self, Failure> {
        let not_json = || Failure::not_json(command.service());
        let body = ByteString::try_from(body.clone()).map_err(|_| not_json())?;
        Ok(match command {
            Command::AccountImport => {
                let object = body_object(&body).ok_or_else(not_json)?;
                Self::AccountImport(account_import::decode(&body, object)?)
            }
            Command::MultiaccountImport => {
                let object = body_object(&body).ok_or_else(not_json)?;
                Self::MultiaccountImport(multiaccount_import::decode(&body, object)?)
            }
            Command::AccountDelete => {
                let object = body_object(&body).ok_or_else(not_json)?;
                Self::AccountDelete(account_delete::decode(&body, object))
            }
            Command::Kick => {
                let object = body_object(&body).ok_or_else(not_json)?;
                Self::Kick(kick::decode(object)?)
            }
            Command::AccountCheck => {
                let object = body_object(&body).ok_or_else(not_json)?;
                Self::AccountCheck(account_check::decode(&body, object)?)
            }
            Command::QueryOnlineStatus | Command::Querystate => {
                let object = body_object(&body).ok_or_else(not_json)?;
                Self::OnlineStatus(online_status::decode(&body, object)?)
            }
            Command::PortraitSet => {
                let object = body_object(&body).ok_or_else(not_json)?;
                Self::PortraitSet(portrait_set::decode(&body, object, declared)?)
            }
            Command::PortraitGet => {
                let object = body_object(&body).ok_or_else(not_json)?;
                Self::PortraitGet(portrait_get::decode(&body, object, declared)?)
            }
        })
    }
}
