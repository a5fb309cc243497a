//! Who is online.
//!
//! A session enters before its user's kick mark is read, and counts as online only once that has been
//! found in order ([`Entered::confirm`]). A kick is durable before it ends sessions, so whichever comes
//! first, no session outlives it. That holds with several servers over one store as well: then a
//! session has entered when all can see it ([`Cluster`]), and ends everywhere at once for who asks; its
//! own server closes its connection when it hears of it.

mod registry;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use muster_accounts::{
    App, Cluster, Ended, EndedSession, SdkAppId, SessionId, SessionKey, SharedSession, StoreError,
    UnixSeconds, UserId,
};
use muster_wire::platform::Platform;
use tokio::{sync::oneshot, time::timeout};
use tracing::error;

use registry::Registry;
pub(crate) use registry::{Full, NewSession, SessionInfo};

/// How long a session that ends waits until all know it. Then it is taken away later.
const LEAVE_PATIENCE: Duration = Duration::from_secs(1);

/// All sessions. Clones share them.
#[derive(Clone)]
pub(crate) struct Presence {
    /// Those of this server.
    here: Arc<Registry>,
    cluster: Option<Arc<dyn Cluster>>,
}

/// A session that has entered. It leaves when this is dropped.
pub(crate) struct Entered {
    presence: Presence,
    pub(crate) info: SessionInfo,
    end: oneshot::Receiver<Ended>,
    left: bool,
}

/// A session of this server.
pub(crate) struct OpenSession {
    /// As other servers see it.
    pub(crate) shared: SharedSession,
    /// When its UserSig was signed.
    pub(crate) signed_at: UnixSeconds,
}

/// Why a session did not enter.
#[derive(Debug)]
pub(crate) enum NotEntered {
    Full(Full),
    Store(StoreError),
}

impl Presence {
    /// The most sessions of one user at this server, so that one cannot take those of all others.
    pub(crate) const USER_LIMIT: usize = 50;

    /// Room for `limit` sessions at this server.
    pub(crate) fn new(limit: usize, cluster: Option<Arc<dyn Cluster>>) -> Self {
        Self {
            here: Arc::new(Registry::new(limit)),
            cluster,
        }
    }

    /// Enters a session, not online yet.
    pub(crate) async fn enter(&self, new: NewSession) -> Result<Entered, NotEntered> {
        let cluster = self.cluster.as_ref();
        let id = cluster.map(|cluster| cluster.session_id(new.since));
        let (info, end) = self.here.enter(new, id).map_err(NotEntered::Full)?;
        // If the next step fails or is cut off, it leaves again.
        let entered = Entered {
            presence: self.clone(),
            info,
            end,
            left: false,
        };
        if let Some(cluster) = cluster {
            let session = shared(&entered.info, false);
            let entering = cluster.enter(std::slice::from_ref(&session)).await;
            entering.map_err(NotEntered::Store)?;
        }
        Ok(entered)
    }

    /// The platforms of the devices that each user has online, in the order given.
    pub(crate) async fn platforms(
        &self,
        app: SdkAppId,
        users: &[UserId],
    ) -> Result<Vec<Vec<Platform>>, StoreError> {
        let Some(cluster) = &self.cluster else {
            return Ok(self.here.platforms(app, users));
        };
        let online = cluster.online(app, users).await?;
        let of_user = |user_id: &UserId| {
            let devices = online.iter().filter(|it| it.key.user_id == *user_id);
            devices
                .filter_map(|it| Platform::parse(&it.platform))
                .collect()
        };
        Ok(users.iter().map(of_user).collect())
    }

    /// Ends the sessions of users, and tells of each user of whom any was online. None of them is
    /// shown any more when this returns.
    pub(crate) async fn end_users(
        &self,
        app: SdkAppId,
        users: &[UserId],
        why: Ended,
        tell: impl Fn(&UserId),
    ) {
        let end_here = |tell: &dyn Fn(&UserId)| {
            for user_id in users {
                self.here.end_user(app, *user_id, why, || tell(user_id));
            }
        };
        let Some(cluster) = &self.cluster else {
            return end_here(&tell);
        };
        match cluster.end_users(app, users, why).await {
            Ok(ended) => self.end_those(&ended, why, tell),
            Err(error) => {
                error!(
                    %error,
                    "sessions at other nodes could not be ended now; they end within a minute"
                );
                end_here(&tell);
            }
        }
    }

    /// Closes those of this server, but none that entered since. Of those it knows better than all whether
    /// they were online: one that has left may be there for others still.
    fn end_those(&self, ended: &[EndedSession], why: Ended, tell: impl Fn(&UserId)) {
        let mut told = BTreeSet::new();
        for EndedSession { key, is_here, .. } in ended {
            if *is_here {
                self.here.end(key, why, |_| {
                    if told.insert(key.user_id) {
                        tell(&key.user_id);
                    }
                });
            }
        }
        for EndedSession {
            key,
            is_here,
            was_online,
        } in ended
        {
            if *was_online && !is_here && told.insert(key.user_id) {
                tell(&key.user_id);
            }
        }
    }

