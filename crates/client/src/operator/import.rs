//! Import in bulk, with a reason for every entry that is refused.

use reqwest::Method;
use serde::{Deserialize, Serialize};

use super::{Operator, OperatorError};
use crate::ImportEntry;

impl Operator {
    /// Imports 1 to 10,000 accounts, or with `dry_run` only says what would happen. A bad entry
    /// refuses only itself; over the account cap nothing is imported.
    pub async fn import(
        &self,
        sdkappid: u32,
        entries: &[ImportEntry<'_>],
        dry_run: bool,
    ) -> Result<Imported, OperatorError> {
        let accounts = entries
            .iter()
            .map(|entry| Entry {
                user_id: entry.user_id,
                nick: entry.nick,
                face_url: entry.face_url,
            })
            .collect();
        let path = ["apps", &sdkappid.to_string(), "accounts"];
        let body = Import { accounts, dry_run };
        self.send(Method::POST, &path, &[], Some(&body)).await
    }
}

/// What became of the entries of an import.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Imported {
    /// Whether this only is what would happen.
    pub dry_run: bool,
    /// How many entries made an account.
    pub created: u64,
    /// How many gave an account new values.
    pub updated: u64,
    /// How many found the account as they would have it.
    pub unchanged: u64,
    /// How many do not count, since a later entry names the same user.
    pub superseded: u64,
    /// How many were refused.
    pub refused: u64,
    /// In the order of the request.
    pub entries: Vec<ImportedEntry>,
}

/// What became of an entry.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ImportedEntry {
    /// Where it stands in the request, counted from 0.
    pub position: u64,
    /// Whom it names.
    pub user_id: Option<String>,
    /// What became of it.
    pub result: Outcome,
    /// Of a refused one: the code with which the account API refuses it, such as 70402 for a bad
    /// parameter.
    pub code: Option<i64>,
    /// Of a refused one: why, for people.
    pub reason: Option<String>,
}

/// What can become of an entry.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is the count of its name in Imported")]
#[non_exhaustive]
pub enum Outcome {
    Created,
    Updated,
    Unchanged,
    Superseded,
    Refused,
    /// A word that this crate does not know.
    #[serde(untagged)]
    Other(String),
}

#[derive(Serialize)]
struct Import<'a> {
    accounts: Vec<Entry<'a>>,
    dry_run: bool,
}

#[derive(Serialize)]
struct Entry<'a> {
    user_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    nick: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    face_url: Option<&'a str>,
}
