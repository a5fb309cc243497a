//! Who may pass: checks 8 to 14 of wire §2, before a byte of the body is looked at. A session's
//! sign-in goes through those of them that are about the app and the UserSig.

use std::{net::IpAddr, sync::Arc, time::Duration};

use muster_accounts::{AccountStore, App, StoreError, UnixSeconds, UserId};
use muster_usersig::{DecodeError, Rejection};
use muster_wire::{Call, Failure};
use tokio::time::timeout;
use tracing::error;

use super::{
    failed_checks::{FailedChecks, Use},
    rate::CallRates,
    usersigs::{Token, UserSigs},
};
use crate::{
    Limits, Settings,
    metrics::{Metrics, Overload},
    request_id::RequestId,
};

/// Decides on calls.
pub(crate) struct Gate {
    store: Arc<dyn AccountStore>,
    metrics: Arc<Metrics>,
    usersigs: UserSigs,
    failed_checks: Arc<FailedChecks>,
    /// `None` if the limits are switched off.
    rates: Option<CallRates>,
    deadline: Duration,
}

/// A call that may pass.
pub(crate) struct Passed {
    pub(crate) app: Arc<App>,
    /// The admin who calls.
    pub(crate) caller: UserId,
}

/// A call that may not pass.
pub(crate) struct Refused {
    pub(crate) failure: Failure,
    /// What makes a UserSig illegal. The protocol's text does not say, so it is for the log; it quotes
    /// nothing of the UserSig.
    pub(crate) illegal: Option<DecodeError>,
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self {
            failure,
            illegal: None,
        }
    }
}

impl Gate {
    pub(crate) fn new(
        settings: &Settings,
        store: Arc<dyn AccountStore>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let Limits {
            verified_tokens,
            deadline_s,
            failed_usersigs_per_min,
            failed_usersig_counters,
            ..
        } = settings.limits;
        Self {
            metrics,
            usersigs: UserSigs::new(verified_tokens),
            failed_checks: Arc::new(FailedChecks::new(
                failed_usersigs_per_min,
                failed_usersig_counters,
            )),
            rates: settings
                .rate_limits
                .then(|| CallRates::new(store.cluster())),
            deadline: Duration::from_secs(deadline_s),
            store,
        }
    }

    /// The counts of failed UserSigs.
    pub(crate) fn failed_checks(&self) -> &Arc<FailedChecks> {
        &self.failed_checks
    }

    /// Lets a call pass, or says why not. The first check that fails decides.
    pub(crate) async fn pass(
        &self,
        call: &Call<'_>,
        source: IpAddr,
        now: UnixSeconds,
        request_id: RequestId,
    ) -> Result<Passed, Refused> {
        let app = self.enabled_app(call, request_id).await?;
        // 10
        if !app.allows_source(source) {
            return Err(Failure::source_not_allowed(source, call.sdkappid).into());
        }
        let mut token = self.check_usersig(&app, call, Use::Call, now)?;
        self.refuse_kicked(&mut token, call, request_id).await?;
        // 13
        let caller = UserId::parse(&call.identifier).ok();
        let Some(caller) = caller.filter(|caller| app.admins.contains(caller)) else {
            let service = call.command.service();
            return Err(Failure::not_admin(service, &call.identifier).into());
        };
        self.usersigs.remember(token);
        // 14
        if let Some(rates) = &self.rates
            && let Err(limit) = rates.pass(&app, call.command, now).await
        {
            return Err(Failure::over_rate(call.command, call.sdkappid, limit).into());
        }
        Ok(Passed { app, caller })
    }

    /// Checks 8 and 9.
    pub(crate) async fn enabled_app(
        &self,
        call: &Call<'_>,
        request_id: RequestId,
    ) -> Result<Arc<App>, Refused> {
        let app = self.app(call, request_id).await?;
        if app.settings.disabled {
            return Err(Failure::app_disabled(call.sdkappid).into());
        }
        Ok(app)
    }

    /// Checks 11 and 12a to 12e.
    pub(crate) fn check_usersig(
        &self,
        app: &App,
        call: &Call<'_>,
        used: Use,
        now: UnixSeconds,
    ) -> Result<Token, Refused> {
        let Call {
            sdkappid,
            ref identifier,
            ref usersig,
            ..
        } = *call;
        let failed = &self.failed_checks;
        if failed.are_too_many(used, sdkappid, identifier, now) {
            return Err(Failure::too_many_failed_checks(identifier).into());
        }
        let checked = self.usersigs.check(app, identifier, usersig, now);
        self.metrics.usersig(checked.known);
        checked.outcome.map_err(|rejection| {
            // An expired one was a good one once.
            if !matches!(rejection, Rejection::Expired { .. }) {
                failed.count(used, sdkappid, identifier, now);
            }
            Refused {
                failure: Failure::usersig(&rejection),
                illegal: match rejection {
                    Rejection::Illegal(error) => Some(error),
                    _ => None,
                },
            }
        })
    }

    /// Check 12f for who is to stay: the mark is read in any case. A kick at another server may not have been
    /// heard of here, and when it is, it ends only what had entered before it.
    pub(crate) async fn refuse_kicked_now(
        &self,
        token: &mut Token,
        call: &Call<'_>,
        request_id: RequestId,
    ) -> Result<(), Refused> {
        let kicks = self.store.kicks();
        let kicked_at = self.kicked_at(call, request_id).await?;
        if !token.survives(kicked_at, kicks) {
            return Err(Failure::usersig_kicked(&call.identifier).into());
        }
        Ok(())
    }

    /// Check 12f.
    pub(crate) async fn refuse_kicked(
        &self,
        token: &mut Token,
        call: &Call<'_>,
        request_id: RequestId,
    ) -> Result<(), Refused> {
        if token.is_unkicked(self.store.kicks()) {
            return Ok(());
        }
        self.refuse_kicked_now(token, call, request_id).await
    }

    async fn app(&self, call: &Call<'_>, request_id: RequestId) -> Result<Arc<App>, Failure> {
        let app = self.ask(self.store.app(call.sdkappid), call, request_id);
        app.await?
            .ok_or_else(|| Failure::unknown_app(call.sdkappid))
    }

    /// The kick mark of the caller; a name that cannot be a user id was never kicked.
    async fn kicked_at(
        &self,
        call: &Call<'_>,
        request_id: RequestId,
    ) -> Result<Option<UnixSeconds>, Failure> {
        match UserId::parse(&call.identifier) {
            Ok(caller) => {
                let mark = self.store.kicked_at(call.sdkappid, &caller);
                self.ask(mark, call, request_id).await
            }
            Err(_) => Ok(None),
        }
    }

    /// Waits for the store as long as the work of a call would.
    async fn ask<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
        call: &Call<'_>,
        request_id: RequestId,
    ) -> Result<T, Failure> {
        let failure = match timeout(self.deadline, work).await {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(StoreError::Busy)) => {
                self.metrics.overload(Overload::Store);
                Failure::overloaded()
            }
            Ok(Err(error)) => {
                error!(%request_id, %error, "the store failed to look the caller up");
                Failure::internal(call.command)
            }
            Err(_) => {
                error!(%request_id, "the store did not look the caller up in time");
                Failure::timed_out(call.command)
            }
        };
        // Checks 1 to 16 give no list (wire §3.3).
        Err(Failure {
            fail_accounts: None,
            ..failure
        })
    }
}
