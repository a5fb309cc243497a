//! What went wrong in the database, and whether to try again.

use std::{convert::Infallible, time::Duration};

use deadpool_postgres::{PoolError, TimeoutType};
use muster_accounts::{OpError, StoreError};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_postgres::error::SqlState;

/// How long a call tries. A caller's own deadline, 3 s, is to come after it, so that what it is told
/// names the cause.
const PATIENCE: Duration = Duration::from_millis(2500);

/// Between the first two tries; doubled up to [`MAX_PAUSE`], and drawn from the half to the whole of it.
const FIRST_PAUSE: Duration = Duration::from_millis(4);

const MAX_PAUSE: Duration = Duration::from_millis(250);

/// Tries until it is done, refused, or not worth another try: each time with a connection, and whether
/// it was tried before.
macro_rules! tried {
    ($shared:expr, $repeat:expr, |$client:ident, $again:ident| $call:expr) => {{
        let mut tries = $crate::retry::Tries::new($repeat);
        let mut again = false;
        loop {
            let $again = again;
            again = true;
            let outcome = match $shared.client().await {
                Ok(mut lent) => {
                    let $client = &mut *lent;
                    // A connection on which nothing comes is not given back.
                    match tries.within_patience($call).await {
                        Some(outcome) => {
                            lent.give_back();
                            outcome
                        }
                        None => Err($crate::retry::Failure::Silent),
                    }
                }
                Err(failure) => Err(failure),
            };
            match outcome {
                Ok(done) => break Ok(done),
                Err(failure) => {
                    $shared.let_go(&failure);
                    if let Err(error) = tries.after(failure).await {
                        break Err($shared.blamed(error));
                    }
                }
            }
        }
    }};
    ($shared:expr, $repeat:expr, |$client:ident| $call:expr) => {
        tried!($shared, $repeat, |$client, _again| $call)
    };
}

pub(crate) use tried;

/// Why a try came to nothing.
#[derive(Debug)]
pub(crate) enum Failure<R> {
    /// The rule refused.
    Refused(R),
    /// No connection was to be had; nothing was sent.
    Connection(PoolError),
    /// A statement failed, or the connection during it, before anything that counts was written.
    Undone(tokio_postgres::Error),
    /// Likewise, but what it was to write may be there. What every statement's failure is unless
    /// [`Failure::undone`] says otherwise.
    Unsure(tokio_postgres::Error),
    /// Nothing came while there was patience; what it was to write may be there.
    Silent,
    /// Trying again would change nothing.
    Final(StoreError),
}

impl<R> From<PoolError> for Failure<R> {
    fn from(error: PoolError) -> Self {
        Self::Connection(error)
    }
}

impl<R> From<tokio_postgres::Error> for Failure<R> {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Unsure(error)
    }
}

impl<R> From<StoreError> for Failure<R> {
    fn from(error: StoreError) -> Self {
        Self::Final(error)
    }
}

impl<R> Failure<R> {
    /// As whoever knows says that nothing which counts was written.
    pub(crate) fn undone(self) -> Self {
        match self {
            Self::Unsure(error) => Self::Undone(error),
            other => other,
        }
    }

    fn statement(&self) -> Option<&tokio_postgres::Error> {
        match self {
            Self::Undone(error) | Self::Unsure(error) => Some(error),
            Self::Refused(_) | Self::Connection(_) | Self::Silent | Self::Final(_) => None,
        }
    }
}

/// Whether a call may be made once more when it is unknown whether it was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// The second time it finds what the first left, and the answer is as good.
    Harmless,
    /// Its answer says what it changed, which the second time would be another.
    Tells,
}

/// The tries of one call.
pub(crate) struct Tries {
    repeat: Repeat,
    end: Instant,
    pause: Duration,
}

impl Tries {
    pub(crate) fn new(repeat: Repeat) -> Self {
        Self {
            repeat,
            end: Instant::now() + PATIENCE,
            pause: FIRST_PAUSE,
        }
    }

    /// What a try comes to, if it does so in time.
    pub(crate) async fn within_patience<T>(&self, one: impl Future<Output = T>) -> Option<T> {
        timeout_at(self.end, one).await.ok()
    }

