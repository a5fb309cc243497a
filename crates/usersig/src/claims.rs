//! What a token says: who, of which app, since when, for how long, and the text that is signed.

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::Rejection;

/// The statement of a token. All of it is covered by the signature.
///
/// Nothing here is checked against any account rule: an identifier is whatever text was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// `TLS.identifier`: the user the token speaks for.
    pub identifier: String,
    /// `TLS.sdkappid`: the app it is for.
    pub sdkappid: u64,
    /// `TLS.time`: when it was signed, in Unix seconds by the signer's clock.
    pub time_s: u64,
    /// `TLS.expire`: how long it is valid from then on, in seconds.
    pub expire_s: u64,
    /// `TLS.userbuf`, if there is one.
    pub userbuf: Option<UserbufText>,
}

impl Claims {
    /// The last Unix second at which the token is valid: `time + expire`.
    ///
    /// The sum stops at `u64::MAX`. For claims out of [`UserSig::decode`](crate::UserSig::decode)
    /// it never has to: a token whose sum overflows is refused there.
    pub fn ended_at_s(&self) -> u64 {
        self.time_s.saturating_add(self.expire_s)
    }

    /// The last check of a token, to be asked on every call even when all else about a token is cached:
    /// valid up to and including [`ended_at_s`](Self::ended_at_s). A time of signing that lies in
    /// the future is no reason to refuse, so a signer's clock may be ahead.
    ///
    /// Fails with [`Rejection::Expired`] only.
    pub fn check_time(&self, now_s: u64) -> Result<(), Rejection> {
        let ended_at_s = self.ended_at_s();
        if now_s > ended_at_s {
            return Err(Rejection::Expired { ended_at_s, now_s });
        }
        Ok(())
    }

    /// The text whose HMAC is the signature: one line a claim, each ended by `\n`, in
    /// this order whatever the order in the token. The userbuf enters as the base64 text it was
    /// sent as.
    ///
    /// The protocol escapes nothing: a line feed within an identifier can make one user's text read
    /// like another's with a userbuf. A signer should not sign identifiers that hold one; a token that
    /// makes use of it is refused ([`DecodeError::UserbufLineFeed`](crate::DecodeError)).
    pub fn signed_text(&self) -> String {
        let Claims {
            identifier,
            sdkappid,
            time_s,
            expire_s,
            userbuf,
        } = self;
        let mut text = format!(
            "TLS.identifier:{identifier}\nTLS.sdkappid:{sdkappid}\n\
             TLS.time:{time_s}\nTLS.expire:{expire_s}\n"
        );
        if let Some(userbuf) = userbuf {
            writeln!(text, "TLS.userbuf:{}", userbuf.as_str())
                .expect("writing to a String does not fail");
        }
        text
    }
}

/// The userbuf of a token as it is signed and sent: the standard base64 text of some bytes.
///
/// The signature covers the text, so the text is kept as it came. A token may carry a userbuf that
/// is no base64 and still verify; only [`decode`](Self::decode) finds out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserbufText(String);

impl UserbufText {
    /// The base64 text of `bytes`.
    pub fn encode(bytes: &[u8]) -> UserbufText {
        UserbufText(STANDARD.encode(bytes))
    }

    /// A text as found in a token, unchecked.
    pub fn from_text(text: String) -> UserbufText {
        UserbufText(text)
    }

    /// The text as sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The bytes the text stands for.
    pub fn decode(&self) -> Result<Vec<u8>, UserbufTextError> {
        STANDARD.decode(&self.0).map_err(|_| UserbufTextError)
    }
}

/// The userbuf of a token is not standard base64 with padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("TLS.userbuf is not standard base64 with padding")]
pub struct UserbufTextError;
