//! Who is online: the sessions that are open now, by user.
//!
//! Memory only: what a restart ends is over. A session enters before its user's kick mark is read
//! and counts as online only once that has been found in order ([`Entered::confirm`]). A kick is
//! durable before it ends sessions here, so whichever comes first, no session outlives it.
//!
//! Whoever changes what is shown here tells of it while the change is made, under the one lock, so
//! that the events of a user have the order of the changes. Telling never waits.

use std::{
    collections::BTreeMap,
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use muster_accounts::{SdkAppId, UnixSeconds, UserId};
use muster_wire::platform::Platform;
use tokio::sync::oneshot;

/// All sessions. Clones share them.
#[derive(Clone)]
pub(crate) struct Presence(Arc<Mutex<Sessions>>);

struct Sessions {
    users: BTreeMap<(SdkAppId, UserId), Vec<Device>>,
    open: usize,
    limit: usize,
    last_id: u64,
}

/// One open session.
struct Device {
    info: SessionInfo,
    /// False until it is confirmed; nobody is shown it before.
    online: bool,
    end: oneshot::Sender<Ended>,
}

/// The number of a session, unique over one run of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SessionId(pub(crate) u64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What is known of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionInfo {
    pub(crate) id: SessionId,
    pub(crate) user_id: UserId,
    pub(crate) platform: Platform,
    /// Where it comes from.
    pub(crate) source: IpAddr,
    /// When it was signed in.
    pub(crate) since: UnixSeconds,
}

/// Why the server ends a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Its user was kicked.
    Kicked,
    /// Its user's account was deleted.
    Deleted,
    /// Its app was disabled.
    AppDisabled,
    /// An operator closed it.
    Closed,
}

/// A session that has entered. It leaves when this is dropped.
pub(crate) struct Entered {
    presence: Presence,
    app: SdkAppId,
    user_id: UserId,
    id: SessionId,
    end: oneshot::Receiver<Ended>,
}

/// There are as many sessions as may be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// In all.
    Server,
    /// Of this user.
    User,
}

impl Presence {
    /// The most sessions of one user, so that one cannot take those of all others.
    pub(crate) const USER_LIMIT: usize = 50;

    /// Room for `limit` sessions.
    pub(crate) fn new(limit: usize) -> Self {
        Self(Arc::new(Mutex::new(Sessions {
            users: BTreeMap::new(),
            open: 0,
            limit,
            last_id: 0,
        })))
    }

    /// Enters a session, not online yet.
    pub(crate) fn enter(
        &self,
        app: SdkAppId,
        user_id: UserId,
        platform: Platform,
        source: IpAddr,
        since: UnixSeconds,
    ) -> Result<Entered, Full> {
        let mut sessions = self.lock();
        if sessions.open >= sessions.limit {
            return Err(Full::Server);
        }
        let of_user = sessions.users.get(&(app, user_id));
        if of_user.is_some_and(|devices| devices.len() >= Self::USER_LIMIT) {
            return Err(Full::User);
        }
        sessions.open += 1;
        sessions.last_id += 1;
        let id = SessionId(sessions.last_id);
        let (sender, end) = oneshot::channel();
        let device = Device {
            info: SessionInfo {
                id,
                user_id,
                platform,
                source,
                since,
            },
            online: false,
            end: sender,
        };
        sessions
            .users
            .entry((app, user_id))
            .or_default()
            .push(device);
        Ok(Entered {
            presence: self.clone(),
            app,
            user_id,
            id,
            end,
        })
    }

    /// The platforms of the devices that each user has online, in the order given.
    pub(crate) fn platforms(&self, app: SdkAppId, users: &[UserId]) -> Vec<Vec<Platform>> {
        let sessions = self.lock();
        let of_user = |user_id: &UserId| {
            let devices = sessions.users.get(&(app, *user_id));
            let online = devices.into_iter().flatten().filter(|device| device.online);
            online.map(|device| device.info.platform).collect()
        };
        users.iter().map(of_user).collect()
    }

    /// Ends the sessions of a user, and tells of it once if any of them was online. None of them is
    /// shown any more when this returns.
    pub(crate) fn end_user(&self, app: SdkAppId, user_id: UserId, why: Ended, tell: impl FnOnce()) {
        let mut sessions = self.lock();
        let devices = sessions.users.remove(&(app, user_id)).unwrap_or_default();
        sessions.open -= devices.len();
        if devices.iter().any(|device| device.online) {
            tell();
        }
        for device in devices {
            device.end(why);
        }
    }

