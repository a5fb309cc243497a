//! The sessions of an app: who is signed in.

use reqwest::Method;
use serde::Deserialize;

use super::{Operator, OperatorError};

impl Operator {
    /// Up to `limit` (1 to 10,000) sessions of an app, or of one of its users, in order of sign-in,
    /// those after the one given.
    pub async fn sessions(
        &self,
        sdkappid: u32,
        user_id: Option<&str>,
        after: Option<&str>,
        limit: u32,
    ) -> Result<SessionPage, OperatorError> {
        let limit = limit.to_string();
        let mut query = vec![("limit", limit.as_str())];
        query.extend(user_id.map(|user_id| ("user_id", user_id)));
        query.extend(after.map(|id| ("after", id)));
        let path = ["apps", &sdkappid.to_string(), "sessions"];
        self.get(&path, &query).await
    }

    /// Ends a session. Its client may sign in again.
    pub async fn end_session(&self, sdkappid: u32, session_id: &str) -> Result<(), OperatorError> {
        let path = ["apps", &sdkappid.to_string(), "sessions", session_id];
        self.exchange(Method::DELETE, &path, &[], None::<&()>)
            .await?;
        Ok(())
    }
}

/// An open session.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Session {
    /// Its number, unique as long as any server runs.
    pub session_id: String,
    /// Whose it is.
    pub user_id: String,
    /// What the client runs on, such as `Web` or `Android`.
    pub platform: String,
    /// The address it comes from.
    pub source: String,
    /// When it was signed in, UTC.
    pub since: String,
}

/// Some sessions, and where to go on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct SessionPage {
    /// In order of sign-in; with several servers, to the second.
    pub sessions: Vec<Session>,
    /// What to give as `after` for the next page; `None` at the end.
    pub next_after: Option<String>,
}
