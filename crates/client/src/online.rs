//! Who is there: `query_online_status` and the older `querystate` (wire §3.7).

use serde::{Deserialize, Serialize};

use crate::{CallError, Client, ItemFailure, answer};

/// What is known of one user that was asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OnlineUser {
    /// The id as asked.
    pub user_id: String,
    /// Whether the user is online and where, or why that is not said. Code 70107: there is no such
    /// account.
    pub status: Result<OnlineStatus, ItemFailure>,
}

/// Whether a user is online, and on which devices.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OnlineStatus {
    /// The best of all devices.
    pub state: OnlineState,
    /// The devices, one for each platform; none for a user who is offline, and none from a server
    /// that does not tell.
    pub devices: Vec<Device>,
}

/// `State` or `Status` of the protocol.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub enum OnlineState {
    /// The program runs and is connected.
    Online,
    /// The program is gone, but a push notification still reaches the device.
    PushOnline,
    /// Neither.
    Offline,
    /// A word that this crate does not know.
    #[serde(untagged)]
    Other(String),
}

/// A platform on which the user is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct Device {
    /// `IPhone`, `IPad`, `Android`, `Web`, `PC`, `Mac`, or another name.
    pub platform: String,
    /// Its own state.
    #[serde(rename = "Status")]
    pub state: OnlineState,
}

#[derive(Serialize)]
struct Query<'a> {
    #[serde(rename = "To_Account")]
    to_account: &'a [&'a str],
    #[serde(rename = "IsNeedDetail")]
    is_need_detail: u8,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Queried {
    query_result: Option<Vec<QueryResult>>,
    error_list: Option<Vec<ErrorItem>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct QueryResult {
    #[serde(rename = "To_Account")]
    to_account: String,
    // Tencent's pages show State, most of its clients read Status, and a server may give one only.
    state: Option<OnlineState>,
    status: Option<OnlineState>,
    detail: Option<Vec<Device>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ErrorItem {
    #[serde(rename = "To_Account")]
    to_account: String,
    error_code: i64,
}

impl Client {
    /// Says of each of 1 to 500 users whether they are online and on which devices, in the order
    /// asked.
    ///
    /// ```no_run
    /// # use muster_client::{CallError, Client, OnlineState};
    /// # async fn example(client: &Client) -> Result<(), CallError> {
    /// for user in client.query_online_status(&["alice", "bob"]).await? {
    ///     match user.status {
    ///         Ok(status) if status.state == OnlineState::Online => {
    ///             println!("{} is on {:?}", user.user_id, status.devices);
    ///         }
    ///         Ok(_) => println!("{} is away", user.user_id),
    ///         Err(failure) => println!("{}: {failure}", user.user_id),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn query_online_status(
        &self,
        user_ids: &[&str],
    ) -> Result<Vec<OnlineUser>, CallError> {
        self.online("openim/query_online_status", user_ids).await
    }

    /// The same by the older command, for a server that has only that one.
    ///
    /// ```no_run
    /// # use muster_client::{CallError, Client};
    /// # async fn example(client: &Client) -> Result<(), CallError> {
    /// let alice = &client.querystate(&["alice"]).await?[0];
    /// println!("{:?}", alice.status);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn querystate(&self, user_ids: &[&str]) -> Result<Vec<OnlineUser>, CallError> {
        self.online("openim/querystate", user_ids).await
    }

    async fn online(&self, command: &str, user_ids: &[&str]) -> Result<Vec<OnlineUser>, CallError> {
        let body = Query {
            to_account: user_ids,
            is_need_detail: 1,
        };
        let queried: Queried = self.call(command, &body).await?;
        let mut users = Vec::new();
        for item in queried.query_result.unwrap_or_default() {
            users.push(online_user(item)?);
        }
        let failed = queried.error_list.unwrap_or_default().into_iter();
        users.extend(failed.map(failed_user));
        answer::one_each(user_ids, users, |user| &user.user_id, "QueryResult")
    }
}

fn online_user(item: QueryResult) -> Result<OnlineUser, CallError> {
    let Some(state) = item.state.or(item.status) else {
        return Err(answer::not_an_answer(
            "a QueryResult has neither State nor Status",
        ));
    };
    let devices = item.detail.unwrap_or_default();
    Ok(OnlineUser {
        user_id: item.to_account,
        status: Ok(OnlineStatus { state, devices }),
    })
}

fn failed_user(item: ErrorItem) -> OnlineUser {
    OnlineUser {
        user_id: item.to_account,
        // An ErrorList has no texts.
        status: Err(ItemFailure::new(item.error_code, None)),
    }
}
