//! Who exists: `account_check` (wire §3.5).

use serde::{Deserialize, Serialize};

use crate::{CallError, Client, ItemFailure, answer};

/// What is known of one user that was asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckedAccount {
    /// The id as asked.
    pub user_id: String,
    /// Whether there is an account, or why that is not said.
    pub status: Result<AccountStatus, ItemFailure>,
}

/// `AccountStatus` of the protocol.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub enum AccountStatus {
    /// There is an account.
    Imported,
    /// There is none.
    NotImported,
    /// A word that this crate does not know.
    #[serde(untagged)]
    Other(String),
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Check<'a> {
    check_item: Vec<CheckItem<'a>>,
}

#[derive(Serialize)]
struct CheckItem<'a> {
    #[serde(rename = "UserID")]
    user_id: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Checked {
    result_item: Vec<ResultItem>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ResultItem {
    #[serde(rename = "UserID")]
    user_id: String,
    result_code: i64,
    result_info: Option<String>,
    account_status: Option<AccountStatus>,
}

impl Client {
    /// Says of each of 1 to 100 users whether they have an account, in the order asked.
    ///
    /// ```no_run
    /// # use muster_client::{AccountStatus, CallError, Client};
    /// # async fn example(client: &Client) -> Result<(), CallError> {
    /// for user in client.account_check(&["alice", "bob"]).await? {
    ///     match user.status {
    ///         Ok(AccountStatus::Imported) => println!("{} is imported", user.user_id),
    ///         Ok(AccountStatus::NotImported) => println!("{} is not", user.user_id),
    ///         Ok(other) => println!("{}: {other:?}", user.user_id),
    ///         Err(failure) => println!("{}: {failure}", user.user_id),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn account_check(&self, user_ids: &[&str]) -> Result<Vec<CheckedAccount>, CallError> {
        let check_item = user_ids.iter().map(|user_id| CheckItem { user_id });
        let body = Check {
            check_item: check_item.collect(),
        };
        let checked: Checked = self.call("im_open_login_svc/account_check", &body).await?;
        let named = checked.result_item;
        let items = answer::one_each(user_ids, named, |item| &item.user_id, "ResultItem")?;
        items.into_iter().map(checked_account).collect()
    }
}

fn checked_account(item: ResultItem) -> Result<CheckedAccount, CallError> {
    let status = match (item.result_code, item.account_status) {
        (0, Some(status)) => Ok(status),
        (0, None) => return Err(answer::not_an_answer("a ResultItem has no AccountStatus")),
        (code, _) => Err(ItemFailure::new(code, item.result_info)),
    };
    Ok(CheckedAccount {
        user_id: item.user_id,
        status,
    })
}
