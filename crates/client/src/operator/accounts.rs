//! The accounts of an app.

use serde::Deserialize;

use super::{Operator, OperatorError};

impl Operator {
    /// Up to `limit` (1 to 10,000) accounts of an app in order of internal id, those after the one
    /// given.
    pub async fn accounts(
        &self,
        sdkappid: u32,
        after: Option<&str>,
        limit: u32,
    ) -> Result<AccountPage, OperatorError> {
        let limit = limit.to_string();
        let mut query = vec![("limit", limit.as_str())];
        query.extend(after.map(|id| ("after", id)));
        let path = ["apps", &sdkappid.to_string(), "accounts"];
        self.get(&path, &query).await
    }

    /// One account.
    pub async fn account(&self, sdkappid: u32, user_id: &str) -> Result<Account, OperatorError> {
        let path = ["apps", &sdkappid.to_string(), "accounts", user_id];
        self.get(&path, &[]).await
    }
}

/// An account as the operator sees it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Account {
    /// The one internal id (wire §4.2), decimal.
    pub internal_id: String,
    /// The team's own name for the user.
    pub user_id: String,
    /// Nickname.
    pub nick: String,
    /// Address of the avatar.
    pub face_url: String,
    /// When the account was made, UTC.
    pub imported_at: String,
    /// When its profile last changed, UTC.
    pub changed_at: String,
}

/// Some accounts, and where to go on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct AccountPage {
    /// In order of internal id.
    pub accounts: Vec<Account>,
    /// What to give as `after` for the next page; `None` at the end.
    pub next_after: Option<String>,
}
