//! The accounts of an app.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Operator, OperatorError};
use crate::ProfileValue;

impl Operator {
    /// Up to `limit` (1 to 10,000) accounts of an app in order of internal id, those after the one
    /// given.
    pub async fn accounts(
        &self,
        sdkappid: u32,
        after: Option<&str>,
        limit: u32,
    ) -> Result<AccountPage, OperatorError> {
        let query = AccountQuery::default().after(after).limit(limit);
        self.find_accounts(sdkappid, &query).await
    }

    /// The accounts that a query asks for.
    pub async fn find_accounts(
        &self,
        sdkappid: u32,
        query: &AccountQuery<'_>,
    ) -> Result<AccountPage, OperatorError> {
        let limit = query.limit.map(|limit| limit.to_string());
        let parameters = [
            ("limit", limit.as_deref()),
            ("after", query.after),
            ("prefix", query.prefix),
        ];
        let given = parameters.into_iter();
        let given: Vec<_> = given
            .filter_map(|(name, value)| Some((name, value?)))
            .collect();
        let path = ["apps", &sdkappid.to_string(), "accounts"];
        self.get(&path, &given).await
    }

    /// The account of an internal id.
    pub async fn account_by_internal_id(
        &self,
        sdkappid: u32,
        internal_id: &str,
    ) -> Result<Account, OperatorError> {
        let path = ["apps", &sdkappid.to_string(), "internal-ids", internal_id];
        self.get(&path, &[]).await
    }

    /// One account.
    pub async fn account(&self, sdkappid: u32, user_id: &str) -> Result<Account, OperatorError> {
        let path = ["apps", &sdkappid.to_string(), "accounts", user_id];
        self.get(&path, &[]).await
    }
}

/// An account as the operator sees it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Account {
    /// The number that muster gives each account, never twice; decimal.
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
    /// When the user was last kicked, UTC.
    pub kicked_at: Option<String>,
    /// The other fields of the profile that are set, by their Tags.
    pub profile: BTreeMap<String, ProfileValue<'static>>,
}

/// Which accounts of an app; the default is the first 1000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountQuery<'a> {
    prefix: Option<&'a str>,
    after: Option<&'a str>,
    limit: Option<u32>,
}

impl<'a> AccountQuery<'a> {
    /// Only those whose user id begins with this. The server looks at 100,000 accounts in one call,
    /// so a page may be short, even empty, while there is a next one.
    #[must_use]
    pub fn prefix(mut self, prefix: &'a str) -> AccountQuery<'a> {
        self.prefix = Some(prefix);
        self
    }

    /// Only those after this internal id, such as [`AccountPage::next_after`]; with `None` from the
    /// first.
    #[must_use]
    pub fn after(mut self, internal_id: impl Into<Option<&'a str>>) -> AccountQuery<'a> {
        self.after = internal_id.into();
        self
    }

    /// How many, 1 to 10,000.
    #[must_use]
    pub fn limit(mut self, limit: u32) -> AccountQuery<'a> {
        self.limit = Some(limit);
        self
    }
}

/// Some accounts, and where to go on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct AccountPage {
    /// In order of internal id.
    pub accounts: Vec<Account>,
    /// What to give as `after` for the next page; `None` at the end.
    pub next_after: Option<String>,
}
