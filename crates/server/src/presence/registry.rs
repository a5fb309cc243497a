//! The sessions that are open at this server, by user.
//!
//! Memory only: what a restart ends is over.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use muster_accounts::{App, Ended, SdkAppId, SessionId, SessionKey, UnixSeconds, UserId};
use muster_wire::platform::Platform;
use tokio::sync::oneshot;

/// All sessions of this server. Whoever changes what is shown tells of it while the change is made,
/// under the one lock, so that the events of a user have the order of the changes. Telling never waits.
pub(super) struct Registry(Mutex<Sessions>);

struct Sessions {
    users: BTreeMap<(SdkAppId, UserId), Vec<Device>>,
    open: usize,
    limit: usize,
    last_id: u64,
}

/// One open session.
struct Device {
    info: SessionInfo,
    signed_at: UnixSeconds,
    times_disabled: u64,
    /// False until it is confirmed; nobody is shown it before.
    online: bool,
    end: oneshot::Sender<Ended>,
}

/// What is known of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionInfo {
    pub(crate) key: SessionKey,
    pub(crate) platform: Platform,
    /// Where it comes from.
    pub(crate) source: IpAddr,
    /// When it was signed in.
    pub(crate) since: UnixSeconds,
}

/// A session to be, which has no number yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewSession {
    pub(crate) app: SdkAppId,
    pub(crate) user_id: UserId,
    pub(crate) platform: Platform,
    pub(crate) source: IpAddr,
    pub(crate) since: UnixSeconds,
    /// When the UserSig was signed.
    pub(crate) signed_at: UnixSeconds,
    /// How often the app had been disabled when it was looked at ([`App::times_disabled`]).
    pub(crate) times_disabled: u64,
}

/// There are as many sessions as may be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// In all.
    Server,
    /// Of this user.
    User,
}

impl Registry {
    /// Room for `limit` sessions.
    pub(super) fn new(limit: usize) -> Self {
        Self(Mutex::new(Sessions {
            users: BTreeMap::new(),
            open: 0,
            limit,
            last_id: 0,
        }))
    }

    /// Enters a session, not online yet, with the number given or the next one of this server. What
    /// comes out of the channel is why the server ends it.
    pub(super) fn enter(
        &self,
        new: NewSession,
        id: Option<SessionId>,
    ) -> Result<(SessionInfo, oneshot::Receiver<Ended>), Full> {
        let NewSession { app, user_id, .. } = new;
        let mut sessions = self.lock();
        if sessions.open >= sessions.limit {
            return Err(Full::Server);
        }
        let of_user = sessions.users.get(&(app, user_id));
        if of_user.is_some_and(|devices| devices.len() >= super::Presence::USER_LIMIT) {
            return Err(Full::User);
        }
        sessions.open += 1;
        sessions.last_id += 1;
        let id = id.unwrap_or(SessionId(sessions.last_id));
        let info = SessionInfo {
            key: SessionKey { app, user_id, id },
            platform: new.platform,
            source: new.source,
            since: new.since,
        };
        let (end, ended) = oneshot::channel();
        let device = Device {
            info: info.clone(),
            signed_at: new.signed_at,
            times_disabled: new.times_disabled,
            online: false,
            end,
        };
        let devices = sessions.users.entry((app, user_id)).or_default();
        devices.push(device);
        Ok((info, ended))
    }

    /// Makes a session online and tells of it. False if it was ended in the meantime.
    pub(super) fn confirm(&self, key: &SessionKey, tell: impl FnOnce()) -> bool {
        let mut sessions = self.lock();
        let devices = sessions.users.get_mut(&(key.app, key.user_id));
        let device = devices
            .into_iter()
            .flatten()
            .find(|device| device.info.key == *key);
        let Some(device) = device else {
            return false;
        };
        device.online = true;
        tell();
        true
    }

    /// Takes a session away that ends by itself, and tells of it. False if it was ended before.
    pub(super) fn leave(&self, key: &SessionKey, tell: impl FnOnce()) -> bool {
        let mut sessions = self.lock();
        let device = sessions.remove(key);
        if device.is_some() {
            tell();
        }
        device.is_some()
    }

