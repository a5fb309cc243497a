//! What a code means for a run: whether there is sense in going on, and what to do (wire §7).

/// Whether every later call would be refused as well: the caller, not the call, is what is wrong.
pub(crate) fn is_hopeless(code: u32) -> bool {
    matches!(
        code,
        40004 | 60002 | 60006 | 60009 | 60010 | 60012 | 60016 | 60017 | 60020 | 60021 | 60025
            | 60026 | 60027 | 70001..=70020 | 70050..=70052 | 70398 | 70403 | 90009
    )
}

/// What to do about a code; nothing for those that speak for themselves.
pub(crate) fn advice(code: u32) -> Option<&'static str> {
    Some(match code {
        60007 => {
            "the rate limit of the app is reached: start muster with --no-rate-limits, raise the \
             app's own limit (muster app set SDKAPPID --rate-limit '*=none'), or call more slowly \
             with --rate"
        }
        70009 => {
            "the secret key is not the one of this SDKAppID; muster app show SDKAPPID prints it"
        }
        70001 => "the clocks of this machine and of the server differ by more than a week",
        70020 => "there is no app of this --sdkappid; muster app list shows those of a muster",
        70013 | 70014 | 70403 | 40004 | 90009 => {
            "--identifier is to be an admin of the app; administrator is one of every app"
        }
        60009 => "the path of the URL may be too long: --endpoint has no /v4 in it",
        60016 => "enable the app with muster app set SDKAPPID --enable",
        60021 => "allow this machine's address with muster app set SDKAPPID --allow ADDRESS",
        70050 => "wait one minute; another caller may have tried wrong UserSigs",
        70052 => "the identifier was kicked after the UserSig was signed; start again",
        70398 => {
            "the edition of the app takes no more accounts; change it with muster app set \
             SDKAPPID --edition EDITION"
        }
        40003 => {
            "the accounts are not there; import them first, with the same --seed and --accounts"
        }
        60008 | 70169 | 40006 | 90992 => "the server did not get the call done in time",
        70399 => "these accounts were deleted; import others, with another --seed",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hopeless_or_not() {
        for (code, hopeless) in [
            (70009, true),
            (70001, true),
            (70020, true),
            (60016, true),
            (70398, true),
            (60007, false),
            (60018, false),
            (60008, false),
            (40003, false),
            (70169, false),
            (70500, false),
            (0, false),
        ] {
            assert_eq!(is_hopeless(code), hopeless, "{code}");
        }
    }
}