    /// Waits for the next try, or says what the call is answered.
    pub(crate) async fn after<R>(&mut self, failure: Failure<R>) -> Result<(), OpError<R>> {
        let again = match &failure {
            Failure::Connection(
                PoolError::Backend(_) | PoolError::Timeout(TimeoutType::Create),
            ) => true,
            // A time-out has waited already.
            Failure::Refused(_) | Failure::Final(_) | Failure::Connection(_) | Failure::Silent => {
                false
            }
            Failure::Undone(error) => !matches!(kind(error), Kind::Final),
            Failure::Unsure(error) => match kind(error) {
                Kind::NotDone => true,
                Kind::Unknown => self.repeat == Repeat::Harmless,
                Kind::Final => false,
            },
        };
        let pause = self.pause.mul_f64(0.5 + fastrand::f64() / 2.0);
        if !again || Instant::now() + pause > self.end {
            return Err(outcome(failure));
        }
        sleep(pause).await;
        self.pause = (self.pause * 2).min(MAX_PAUSE);
        Ok(())
    }
}

fn outcome<R>(failure: Failure<R>) -> OpError<R> {
    let text = match failure {
        Failure::Refused(refusal) => return OpError::Refused(refusal),
        Failure::Final(error) => return OpError::Store(error),
        Failure::Silent => "the database did not answer in time".to_owned(),
        Failure::Connection(PoolError::Timeout(TimeoutType::Wait)) => {
            return OpError::Store(StoreError::Busy);
        }
        Failure::Connection(error) => format!("no connection to the database: {}", told(&error)),
        Failure::Undone(error) | Failure::Unsure(error)
            if error.code() == Some(&SqlState::DIVISION_BY_ZERO) =>
        {
            "other calls changed the same users again and again".to_owned()
        }
        Failure::Undone(error) | Failure::Unsure(error) => {
            format!("the database failed: {}", told(&error))
        }
    };
    OpError::Store(StoreError::Failed(text.into()))
}

/// The error of a call that no rule can refuse.
pub(crate) fn unrefused(failure: Failure<Infallible>) -> StoreError {
    match outcome(failure) {
        OpError::Refused(never) => match never {},
        OpError::Store(error) => error,
    }
}

/// An error with its causes, where PostgreSQL's own words are.
pub(crate) fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

enum Kind {
    /// It was rolled back, or never begun.
    NotDone,
    /// The connection or the server went while it ran.
    Unknown,
    /// The next try would fail likewise.
    Final,
}

fn kind(error: &tokio_postgres::Error) -> Kind {
    let Some(code) = error.code() else {
        return Kind::Unknown;
    };
    match *code {
        // Two transactions got in each other's way; also two that make the same user, and a plan that
        // was overtaken ([`crate::statements::put`]).
        SqlState::T_R_SERIALIZATION_FAILURE
        | SqlState::T_R_DEADLOCK_DETECTED
        | SqlState::UNIQUE_VIOLATION
        | SqlState::DIVISION_BY_ZERO
        // A standby, as after a failover that this connection has not noticed.
        | SqlState::READ_ONLY_SQL_TRANSACTION
        // Statements that were prepared and are not there any more.
        | SqlState::INVALID_SQL_STATEMENT_NAME
        | SqlState::FEATURE_NOT_SUPPORTED
        | SqlState::CANNOT_CONNECT_NOW
        | SqlState::TOO_MANY_CONNECTIONS => Kind::NotDone,
        SqlState::ADMIN_SHUTDOWN | SqlState::CRASH_SHUTDOWN | SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN => {
            Kind::Unknown
        }
        _ if code.code().starts_with("08") => Kind::Unknown,
        _ => Kind::Final,
    }
}

/// Whether the connections that led here are of no more use.
pub(crate) fn spoils_connections<R>(failure: &Failure<R>) -> bool {
    let code = failure.statement().and_then(tokio_postgres::Error::code);
    code.is_some_and(|code| {
        [
            SqlState::READ_ONLY_SQL_TRANSACTION,
            SqlState::INVALID_SQL_STATEMENT_NAME,
            SqlState::FEATURE_NOT_SUPPORTED,
        ]
        .contains(code)
    })
}
