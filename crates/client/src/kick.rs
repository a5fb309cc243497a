//! Who is signed out: `kick` (wire §3.6).

use serde::Serialize;

use crate::{CallError, Client, answer::Nothing};

#[derive(Serialize)]
struct Kick<'a> {
    #[serde(rename = "UserID")]
    user_id: &'a str,
}

impl Client {
    /// Ends every `UserSig` that was signed for the user so far, and every session. Code 70107:
    /// there is no such account.
    ///
    /// At muster the kick counts in whole seconds, so a `UserSig` signed within the same second is
    /// ended as well: sign the user's next one a second later.
    ///
    /// ```no_run
    /// # use muster_client::{CallError, Client};
    /// # async fn example(client: &Client) -> Result<(), CallError> {
    /// client.kick("alice").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn kick(&self, user_id: &str) -> Result<(), CallError> {
        let Nothing {} = self
            .call("im_open_login_svc/kick", &Kick { user_id })
            .await?;
        Ok(())
    }
}
