//! The seam behind which servers over one store share what is not about accounts: who is online, how
//! many calls were made, and how many UserSigs failed.
//!
//! Nothing of it outlives the servers. A node that dies is forgotten within seconds, with its sessions;
//! one that was forgotten though it lives is told so ([`News::forgotten`]) and enters its sessions anew.

use std::{fmt, net::IpAddr, sync::Arc};

use async_trait::async_trait;

use crate::{SdkAppId, StoreError, UnixSeconds, UserId};

/// What several servers share. Each is a *node*.
#[async_trait]
pub trait Cluster: Send + Sync + 'static {
    /// A number for a session that begins now: no other session has it, and a later one has a greater
    /// one if it begins in a later second or at the same node.
    fn session_id(&self, since: UnixSeconds) -> SessionId;

    /// Enters sessions of this node. Those that have been entered stay as they are.
    async fn enter(&self, sessions: &[SharedSession]) -> Result<(), StoreError>;

    /// Makes an entered session online, or says why it was ended meanwhile.
    async fn confirm(&self, session: &SessionKey) -> Result<Option<Ended>, StoreError>;

    /// Takes a session of this node away.
    async fn leave(&self, session: &SessionKey) -> Result<(), StoreError>;

    /// Takes a session of this node away, soon, and however often the store fails meanwhile.
    fn forget(&self, session: SessionKey);

    /// The sessions that these users have online at any node, by number.
    async fn online(
        &self,
        app: SdkAppId,
        users: &[UserId],
    ) -> Result<Vec<SharedSession>, StoreError>;

    /// Up to `limit` online sessions of an app, or of one of its users, by number, those after `after`.
    async fn page(
        &self,
        app: SdkAppId,
        user_id: Option<UserId>,
        after: Option<SessionId>,
        limit: usize,
    ) -> Result<Vec<SharedSession>, StoreError>;

    /// Ends all sessions of these users that have entered. None of them is online any more when this
    /// returns; their nodes close them as soon as they hear of it. Says which they were.
    async fn end_users(
        &self,
        app: SdkAppId,
        users: &[UserId],
        why: Ended,
    ) -> Result<Vec<EndedSession>, StoreError>;

    /// Likewise one session. Says whether it was online.
    async fn end_session(
        &self,
        app: SdkAppId,
        id: SessionId,
        why: Ended,
    ) -> Result<bool, StoreError>;

    /// Counts calls of a command in the second `now`, and says how many all nodes had counted in it
    /// before.
    async fn count_calls(
        &self,
        app: SdkAppId,
        command: &'static str,
        calls: u32,
        now: UnixSeconds,
    ) -> Result<u64, StoreError>;

    /// How many nodes there are, this one included, as far as is known.
    fn nodes(&self) -> usize;

    /// What this node tells all others, in place of what it told them before; some ten kilobytes.
    fn tell(&self, note: String);

    /// Waits for what there is to know since the last time. For one caller, who asks again at once.
    async fn news(&self) -> News;
}

/// The number of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A session, and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey {
    /// The app.
    pub app: SdkAppId,
    /// Its user.
    pub user_id: UserId,
    /// The session's number.
    pub id: SessionId,
}

/// A session as nodes share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedSession {
    /// Which.
    pub key: SessionKey,
    /// The name of what the client runs on; it means nothing here.
    pub platform: String,
    /// Where it comes from.
    pub source: IpAddr,
    /// When it was signed in.
    pub since: UnixSeconds,
    /// False until it is confirmed; nobody is shown it before.
    pub online: bool,
}

/// A session that was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndedSession {
    /// Which.
    pub key: SessionKey,
    /// Whether it is one of this node.
    pub is_here: bool,
    /// Whether it was online for all to see.
    pub was_online: bool,
}

/// Why a session is ended by a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Its user was kicked.
    Kicked,
    /// Its user's account was deleted.
    Deleted,
    /// Its app was disabled.
    AppDisabled,
    /// An operator closed it.
    Closed,
}

impl Ended {
    /// Each.
    pub const ALL: [Self; 4] = [Self::Kicked, Self::Deleted, Self::AppDisabled, Self::Closed];

    /// The word that nodes use among themselves.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kicked => "kicked",
            Self::Deleted => "deleted",
            Self::AppDisabled => "app_disabled",
            Self::Closed => "closed",
        }
    }

    /// Reads that word.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|ended| ended.name() == name)
    }
}

/// What a node hears.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// Sessions of this node that a node has ended, told until they are [forgotten](Cluster::forget).
    pub ended: Vec<(SessionKey, Ended)>,
    /// The sessions of this node are not known any more, as after it was silent for too long or the
    /// database was restored. It is to enter them anew, and to look whether their users may stay.
    pub forgotten: bool,
    /// An app has changed, perhaps by the doing of another node.
    pub apps: bool,
    /// What each other node tells now, if that has changed.
    pub notes: Option<Vec<Arc<str>>>,
}
