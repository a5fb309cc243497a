//! What each command asks of the store, and which answer it makes of the outcome.

use std::slice;

use muster_accounts::{
    AccountStore, App, OpError, SdkAppId, StoreError, UnixSeconds,
    rules::{delete::DeleteRefusal, kick::KickRefusal, profile::ProfileRefusal},
};
use muster_wire::{Failure, Request, account_delete, account_import, kick, portrait_set};

/// Why a request was not carried out.
pub(crate) enum Unanswered {
    /// The answer is a failure.
    Refused(Failure),
    /// The store failed; what to answer is up to the caller.
    Store(StoreError),
}

impl From<Failure> for Unanswered {
    fn from(failure: Failure) -> Self {
        Self::Refused(failure)
    }
}

impl From<StoreError> for Unanswered {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// How many users a request is about.
pub(crate) fn entries(request: &Request) -> usize {
    match request {
        Request::AccountImport(import) => import.entries().len(),
        Request::MultiaccountImport(batch) => batch.import.entries().len(),
        Request::AccountDelete(account_delete::Request(Ok(delete))) => delete.users.len(),
        Request::AccountDelete(account_delete::Request(Err(_))) => 0,
        Request::AccountCheck(check) => check.users.len(),
        Request::Kick(_) | Request::PortraitSet(_) => 1,
        Request::PortraitGet(get) => get.users.len(),
    }
}

/// Carries a request out and gives the body of its answer.
pub(crate) async fn carry_out(
    store: &dyn AccountStore,
    app: &App,
    request: Request,
    now: UnixSeconds,
) -> Result<Vec<u8>, Unanswered> {
    let may_delete = app.allows_deletion();
    let app = app.sdkappid;
    match request {
        Request::AccountImport(import) => match store.import(app, import, now).await {
            Ok(_) => Ok(account_import::answer()),
            Err(OpError::Refused(refusal)) => Err(account_import::refused(&refusal).into()),
            Err(OpError::Store(error)) => Err(error.into()),
        },
        Request::MultiaccountImport(batch) => {
            if batch.import.entries().is_empty() {
                return Ok(batch.invalid.answer(&[]));
            }
            match store.import(app, batch.import, now).await {
                Ok(outcome) => Ok(batch.invalid.answer(&outcome.barred)),
                Err(OpError::Refused(refusal)) => Err(batch.invalid.refused(&refusal).into()),
                Err(OpError::Store(error)) => Err(error.into()),
            }
        }
        Request::AccountDelete(account_delete::Request(delete)) => {
            // Judged before the parameters (wire §3.4).
            if !may_delete {
                return Err(account_delete::not_allowed(app).into());
            }
            let delete = delete?;
            match store.delete(app, delete.users.clone(), now).await {
                Ok(deletions) => Ok(delete.answer(&deletions)),
                Err(OpError::Refused(DeleteRefusal::NotAllowed)) => {
                    Err(account_delete::not_allowed(app).into())
                }
                Err(OpError::Store(error)) => Err(error.into()),
            }
        }
        Request::Kick(user_id) => match store.kick(app, user_id, now).await {
            Ok(()) => Ok(kick::answer()),
            Err(OpError::Refused(KickRefusal::NotImported)) => Err(kick::not_imported().into()),
            Err(OpError::Store(error)) => Err(error.into()),
        },
        Request::AccountCheck(check) => {
            let found = store.check(app, &check.users).await?;
            Ok(check.answer(&found))
        }
        Request::PortraitSet(set) => set_portrait(store, app, set, now).await,
        Request::PortraitGet(get) => {
            let accounts = store.accounts(app, &get.users).await?;
            Ok(get.answer(&accounts))
        }
    }
}

/// The account is judged before the fields (wire §3.8).
async fn set_portrait(
    store: &dyn AccountStore,
    app: SdkAppId,
    request: portrait_set::Request,
    now: UnixSeconds,
) -> Result<Vec<u8>, Unanswered> {
    let user_id = request.account?;
    let fields = match request.fields {
        Ok(fields) => fields,
        Err(failure) => {
            let found = store.check(app, slice::from_ref(&user_id)).await?;
            let imported = found.first().copied().unwrap_or(false);
            let failure = if imported {
                failure
            } else {
                portrait_set::not_imported(&user_id)
            };
            return Err(failure.into());
        }
    };
    match store.set_profile(app, user_id, fields, now).await {
        Ok(()) => Ok(portrait_set::answer()),
        Err(OpError::Refused(ProfileRefusal::NotImported)) => {
            Err(portrait_set::not_imported(&user_id).into())
        }
        Err(OpError::Store(error)) => Err(error.into()),
    }
}