    /// Ends all sessions of an app, and tells of each that was online.
    pub(crate) fn end_app(&self, app: SdkAppId, why: Ended, mut tell: impl FnMut(&SessionInfo)) {
        let mut sessions = self.lock();
        let of_app = sessions.users.range((app, UserId::FIRST)..);
        let users: Vec<_> = of_app
            .map(|(key, _)| *key)
            .take_while(|(owner, _)| *owner == app)
            .collect();
        for user in users {
            let devices = sessions.users.remove(&user).unwrap_or_default();
            sessions.open -= devices.len();
            for device in devices {
                if device.online {
                    tell(&device.info);
                }
                device.end(why);
            }
        }
    }

    /// Ends one online session of an app and tells of it. Says whether there was one of this number.
    pub(crate) fn end_session(
        &self,
        app: SdkAppId,
        id: SessionId,
        why: Ended,
        tell: impl FnOnce(&SessionInfo),
    ) -> bool {
        let mut sessions = self.lock();
        let owner = sessions
            .of_app(app)
            .find(|device| device.info.id == id && device.online)
            .map(|device| device.info.user_id);
        let Some(device) = owner.and_then(|user_id| sessions.remove(app, user_id, id)) else {
            return false;
        };
        tell(&device.info);
        device.end(why);
        true
    }

    /// Up to `limit` online sessions of an app, or of one of its users, in the order of sign-in,
    /// those after `after`.
    pub(crate) fn page(
        &self,
        app: SdkAppId,
        user_id: Option<UserId>,
        after: Option<SessionId>,
        limit: usize,
    ) -> Vec<SessionInfo> {
        let sessions = self.lock();
        let mut found: Vec<_> = sessions
            .of_app(app)
            .filter(|device| device.online && Some(device.info.id) > after)
            .map(|device| &device.info)
            .filter(|info| user_id.is_none_or(|user_id| info.user_id == user_id))
            .cloned()
            .collect();
        drop(sessions);
        found.sort_unstable_by_key(|info| info.id);
        found.truncate(limit);
        found
    }

    /// How many sessions are open.
    pub(crate) fn open(&self) -> usize {
        self.lock().open
    }

    fn lock(&self) -> MutexGuard<'_, Sessions> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Device {
    fn end(self, why: Ended) {
        // A session that is ending by itself does not listen any more.
        let _ = self.end.send(why);
    }
}

impl Sessions {
    fn of_app(&self, app: SdkAppId) -> impl Iterator<Item = &Device> {
        self.users
            .range((app, UserId::FIRST)..)
            .take_while(move |((owner, _), _)| *owner == app)
            .flat_map(|(_, devices)| devices)
    }

    fn remove(&mut self, app: SdkAppId, user_id: UserId, id: SessionId) -> Option<Device> {
        let devices = self.users.get_mut(&(app, user_id))?;
        let at = devices.iter().position(|device| device.info.id == id)?;
        let device = devices.remove(at);
        if devices.is_empty() {
            self.users.remove(&(app, user_id));
        }
        self.open -= 1;
        Some(device)
    }
}

impl Entered {
    pub(crate) fn id(&self) -> SessionId {
        self.id
    }

