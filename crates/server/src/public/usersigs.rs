//! Who the caller is (wire §2, check 12), without paying for the same UserSig twice.
//!
//! Verifying means inflating, parsing and an HMAC; clients send one UserSig for minutes to months
//! (wire §9.1). So a token that has been verified is remembered, with the key that verified it.
//! What can change between two calls is asked again on each: whether the app still has that key, and
//! whether the token has ended (wire §6.2, steps 8 and 9). Tokens that failed are not remembered:
//! they would push out the ones that are worth it.

use std::sync::Arc;

use muster_accounts::{App, UnixSeconds};
use muster_usersig::{Claims, Expected, Rejection, SecretKey, verify};
use quick_cache::sync::Cache;
use sha2::{Digest, Sha256};

/// Verifies UserSigs and remembers those that passed.
pub(crate) struct UserSigs {
    // The key is a digest, so that the memory holds no token and entries are small; nobody can make
    // two tokens of one digest.
    verified: Cache<[u8; 32], Arc<Verified>>,
}

struct Verified {
    claims: Claims,
    key: SecretKey,
}

/// What was found out about a UserSig.
pub(crate) struct Checked {
    pub(crate) outcome: Result<(), Rejection>,
    /// Whether it had been verified before, with a key that still counts.
    pub(crate) known: bool,
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
            && app.keys.contains(&verified.key)
        {
            return Checked {
                outcome: verified.claims.check_time(now.0),
                known: true,
            };
        }
        let expected = Expected {
            sdkappid: app.sdkappid.0.into(),
            identifier,
        };
        let outcome = verify(usersig, &expected, &app.keys, now.0).map(|verified| {
            let key = app.keys[verified.key_index].clone();
            self.verified.insert(
                digest,
                Arc::new(Verified {
                    claims: verified.claims,
                    key,
                }),
            );
        });
        Checked {
            outcome,
            known: false,
        }
    }
}

/// The length stands before the identifier, so that no two callers share a text.
fn digest(sdkappid: u32, identifier: &str, usersig: &str) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update(sdkappid.to_be_bytes());
    digest.update((identifier.len() as u64).to_be_bytes());
    digest.update(identifier);
    digest.update(usersig);
    digest.finalize().into()
}
