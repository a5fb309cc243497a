//! Who goes: `account_delete` (wire §3.4).

use serde::{Deserialize, Serialize};

use crate::{CallError, Client, ItemFailure, answer};

/// What became of one user who was to be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeletedAccount {
    /// The id as asked.
    pub user_id: String,
    /// Whether the account is gone by this call. Code 70107: there is none; 70402: an app admin,
    /// who cannot be deleted.
    pub outcome: Result<(), ItemFailure>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Delete<'a> {
    delete_item: Vec<DeleteItem<'a>>,
}

#[derive(Serialize)]
struct DeleteItem<'a> {
    #[serde(rename = "UserID")]
    user_id: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Deleted {
    result_item: Vec<ResultItem>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ResultItem {
    #[serde(rename = "UserID")]
    user_id: String,
    result_code: i64,
    result_info: Option<String>,
}

impl Client {
    /// Deletes 1 to 100 users with their profiles, for good, and ends their sessions. Says of each
    /// what became of it, in the order asked.
    ///
    /// Whether an app allows it depends on its edition; if not, the whole call is refused with code
    /// 71000. Where it is allowed only by a switch, a user who was deleted cannot be imported again
    /// for 90 days (70399).
    ///
    /// ```no_run
    /// # use muster_client::{CallError, Client};
    /// # async fn example(client: &Client) -> Result<(), CallError> {
    /// for user in client.account_delete(&["alice", "bob"]).await? {
    ///     match user.outcome {
    ///         Ok(()) => println!("{} is deleted", user.user_id),
    ///         Err(failure) if failure.code == 70107 => println!("{} was not there", user.user_id),
    ///         Err(failure) => println!("{}: {failure}", user.user_id),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn account_delete(
        &self,
        user_ids: &[&str],
    ) -> Result<Vec<DeletedAccount>, CallError> {
        let delete_item = user_ids.iter().map(|user_id| DeleteItem { user_id });
        let body = Delete {
            delete_item: delete_item.collect(),
        };
        let deleted: Deleted = self.call("im_open_login_svc/account_delete", &body).await?;
        let named = deleted.result_item;
        let items = answer::one_each(user_ids, named, |item| &item.user_id, "ResultItem")?;
        Ok(items.into_iter().map(deleted_account).collect())
    }
}

fn deleted_account(item: ResultItem) -> DeletedAccount {
    let outcome = match item.result_code {
        0 => Ok(()),
        code => Err(ItemFailure::new(code, item.result_info)),
    };
    DeletedAccount {
        user_id: item.user_id,
        outcome,
    }
}