    /// Makes the session online and tells of it. False if it was ended in the meantime; then
    /// [`ended`](Self::ended) knows why.
    pub(crate) fn confirm(&self, tell: impl FnOnce()) -> bool {
        let mut sessions = self.presence.lock();
        let devices = sessions.users.get_mut(&(self.app, self.user_id));
        let device = devices
            .into_iter()
            .flatten()
            .find(|device| device.info.id == self.id);
        let Some(device) = device else {
            return false;
        };
        device.online = true;
        tell();
        true
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
    /// its own. Says whether it was.
    pub(crate) fn leave(&self, tell: impl FnOnce()) -> bool {
        let mut sessions = self.presence.lock();
        let device = sessions.remove(self.app, self.user_id, self.id);
        if device.is_some() {
            tell();
        }
        device.is_some()
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.leave(|| ());
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const APP: SdkAppId = SdkAppId(1_400_000_000);
    const OTHER: SdkAppId = SdkAppId(1_400_000_001);

    fn user(name: &str) -> UserId {
        UserId::parse(name).unwrap()
    }

    fn enter(presence: &Presence, app: SdkAppId, name: &str, platform: Platform) -> Entered {
        let entered = presence.enter(
            app,
            user(name),
            platform,
            Ipv4Addr::LOCALHOST.into(),
            UnixSeconds(1),
        );
        entered.unwrap_or_else(|full| panic!("{full:?}"))
    }

    fn platforms(presence: &Presence, app: SdkAppId, name: &str) -> Vec<Platform> {
        presence.platforms(app, &[user(name)]).remove(0)
    }

    #[test]
    fn online_from_confirmation_to_drop() {
        let presence = Presence::new(10);
        let web = enter(&presence, APP, "alice", Platform::Web);
        assert_eq!(platforms(&presence, APP, "alice"), []);
        assert!(web.confirm(|| ()));
        let mac = enter(&presence, APP, "alice", Platform::Mac);
        assert!(mac.confirm(|| ()));
        assert_eq!(
            platforms(&presence, APP, "alice"),
            [Platform::Web, Platform::Mac]
        );
        assert_eq!(platforms(&presence, OTHER, "alice"), []);
        drop(web);
        assert_eq!(platforms(&presence, APP, "alice"), [Platform::Mac]);
        assert_eq!(presence.open(), 1);
        assert!(mac.leave(|| ()));
        assert!(!mac.leave(|| ()));
        drop(mac);
        assert_eq!(presence.open(), 0);
        assert!(presence.lock().users.is_empty());
    }

    #[tokio::test]
    async fn a_kick_ends_what_has_entered() {
        let presence = Presence::new(10);
        let mut online = enter(&presence, APP, "alice", Platform::Web);
        online.confirm(|| ());
        let mut entering = enter(&presence, APP, "alice", Platform::Mac);
        let bob = enter(&presence, APP, "bob", Platform::Mac);
        bob.confirm(|| ());
        let mut told = 0;
        presence.end_user(APP, user("alice"), Ended::Kicked, || told += 1);
        assert_eq!(told, 1);
        // A user who has not come online is told of by nobody.
        let carol = enter(&presence, APP, "carol", Platform::Web);
        presence.end_user(APP, user("carol"), Ended::Kicked, || told += 1);
        assert_eq!(told, 1);
        drop(carol);
        assert_eq!(platforms(&presence, APP, "alice"), []);
        assert_eq!(online.ended().await, Ended::Kicked);
        assert_eq!(entering.ended().await, Ended::Kicked);
        assert!(!entering.confirm(|| ()));
        assert!(!online.leave(|| ()));
        assert_eq!(platforms(&presence, APP, "bob"), [Platform::Mac]);
        assert_eq!(presence.open(), 1);
    }

    #[test]
    fn an_app_and_a_session_end() {
        let presence = Presence::new(10);
        let sessions: Vec<_> = [(APP, "a"), (APP, "~"), (OTHER, "a"), (APP, " ")]
            .map(|(app, name)| enter(&presence, app, name, Platform::Web))
            .into_iter()
            .inspect(|session| assert!(session.confirm(|| ())))
            .collect();
        let ids = |after| {
            let page = presence.page(APP, None, after, 2);
            page.iter().map(|info| info.id.0).collect::<Vec<_>>()
        };
        assert_eq!(ids(None), [1, 2]);
        assert_eq!(ids(Some(SessionId(2))), [4]);
        assert_eq!(presence.page(APP, Some(user("~")), None, 9).len(), 1);
        let mut told = Vec::new();
        let mut end = |id| {
            presence.end_session(APP, SessionId(id), Ended::Closed, |info| {
                told.push(info.id.0);
            })
        };
        assert!(!end(3));
        assert!(end(2));
        assert!(!end(2));
        let waiting = enter(&presence, APP, "z", Platform::Web);
        // One that is not online is not there for others.
        assert!(!end(waiting.id().0));
        presence.end_app(APP, Ended::AppDisabled, |info| told.push(info.id.0));
        assert_eq!(told, [2, 4, 1]);
        assert_eq!(presence.open(), 1);
        drop(sessions);
        assert_eq!(presence.open(), 0);
    }

    #[test]
    fn there_is_a_limit() {
        let presence = Presence::new(1);
        let first = enter(&presence, APP, "alice", Platform::Web);
        let second = || {
            let source = Ipv4Addr::LOCALHOST.into();
            let since = UnixSeconds(1);
            presence.enter(APP, user("bob"), Platform::Web, source, since)
        };
        assert_eq!(second().err(), Some(Full::Server));
        drop(first);
        assert!(second().is_ok());
    }

    #[test]
    fn one_user_cannot_take_all() {
        let presence = Presence::new(1000);
        let devices: Vec<_> = (0..Presence::USER_LIMIT)
            .map(|_| enter(&presence, APP, "alice", Platform::Web))
            .collect();
        let another = |name| {
            let source = Ipv4Addr::LOCALHOST.into();
            presence.enter(APP, user(name), Platform::Web, source, UnixSeconds(1))
        };
        assert_eq!(another("alice").err(), Some(Full::User));
        assert!(another("bob").is_ok());
        drop(devices);
        assert!(another("alice").is_ok());
    }
}
