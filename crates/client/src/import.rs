//! Imports: `account_import` and `multiaccount_import` (wire §3.2, §3.3).

use serde::{Deserialize, Serialize};

use crate::{CallError, Client, answer::Nothing};

/// A user to import.
///
/// The limits are the server's to judge: a `user_id` of 1 to 32 bytes in 0x20-0x7e, `nick` and
/// `face_url` of at most 500 bytes each.
///
/// ```
/// use muster_client::ImportEntry;
///
/// let alice = ImportEntry {
///     nick: Some("Alice"),
///     face_url: Some("https://img.example.com/alice.png"),
///     ..ImportEntry::id("alice")
/// };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ImportEntry<'a> {
    /// The team's own name for the user.
    #[serde(rename = "UserID")]
    pub user_id: &'a str,
    /// Nickname. `None` leaves a stored one as it is, `Some("")` empties it.
    #[serde(rename = "Nick", skip_serializing_if = "Option::is_none")]
    pub nick: Option<&'a str>,
    /// Address of the avatar, likewise.
    #[serde(rename = "FaceUrl", skip_serializing_if = "Option::is_none")]
    pub face_url: Option<&'a str>,
}

impl<'a> ImportEntry<'a> {
    /// A user without nickname and avatar; those of an account that exists stay.
    pub fn id(user_id: &'a str) -> ImportEntry<'a> {
        ImportEntry {
            user_id,
            nick: None,
            face_url: None,
        }
    }
}

#[derive(Serialize)]
struct AccountList<'a> {
    #[serde(rename = "AccountList")]
    entries: &'a [ImportEntry<'a>],
}

#[derive(Serialize)]
struct Accounts<'a> {
    #[serde(rename = "Accounts")]
    user_ids: &'a [&'a str],
}

#[derive(Deserialize)]
struct Imported {
    // muster always gives it. Elsewhere an OK that names nobody says that nobody failed.
    #[serde(rename = "FailAccounts")]
    fail_accounts: Option<Vec<String>>,
}

impl Client {
    /// Imports one user, or overwrites what is given of one that exists.
    ///
    /// ```no_run
    /// # use muster_client::{CallError, Client, ImportEntry};
    /// # async fn example(client: &Client) -> Result<(), CallError> {
    /// client.account_import(&ImportEntry::id("alice")).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn account_import(&self, entry: &ImportEntry<'_>) -> Result<(), CallError> {
        let Nothing {} = self.call("im_open_login_svc/account_import", entry).await?;
        Ok(())
    }

    /// Imports 1 to 100 users, all that the server takes at once or none. Answers the ids that were
    /// left out, each once, in the order given; empty when all are in.
    ///
    /// An id that is given more than once counts with its last entry.
    ///
    /// muster leaves out an id that is not valid, and one that was deleted too recently to be imported
    /// again. If all valid ids are of the latter kind there is no list, but [`CallError::Api`] with
    /// code 70399: nobody is imported, and [`fail_accounts`](crate::ApiFailure::fail_accounts) names
    /// them. A nickname or an avatar that is too long refuses the whole call (40601).
    ///
    /// ```no_run
    /// # use muster_client::{CallError, Client, ImportEntry};
    /// # async fn example(client: &Client) -> Result<(), CallError> {
    /// let entries = [ImportEntry::id("alice"), ImportEntry::id("bob")];
    /// for user_id in client.multiaccount_import(&entries).await? {
    ///     println!("{user_id} was left out");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn multiaccount_import(
        &self,
        entries: &[ImportEntry<'_>],
    ) -> Result<Vec<String>, CallError> {
        let body = AccountList { entries };
        let answer: Imported = self
            .call("im_open_login_svc/multiaccount_import", &body)
            .await?;
        Ok(answer.fail_accounts.unwrap_or_default())
    }

    /// The older form of [`multiaccount_import`](Self::multiaccount_import): ids only, and accounts
    /// that exist stay as they are.
    ///
    /// ```no_run
    /// # use muster_client::{CallError, Client};
    /// # async fn example(client: &Client) -> Result<(), CallError> {
    /// let left_out = client.multiaccount_import_ids(&["alice", "bob"]).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn multiaccount_import_ids(
        &self,
        user_ids: &[&str],
    ) -> Result<Vec<String>, CallError> {
        let body = Accounts { user_ids };
        let answer: Imported = self
            .call("im_open_login_svc/multiaccount_import", &body)
            .await?;
        Ok(answer.fail_accounts.unwrap_or_default())
    }
}
