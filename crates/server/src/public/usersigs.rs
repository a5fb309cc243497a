//! Who the caller is (wire §2, check 12), without paying for the same UserSig twice.
//!
//! Verifying means inflating, parsing and an HMAC; clients send one UserSig for minutes to months
//! (wire §9.1). So a token that has been verified is remembered, with the key that verified it.
//! What can change between two calls is asked again on each: whether the app still has that key, and
//! whether the token has ended (wire §6.2, steps 8 and 9). Tokens that failed, and those of callers
//! who may not call, are not remembered: they would push out the ones that are worth it.

use muster_accounts::{App, UnixSeconds};
use muster_usersig::{Expected, Rejection, SecretKey, verify};
use quick_cache::sync::Cache;
use sha2::{Digest as _, Sha256};

/// Verifies UserSigs and remembers those it is told to.
pub(crate) struct UserSigs {
    // The key is a digest, so that the memory holds no token and entries are small; nobody can make
    // two tokens of one digest.
    verified: Cache<Digest, Verified>,
}

type Digest = [u8; 32];

/// What is needed of a UserSig once its signature is known to be right.
#[derive(Clone)]
struct Verified {
    issued_at_s: u64,
    /// The last second of its validity.
    ended_at_s: u64,
    key: SecretKey,
    /// [`AccountStore::kicks`](muster_accounts::AccountStore::kicks) when no kick had ended it.
    unkicked_at: Option<u64>,
}

/// What was found out about a UserSig.
pub(crate) struct Checked {
    pub(crate) outcome: Result<Token, Rejection>,
    /// Whether it had been verified before, with a key that still counts.
    pub(crate) known: bool,
}

/// A UserSig that is right, but for kicks.
pub(crate) struct Token {
    digest: Digest,
    verified: Verified,
    /// Whether the memory has it as it is.
    remembered: bool,
}

impl Token {
    /// When it was signed.
    pub(crate) fn issued_at(&self) -> UnixSeconds {
        UnixSeconds(self.verified.issued_at_s)
    }

    /// Whether it is known to have been good when the store's number of kicks was this.
    pub(crate) fn is_unkicked(&self, kicks: u64) -> bool {
        self.verified.unkicked_at == Some(kicks)
    }

    /// Judges it by the kick mark of its user, which was read after `kicks` (wire §3.6).
    pub(crate) fn survives(&mut self, kicked_at: Option<UnixSeconds>, kicks: u64) -> bool {
        let ended = kicked_at.is_some_and(|mark| self.verified.issued_at_s <= mark.0);
        if !ended {
            self.verified.unkicked_at = Some(kicks);
            self.remembered = false;
        }
        !ended
    }
}

impl UserSigs {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            verified: Cache::new(capacity),
        }
    }

    /// Checks that `usersig` speaks for `identifier` of `app` now.
    pub(crate) fn check(
        &self,
        app: &App,
        identifier: &str,
        usersig: &str,
        now: UnixSeconds,
    ) -> Checked {
        let digest = digest(app.sdkappid.0, identifier, usersig);
        if let Some(verified) = self.verified.get(&digest)
            && app.keys_at(now).any(|key| *key == verified.key)
        {
            return Checked {
                outcome: verified.check_time(now).map(|()| Token {
                    digest,
                    verified,
                    remembered: true,
                }),
                known: true,
            };
        }
        let expected = Expected {
            sdkappid: app.sdkappid.0.into(),
            identifier,
        };
        let keys: Vec<SecretKey> = app.keys_at(now).cloned().collect();
        let outcome = verify(usersig, &expected, &keys, now.0).map(|verified| Token {
            digest,
            verified: Verified {
                issued_at_s: verified.claims.time_s,
                ended_at_s: verified.claims.ended_at_s(),
                key: keys[verified.key_index].clone(),
                unkicked_at: None,
            },
            remembered: false,
        });
        Checked {
            outcome,
            known: false,
        }
    }

    /// Spares the next call the work.
    pub(crate) fn remember(&self, token: Token) {
        if !token.remembered {
            self.verified.insert(token.digest, token.verified);
        }
    }
}

impl Verified {
    fn check_time(&self, now: UnixSeconds) -> Result<(), Rejection> {
        if now.0 > self.ended_at_s {
            return Err(Rejection::Expired {
                ended_at_s: self.ended_at_s,
                now_s: now.0,
            });
        }
        Ok(())
    }
}

/// The length stands before the identifier, so that no two callers share a text. The white space
/// that verifying passes over (wire §6.2, step 1) is left out, so that one token has one digest.
fn digest(sdkappid: u32, identifier: &str, usersig: &str) -> Digest {
    let mut digest = Sha256::new();
    digest.update(sdkappid.to_be_bytes());
    digest.update((identifier.len() as u64).to_be_bytes());
    digest.update(identifier);
    for piece in usersig.split([' ', '\t', '\r', '\n']) {
        digest.update(piece);
    }
    digest.finalize().into()
}