    /// Ends the sessions at this server of an app that is disabled, or was since they signed in, and
    /// tells of each that was online. Other servers do likewise when they hear that the app has changed.
    pub(crate) fn end_disabled(&self, app: &App, tell: impl FnMut(&SessionInfo)) {
        self.here.end_disabled(app, tell);
    }

    /// Ends one online session of an app. Says whether there was one of this number. Its own server
    /// tells of it.
    pub(crate) async fn end_session(
        &self,
        app: SdkAppId,
        id: SessionId,
        why: Ended,
        tell: impl FnOnce(&SessionInfo),
    ) -> Result<bool, StoreError> {
        let was_here = self.here.end_session(app, id, why, tell);
        match &self.cluster {
            // What was closed here is to be seen by nobody any more either.
            Some(cluster) => Ok(cluster.end_session(app, id, why).await? || was_here),
            None => Ok(was_here),
        }
    }

    /// Up to `limit` online sessions of an app, or of one of its users, by number, those after `after`.
    pub(crate) async fn page(
        &self,
        app: SdkAppId,
        user_id: Option<UserId>,
        after: Option<SessionId>,
        limit: usize,
    ) -> Result<Vec<SessionInfo>, StoreError> {
        let Some(cluster) = &self.cluster else {
            return Ok(self.here.page(app, user_id, after, limit));
        };
        let sessions = cluster.page(app, user_id, after, limit).await?;
        Ok(sessions.iter().filter_map(info).collect())
    }

    /// How many sessions are open at this server.
    pub(crate) fn open(&self) -> usize {
        self.here.open()
    }
}

/// What the server does when it hears something.
impl Presence {
    /// Ends a session of this server that another has ended, and tells of it if it was online.
    pub(crate) fn end_told(&self, key: SessionKey, why: Ended, tell: impl FnOnce(&SessionInfo)) {
        let was_here = self.here.end(&key, why, tell);
        // Its end had been heard of before, and then it leaves by itself, or nobody knows it.
        if let (false, Some(cluster)) = (was_here, &self.cluster) {
            cluster.forget(key);
        }
    }

    /// The apps that have sessions at this server.
    pub(crate) fn apps(&self) -> Vec<SdkAppId> {
        self.here.apps()
    }

    /// The sessions of this server.
    pub(crate) fn all(&self) -> Vec<OpenSession> {
        let open = |(info, signed_at, online): (SessionInfo, _, _)| OpenSession {
            shared: shared(&info, online),
            signed_at,
        };
        self.here.all().into_iter().map(open).collect()
    }

    /// After these were entered anew: some may have left meanwhile.
    pub(crate) fn forget_those_that_left(&self, sessions: &[OpenSession]) {
        let Some(cluster) = &self.cluster else { return };
        for session in sessions {
            if !self.here.has(&session.shared.key) {
                cluster.forget(session.shared.key);
            }
        }
    }
}

fn shared(info: &SessionInfo, online: bool) -> SharedSession {
    SharedSession {
        key: info.key,
        platform: info.platform.name().to_owned(),
        source: info.source,
        since: info.since,
        online,
    }
}

/// `None` if a later muster knows a platform that this one does not.
fn info(session: &SharedSession) -> Option<SessionInfo> {
    Some(SessionInfo {
        key: session.key,
        platform: Platform::parse(&session.platform)?,
        source: session.source,
        since: session.since,
    })
}

impl Entered {
    /// Makes the session online and tells of it, or says why it was ended in the meantime.
    pub(crate) async fn confirm(
        &mut self,
        tell: impl FnOnce(),
    ) -> Result<Option<Ended>, StoreError> {
        let key = &self.info.key;
        if let Some(cluster) = &self.presence.cluster {
            match cluster.confirm(key).await {
                Ok(None) => {}
                Ok(Some(why)) => return Ok(Some(why)),
                // Ended and taken away already, perhaps.
                Err(error) => return self.end.try_recv().map(Some).map_err(|_| error),
            }
        }
        if self.presence.here.confirm(key, tell) {
            return Ok(None);
        }
        Ok(Some(self.ended().await))
    }

    /// Waits until the server ends the session.
    pub(crate) async fn ended(&mut self) -> Ended {
        match (&mut self.end).await {
            Ok(why) => why,
            // The sender goes with its device, and only this session takes that away untold.
            Err(_) => std::future::pending().await,
        }
    }

    /// Leaves, and tells of it if the session was still there: then its end is nobody's doing but
    /// its own. Says whether it was. When this returns, nobody sees the session any more, unless the
    /// store is slow.
    pub(crate) async fn leave(&mut self, tell: impl FnOnce()) -> bool {
        let was_here = self.presence.here.leave(&self.info.key, tell);
        if let Some(cluster) = &self.presence.cluster {
            let leaving = timeout(LEAVE_PATIENCE, cluster.leave(&self.info.key)).await;
            self.left = matches!(leaving, Ok(Ok(())));
        }
        was_here
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.presence.here.leave(&self.info.key, || ());
        if let (Some(cluster), false) = (&self.presence.cluster, self.left) {
            cluster.forget(self.info.key);
        }
    }
}

#[cfg(test)]
mod tests;
