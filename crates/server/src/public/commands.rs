//! What each command asks of the store, and which answer it makes of the outcome.

use std::{net::IpAddr, slice, sync::Arc};

use muster_accounts::{
    AccountStore, App, Ended, OpError, ProfileField, StoreError, UnixSeconds, UserId,
    rules::{
        delete::{DeleteRefusal, Deletion},
        import::{ImportEntry, ImportOutcome, ImportRefusal, ImportRequest, Imported},
        kick::KickRefusal,
        profile::ProfileRefusal,
    },
};
use muster_wire::{
    Command, Failure, Request, account_delete, account_import, kick,
    online_status::{self, Status},
    portrait_set,
    webhook::{Event, StateChange},
};

use crate::{
    Clock,
    load::Load,
    presence::Presence,
    webhooks::{Origin, Webhooks},
};

/// What a command works with, and for whom.
#[derive(Clone)]
pub(crate) struct Work {
    pub(crate) store: Arc<dyn AccountStore>,
    pub(crate) load: Arc<Load>,
    pub(crate) presence: Presence,
    pub(crate) webhooks: Webhooks,
    pub(crate) app: Arc<App>,
    /// The admin who calls.
    pub(crate) caller: UserId,
    /// Where the call comes from.
    pub(crate) source: IpAddr,
    pub(crate) now: UnixSeconds,
    /// For the times of events, which come after the work.
    pub(crate) clock: Clock,
}

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
        Request::OnlineStatus(status) => status.users.len(),
    }
}

/// Whether a command changes what is stored.
pub(crate) fn writes(command: Command) -> bool {
    match command {
        Command::AccountImport
        | Command::MultiaccountImport
        | Command::AccountDelete
        | Command::Kick
        | Command::PortraitSet => true,
        Command::AccountCheck
        | Command::QueryOnlineStatus
        | Command::Querystate
        | Command::PortraitGet => false,
    }
}

impl Work {
    /// Carries a request out and gives the body of its answer.
    pub(crate) async fn carry_out(&self, request: Request) -> Result<Vec<u8>, Unanswered> {
        let app = self.app.sdkappid;
        match request {
            Request::AccountImport(import) => match self.import(import).await {
                Ok(_) => Ok(account_import::answer()),
                Err(OpError::Refused(refusal)) => Err(account_import::refused(&refusal).into()),
                Err(OpError::Store(error)) => Err(error.into()),
            },
            Request::MultiaccountImport(batch) => {
                if batch.import.entries().is_empty() {
                    return Ok(batch.invalid.answer(&[]));
                }
                match self.import(batch.import).await {
                    Ok(outcome) => Ok(batch.invalid.answer(&outcome.barred)),
                    Err(OpError::Refused(refusal)) => Err(batch.invalid.refused(&refusal).into()),
                    Err(OpError::Store(error)) => Err(error.into()),
                }
            }
            Request::AccountDelete(account_delete::Request(delete)) => {
                // Judged before the parameters (wire §3.4).
                if !self.app.allows_deletion() {
                    return Err(account_delete::not_allowed(app).into());
                }
                let delete = delete?;
                let users = delete.users.clone();
                match self.to_the_end(|work| work.delete(users)).await {
                    Ok(deletions) => Ok(delete.answer(&deletions)),
                    Err(OpError::Refused(DeleteRefusal::NotAllowed)) => {
                        Err(account_delete::not_allowed(app).into())
                    }
                    Err(OpError::Store(error)) => Err(error.into()),
                }
            }
            Request::Kick(user_id) => match self.to_the_end(|work| work.kick(user_id)).await {
                Ok(()) => Ok(kick::answer()),
                Err(OpError::Refused(KickRefusal::NotImported)) => Err(kick::not_imported().into()),
                Err(OpError::Store(error)) => Err(error.into()),
            },
            Request::AccountCheck(check) => {
                let found = self.store.check(app, &check.users).await?;
                Ok(check.answer(&found))
            }
            Request::OnlineStatus(asked) => self.online_status(asked).await,
            Request::PortraitSet(set) => self.set_portrait(set).await,
            Request::PortraitGet(get) => {
                let _turn = self.load.profile_read().await;
                let accounts = self.store.accounts(app, &get.users).await?;
                Ok(get.answer(&accounts))
            }
        }
    }

    /// Does what has a second step, after the store's, to its end: a caller who is told that it took
    /// too long must not leave the second step undone.
    async fn to_the_end<T, R, F>(&self, step: impl FnOnce(Self) -> F) -> Result<T, OpError<R>>
    where
        T: Send + 'static,
        R: Send + 'static,
        F: Future<Output = Result<T, OpError<R>>> + Send + 'static,
    {
        let done = tokio::spawn(step(self.clone())).await;
        done.unwrap_or_else(|panic| Err(StoreError::Failed(panic.to_string().into()).into()))
    }

