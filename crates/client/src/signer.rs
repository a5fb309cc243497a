//! A `UserSig` of one's own, renewed before it ends (wire §6.1).

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use muster_usersig::{Claims, SecretKey, sign};

/// Signs for one admin of one app, and keeps the last `UserSig` until half its life is over.
pub(crate) struct Signer {
    sdkappid: u32,
    identifier: String,
    key: SecretKey,
    expire_s: u64,
    last: Mutex<Option<Signed>>,
}

#[derive(Clone)]
struct Signed {
    time_s: u64,
    usersig: Arc<str>,
}

impl Signer {
    pub(crate) fn new(sdkappid: u32, identifier: &str, key: SecretKey, expire_s: u64) -> Signer {
        Signer {
            sdkappid,
            identifier: identifier.to_owned(),
            key,
            expire_s,
            last: Mutex::new(None),
        }
    }

    pub(crate) fn sdkappid(&self) -> u32 {
        self.sdkappid
    }

    pub(crate) fn identifier(&self) -> &str {
        &self.identifier
    }

    pub(crate) fn usersig_now(&self) -> Arc<str> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        // A clock before 1970 is wrong by decades: any UserSig made by it would be refused anyway.
        self.usersig(now.map_or(0, |since| since.as_secs()))
    }

    fn usersig(&self, now_s: u64) -> Arc<str> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(signed) = &*last {
            // Also false for a clock that was set back: a UserSig from the future helps nobody.
            let fresh = signed.time_s..=signed.time_s.saturating_add(self.expire_s / 2);
            if fresh.contains(&now_s) {
                return signed.usersig.clone();
            }
        }
        let claims = Claims {
            identifier: self.identifier.clone(),
            sdkappid: self.sdkappid.into(),
            time_s: now_s,
            expire_s: self.expire_s,
            userbuf: None,
        };
        let usersig: Arc<str> = sign(&self.key, &claims).into();
        *last = Some(Signed {
            time_s: now_s,
            usersig: usersig.clone(),
        });
        usersig
    }

    /// Signs anew at the next call, because the server has refused this one. Nothing if that has
    /// happened already, as when many calls are refused at the same time.
    pub(crate) fn forget(&self, refused: &Arc<str>) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.take_if(|signed| Arc::ptr_eq(&signed.usersig, refused));
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("sdkappid", &self.sdkappid)
            .field("identifier", &self.identifier)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use muster_usersig::UserSig;

    use super::*;

    #[test]
    fn renewed_at_half_life_and_when_the_clock_goes_back() {
        let key = SecretKey::from_random([1; 32]);
        let signer = Signer::new(1_400_000_000, "administrator", key, 1000);
        for (now_s, expected_time_s) in [
            (5_000, 5_000),
            (5_500, 5_000),
            (5_501, 5_501),
            (5_502, 5_501),
            (5_400, 5_400),
        ] {
            let usersig = UserSig::decode(&signer.usersig(now_s)).unwrap();
            let claims = usersig.claims();
            assert_eq!(
                (claims.time_s, claims.expire_s),
                (expected_time_s, 1000),
                "at {now_s}"
            );
        }
    }

    #[test]
    fn one_that_was_refused_is_not_used_again() {
        let key = SecretKey::from_random([1; 32]);
        let signer = Signer::new(1_400_000_000, "administrator", key, 1000);
        let first = signer.usersig(5_000);
        signer.forget(&first);
        let second = signer.usersig(5_001);
        assert_ne!(second, first);
        // The refusal of another call with the first one.
        signer.forget(&first);
        assert!(Arc::ptr_eq(&signer.usersig(5_002), &second));
    }

    #[test]
    fn debug_shows_neither_key_nor_usersig() {
        let key = SecretKey::from_random([1; 32]);
        let key_text = key.as_str().to_owned();
        let signer = Signer::new(1_400_000_000, "administrator", key, 1000);
        let usersig = signer.usersig_now();
        let debug = format!("{signer:?}");
        assert!(
            !debug.contains(&key_text) && !debug.contains(&*usersig),
            "{debug}"
        );
    }
}