    /// The platforms of the devices that each user has online, in the order given.
    pub(super) fn platforms(&self, app: SdkAppId, users: &[UserId]) -> Vec<Vec<Platform>> {
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
    pub(super) fn end_user(&self, app: SdkAppId, user_id: UserId, why: Ended, tell: impl FnOnce()) {
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

    /// Ends the sessions of an app that is disabled, or was since they signed in, and tells of each that
    /// was online.
    pub(super) fn end_disabled(&self, app: &App, mut tell: impl FnMut(&SessionInfo)) {
        let mut sessions = self.lock();
        let is_over =
            |device: &Device| app.settings.disabled || device.times_disabled < app.times_disabled;
        let over = sessions.of_app(app.sdkappid).filter(|it| is_over(it));
        let over: Vec<SessionKey> = over.map(|device| device.info.key).collect();
        for device in over.iter().filter_map(|key| sessions.remove(key)) {
            if device.online {
                tell(&device.info);
            }
            device.end(Ended::AppDisabled);
        }
    }

    /// Ends one online session of an app and tells of it. Says whether there was one of this number.
    pub(super) fn end_session(
        &self,
        app: SdkAppId,
        id: SessionId,
        why: Ended,
        tell: impl FnOnce(&SessionInfo),
    ) -> bool {
        let mut sessions = self.lock();
        let key = sessions
            .of_app(app)
            .find(|device| device.info.key.id == id && device.online)
            .map(|device| device.info.key);
        let Some(device) = key.and_then(|key| sessions.remove(&key)) else {
            return false;
        };
        tell(&device.info);
        device.end(why);
        true
    }

    /// Ends a session, online or not, and tells of it if it was. Says whether it was there.
    pub(super) fn end(
        &self,
        key: &SessionKey,
        why: Ended,
        tell: impl FnOnce(&SessionInfo),
    ) -> bool {
        let mut sessions = self.lock();
        let Some(device) = sessions.remove(key) else {
            return false;
        };
        if device.online {
            tell(&device.info);
        }
        device.end(why);
        true
    }

    /// Up to `limit` online sessions of an app, or of one of its users, by number, those after `after`.
    pub(super) fn page(
        &self,
        app: SdkAppId,
        user_id: Option<UserId>,
        after: Option<SessionId>,
        limit: usize,
    ) -> Vec<SessionInfo> {
        let sessions = self.lock();
        let mut found: Vec<_> = sessions
            .of_app(app)
            .filter(|device| device.online && Some(device.info.key.id) > after)
            .map(|device| &device.info)
            .filter(|info| user_id.is_none_or(|user_id| info.key.user_id == user_id))
            .cloned()
            .collect();
        drop(sessions);
        found.sort_unstable_by_key(|info| info.key.id);
        found.truncate(limit);
        found
    }

    /// The apps that have sessions.
    pub(super) fn apps(&self) -> Vec<SdkAppId> {
        let sessions = self.lock();
        let apps: BTreeSet<_> = sessions.users.keys().map(|(app, _)| *app).collect();
        Vec::from_iter(apps)
    }

    /// All sessions, and of each when its UserSig was signed and whether it is online.
    pub(super) fn all(&self) -> Vec<(SessionInfo, UnixSeconds, bool)> {
        let sessions = self.lock();
        let devices = sessions.users.values().flatten();
        devices
            .map(|device| (device.info.clone(), device.signed_at, device.online))
            .collect()
    }

    /// Whether a session is open.
    pub(super) fn has(&self, key: &SessionKey) -> bool {
        let sessions = self.lock();
        let devices = sessions.users.get(&(key.app, key.user_id));
        devices
            .into_iter()
            .flatten()
            .any(|device| device.info.key == *key)
    }

    /// How many sessions are open.
    pub(super) fn open(&self) -> usize {
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

    fn remove(&mut self, key: &SessionKey) -> Option<Device> {
        let owner = (key.app, key.user_id);
        let devices = self.users.get_mut(&owner)?;
        let at = devices.iter().position(|device| device.info.key == *key)?;
        let device = devices.remove(at);
        if devices.is_empty() {
            self.users.remove(&owner);
        }
        self.open -= 1;
        Some(device)
    }
}