    async fn import(
        &self,
        request: ImportRequest,
    ) -> Result<ImportOutcome, OpError<ImportRefusal>> {
        let webhook = self.app.settings.webhook.as_ref();
        // Few apps want to hear of imports; for the others nothing is copied (wire §8.1).
        if webhook.is_some_and(|webhook| webhook.imports) {
            return self.to_the_end(|work| work.import_and_tell(request)).await;
        }
        self.store
            .import(self.app.sdkappid, request, self.now)
            .await
    }

    async fn import_and_tell(
        self,
        request: ImportRequest,
    ) -> Result<ImportOutcome, OpError<ImportRefusal>> {
        let entries = request.entries().to_vec();
        let outcome = self
            .store
            .import(self.app.sdkappid, request, self.now)
            .await?;
        for (entry, imported) in entries.iter().zip(&outcome.entries) {
            let fields = passed_fields(entry);
            if matches!(imported, Imported::Created | Imported::Updated) && !fields.is_empty() {
                self.tell_of_portrait(&entry.user_id, &fields);
            }
        }
        Ok(outcome)
    }

    async fn kick(self, user_id: UserId) -> Result<(), OpError<KickRefusal>> {
        let app = self.app.sdkappid;
        self.store.kick(app, user_id, self.now).await?;
        self.sign_out(&[user_id], Ended::Kicked).await;
        Ok(())
    }

    async fn delete(self, users: Vec<UserId>) -> Result<Vec<Deletion>, OpError<DeleteRefusal>> {
        let app = self.app.sdkappid;
        let deletions = self.store.delete(app, users.clone(), self.now).await?;
        let deleted = users.into_iter().zip(&deletions);
        let deleted = deleted.filter(|(_, deletion)| **deletion == Deletion::Deleted);
        let deleted: Vec<_> = deleted.map(|(user_id, _)| user_id).collect();
        self.sign_out(&deleted, Ended::Deleted).await;
        Ok(deletions)
    }

    /// Ends all sessions of users, which is one event a user who had any (wire §8.2).
    async fn sign_out(&self, users: &[UserId], why: Ended) {
        let change = StateChange::Logout;
        let tell = |user_id: &UserId| self.tell(user_id, &Event::StateChange { user_id, change });
        let app = self.app.sdkappid;
        self.presence.end_users(app, users, why, tell).await;
    }

    async fn online_status(&self, asked: online_status::Request) -> Result<Vec<u8>, Unanswered> {
        let app = self.app.sdkappid;
        let imported = self.store.check(app, &asked.users);
        let platforms = self.presence.platforms(app, &asked.users);
        let (imported, platforms) = tokio::try_join!(imported, platforms)?;
        let status = imported
            .into_iter()
            .zip(platforms)
            .map(|(imported, platforms)| {
                if imported {
                    Status::Devices(platforms)
                } else {
                    Status::NotImported
                }
            });
        Ok(asked.answer(&status.collect::<Vec<_>>()))
    }

    /// The account is judged before the fields (wire §3.8).
    async fn set_portrait(&self, request: portrait_set::Request) -> Result<Vec<u8>, Unanswered> {
        let (app, now) = (self.app.sdkappid, self.now);
        let user_id = request.account?;
        let fields = match request.fields {
            Ok(fields) => fields,
            Err(failure) => {
                let found = self.store.check(app, slice::from_ref(&user_id)).await?;
                let imported = found.first().copied().unwrap_or(false);
                let failure = if imported {
                    failure
                } else {
                    portrait_set::not_imported(&user_id)
                };
                return Err(failure.into());
            }
        };
        let set = if self.app.settings.webhook.is_some() {
            self.to_the_end(|work| work.set_profile_and_tell(user_id, fields))
                .await
        } else {
            self.store.set_profile(app, user_id, fields, now).await
        };
        match set {
            Ok(()) => Ok(portrait_set::answer()),
            Err(OpError::Refused(ProfileRefusal::NotImported)) => {
                Err(portrait_set::not_imported(&user_id).into())
            }
            Err(OpError::Store(error)) => Err(error.into()),
        }
    }

    async fn set_profile_and_tell(
        self,
        user_id: UserId,
        fields: Vec<ProfileField>,
    ) -> Result<(), OpError<ProfileRefusal>> {
        let app = self.app.sdkappid;
        self.store
            .set_profile(app, user_id, fields.clone(), self.now)
            .await?;
        self.tell_of_portrait(&user_id, &fields);
        Ok(())
    }

    fn tell_of_portrait(&self, user_id: &UserId, fields: &[ProfileField]) {
        self.tell(
            user_id,
            &Event::PortraitSet {
                operator: &self.caller,
                user_id,
                fields,
            },
        );
    }

    fn tell(&self, user_id: &UserId, event: &Event<'_>) {
        let origin = Origin {
            source: self.source,
            platform: None,
        };
        let now_ms = self.clock.now_ms();
        self.webhooks
            .send(&self.app, user_id, event, origin, now_ms);
    }
}

/// What an entry of an import says of its user's profile.
fn passed_fields(entry: &ImportEntry) -> Vec<ProfileField> {
    let nick = entry.nick.clone().map(ProfileField::Nick);
    let face_url = entry.face_url.clone().map(ProfileField::FaceUrl);
    nick.into_iter().chain(face_url).collect()
}
