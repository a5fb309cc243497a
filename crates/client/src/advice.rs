//! What to do about a failure: the table of wire §7, and the same for what goes wrong on the way.

use std::time::Duration;

use crate::{ApiFailure, CallError, ItemFailure, TransportError, operator::OperatorError};

/// Codes of the operator API that stay until something is changed.
const NOT_BY_ITSELF: [&str; 2] = ["app_not_found", "invalid_request"];

/// The operator API's code for a body that broke off on its way.
const BODY_CUT_OFF: &str = "body_cut_off";

/// Whether, when and how a failed call is worth another try.
///
/// ```
/// use std::time::Duration;
/// use muster_client::Advice;
///
/// assert_eq!(Advice::of_code(70402), Advice::Never); // a bad parameter stays one
/// assert_eq!(Advice::of_code(60007), Advice::After(Duration::from_secs(1))); // the rate limit
/// assert_eq!(Advice::of_code(70169), Advice::Again); // timed out inside the server
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Advice {
    /// Not before something is changed: the same call would fail again.
    Never,
    /// Once more with a `UserSig` that is signed anew, which [`Client`](crate::Client) does of its
    /// own accord at the next call. If that one is refused as well, the clock of this machine is
    /// wrong or somebody kicks the admin: then never.
    SignAnew,
    /// The same call again, with growing pauses.
    Again,
    /// The same call again, after this time at the earliest.
    After(Duration),
}

impl Advice {
    /// The advice for an `ErrorCode` or a `ResultCode`: that of the protocol's table, for all codes it has,
    /// also those that only Tencent's servers send. [`Never`](Self::Never) for a
    /// code that the table does not have.
    pub const fn of_code(code: i64) -> Advice {
        match code {
            30006..=30008
            | 40006
            | 60004
            | 60005
            | 60008
            | 60013
            | 60014
            | 70169
            | 70201..=70203
            | 70207
            | 70208
            | 70212..=70214
            | 70222
            | 70225
            | 70231
            | 70308
            | 70348
            | 70362
            | 70401
            | 70500
            | 90992
            | 90994
            | 90995
            | 91000 => Advice::Again,
            60007 | 60011 | 60018 | 60019 => Advice::After(Duration::from_secs(1)),
            70050 => Advice::After(Duration::from_mins(1)),
            60028 => Advice::After(Duration::from_hours(24)),
            70399 => Advice::After(Duration::from_hours(90 * 24)),
            70001 | 70052 => Advice::SignAnew,
            _ => Advice::Never,
        }
    }

    /// The shortest pause before another try, `None` for none at all. It is the `at_least` of
    /// [`Backoff::next`](crate::Backoff::next).
    pub const fn pause(self) -> Option<Duration> {
        match self {
            Advice::Never => None,
            // A UserSig is dated in whole seconds, and one of the second of a kick is refused.
            Advice::SignAnew => Some(Duration::from_secs(1)),
            Advice::Again => Some(Duration::ZERO),
            Advice::After(time) => Some(time),
        }
    }
}

impl CallError {
    /// What to do about it.
    ///
    /// Whatever broke on the way may be gone at the next try. An answer that is none would not: the
    /// host is not a server of this API, or one that this crate does not understand. Of HTTP
    /// statuses only those say that it will pass that mean a server with too much to do or none
    /// behind a gateway: 429, 502, 503 and 504.
    ///
    /// Unless the failure says that nothing was done, the first try may have been carried out; see
    /// [`Retries`](crate::Retries) for what another one then means.
    pub fn advice(&self) -> Advice {
        match self {
            CallError::Transport(error) => error.advice(),
            CallError::HttpStatus {
                status: 429 | 502..=504,
            } => Advice::Again,
            CallError::HttpStatus { .. }
            | CallError::NotAnAnswer { .. }
            | CallError::RequestTooLong { .. } => Advice::Never,
            CallError::Api(failure) => failure.advice(),
        }
    }
}

impl TransportError {
    /// What to do about it.
    pub fn advice(&self) -> Advice {
        match self {
            TransportError::Connect { .. }
            | TransportError::TimedOut { .. }
            | TransportError::Broken { .. } => Advice::Again,
            TransportError::AnswerTooLong { .. } => Advice::Never,
        }
    }
}

impl OperatorError {
    /// What to do about it: again if the server is away, stops, or has trouble or too much to do, or if the
    /// request did not come through to it.
    pub fn advice(&self) -> Advice {
        match self {
            OperatorError::Transport(error) => error.advice(),
            OperatorError::Refused { status, .. } | OperatorError::NotAnAnswer { status, .. }
                if *status >= 500 || matches!(status, 408 | 429) =>
            {
                Advice::Again
            }
            OperatorError::Refused { code, .. } if code == BODY_CUT_OFF => Advice::Again,
            OperatorError::BrokenOff { code, .. } if !NOT_BY_ITSELF.contains(&code.as_str()) => {
                Advice::Again
            }
            _ => Advice::Never,
        }
    }
}

impl ApiFailure {
    /// What to do about it, by its code.
    pub fn advice(&self) -> Advice {
        Advice::of_code(self.code)
    }
}

impl ItemFailure {
    /// What to do about the item, by its code.
    pub fn advice(&self) -> Advice {
        Advice::of_code(self.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_did_not_come_through_is_sent_again() {
        for (status, code, advice) in [
            (408, "body_timed_out", Advice::Again),
            (400, "body_cut_off", Advice::Again),
            (400, "invalid_request", Advice::Never),
            (404, "app_not_found", Advice::Never),
            (429, "too_many_imports", Advice::Again),
            (503, "store_unavailable", Advice::Again),
        ] {
            let (code, message) = (code.to_owned(), String::new());
            let refused = OperatorError::Refused {
                status,
                code: code.clone(),
                message: message.clone(),
            };
            assert_eq!(refused.advice(), advice, "{code}");
            let broken_off = OperatorError::BrokenOff {
                code,
                message,
                lines: 1,
            };
            assert_eq!(broken_off.advice(), advice, "{broken_off}");
        }
    }
}
