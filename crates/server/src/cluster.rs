//! What a server does with what it hears of the others over the same store, and tells them.
//!
//! Kicks, changed apps and deleted accounts count at once, since they are read from the store or asked
//! of it again ([`muster_accounts::AccountStore::kicks`]). Here are the sessions, which have to be
//! ended, and the failed UserSigs.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use muster_accounts::{App, Cluster, Ended, News, SdkAppId, StoreError, UserId};
use muster_wire::webhook::StateChange;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::{error, info};

use crate::{
    core::Core,
    presence::{OpenSession, SessionInfo},
    public::FailedChecks,
};

/// How often others are told of failed UserSigs.
const NOTE_PERIOD: Duration = Duration::from_millis(250);

/// How often it is asked whether the users of all sessions may stay. That ends sessions of which
/// nobody was told, because the server that ended them was killed in the middle.
const REVIEW_PERIOD: Duration = Duration::from_mins(1);

/// How soon what failed is tried again.
const RETRY_PERIOD: Duration = Duration::from_secs(1);

/// How many sessions are entered or reviewed at a time.
const BATCH: usize = 1000;

/// Listens and tells.
pub(crate) struct Follower {
    cluster: Arc<dyn Cluster>,
    core: Core,
    failed_checks: Arc<FailedChecks>,
}

impl Follower {
    /// `None` if the store is this server's alone.
    pub(crate) fn new(core: Core, failed_checks: Arc<FailedChecks>) -> Option<Self> {
        Some(Self {
            cluster: core.store.cluster()?,
            core,
            failed_checks,
        })
    }

    /// Until this is dropped.
    pub(crate) async fn follow(self) {
        tokio::join!(self.hear(), self.tell(), self.review_at_times());
    }

    async fn hear(&self) {
        let mut is_forgotten = false;
        loop {
            let mut news = News::default();
            if is_forgotten {
                // It failed just now; it is tried until it succeeds.
                if let Ok(heard) = timeout(RETRY_PERIOD, self.cluster.news()).await {
                    news = heard;
                }
            } else {
                news = self.cluster.news().await;
            }
            is_forgotten |= news.forgotten;
            self.heed(news).await;
            if is_forgotten {
                let entered = self.enter_anew().await;
                is_forgotten = entered.is_err();
                if let Err(error) = entered {
                    error!(%error, "the sessions could not be entered anew yet");
                }
            }
        }
    }

    /// An app, if it can be read; others do not suffer from one that cannot.
    async fn app(&self, app: SdkAppId) -> Option<Arc<App>> {
        self.core.store.app(app).await.ok().flatten()
    }

    async fn heed(&self, news: News) {
        if let Some(notes) = news.notes {
            self.failed_checks.hear(&notes);
        }
        for (key, why) in news.ended {
            let app = self.app(key.app).await;
            self.core.presence.end_told(key, why, |session| {
                // Of the others it is told where they were ended.
                if let (Some(app), Ended::Closed) = (&app, why) {
                    self.core
                        .tell_of_session(app, session, StateChange::LinkClose);
                }
            });
        }
        if news.apps {
            self.end_those_of_disabled_apps().await;
        }
    }

    async fn end_those_of_disabled_apps(&self) {
        let presence = &self.core.presence;
        for sdkappid in presence.apps() {
            let Some(app) = self.app(sdkappid).await else {
                continue;
            };
            presence.end_disabled(&app, |session: &SessionInfo| {
                self.core
                    .tell_of_session(&app, session, StateChange::LinkClose);
            });
        }
    }

    /// Others took this server for gone.
    async fn enter_anew(&self) -> Result<(), StoreError> {
        let presence = &self.core.presence;
        let sessions = presence.all();
        if !sessions.is_empty() {
            info!(sessions = sessions.len(), "entering all sessions anew");
        }
        for batch in sessions.chunks(BATCH) {
            let batch: Vec<_> = batch.iter().map(|it| it.shared.clone()).collect();
            self.cluster.enter(&batch).await?;
        }
        presence.forget_those_that_left(&sessions);
        self.review(&sessions).await
    }

    async fn review_at_times(&self) {
        let mut times = interval(REVIEW_PERIOD);
        times.set_missed_tick_behavior(MissedTickBehavior::Delay);
        times.tick().await;
        loop {
            times.tick().await;
            if let Err(error) = self.review(&self.core.presence.all()).await {
                error!(%error, "the store failed to say whose sessions may stay");
            }
        }
    }

    /// Ends the sessions whose user was kicked since or has no account any more.
    async fn review(&self, sessions: &[OpenSession]) -> Result<(), StoreError> {
        let mut apps: BTreeMap<SdkAppId, Vec<&OpenSession>> = BTreeMap::new();
        // One that is not online is still being looked at by who signs it in.
        for session in sessions.iter().filter(|session| session.shared.online) {
            let app = session.shared.key.app;
            apps.entry(app).or_default().push(session);
        }
        for (sdkappid, sessions) in apps {
            let Some(app) = self.app(sdkappid).await else {
                continue;
            };
            for batch in sessions.chunks(BATCH) {
                let users = batch.iter().map(|session| session.shared.key.user_id);
                let users: Vec<UserId> = users.collect();
                let accounts = self.core.store.accounts(sdkappid, &users).await?;
                for (session, account) in batch.iter().zip(accounts) {
                    let why = match account.map(|account| account.kicked_at) {
                        None => Ended::Deleted,
                        Some(Some(mark)) if session.signed_at <= mark => Ended::Kicked,
                        Some(_) => continue,
                    };
                    let tell = |session: &SessionInfo| {
                        self.core
                            .tell_of_session(&app, session, StateChange::Logout);
                    };
                    self.core.presence.end_told(session.shared.key, why, tell);
                }
            }
        }
        Ok(())
    }

    async fn tell(&self) {
        let mut times = interval(NOTE_PERIOD);
        times.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            times.tick().await;
            if let Some(note) = self.failed_checks.note(self.core.clock.now()) {
                self.cluster.tell(note);
            }
        }
    }
}
