//! A row of `muster.account`, and the columns of several to be put in place.

use std::borrow::Cow;

use muster_accounts::{
    Account, FaceUrl, InternalId, Nick, Profile, StoreError, Tombstone, UnixSeconds, UserId,
    rules::{Known, Write},
};
use tokio_postgres::Row;

use crate::{more, text};

/// What is selected, in the order in which [`StoredUser::read`] takes it.
pub(crate) const COLUMNS: &str = "account.user_id, account.internal_id, account.revision, account.nick, \
    account.face_url, account.more, account.imported_at, account.changed_at, account.kicked_at, \
    account.deleted_at";

/// What the database knows of a user.
pub(crate) struct StoredUser {
    pub(crate) user_id: UserId,
    pub(crate) revision: i64,
    pub(crate) known: Known,
}

impl StoredUser {
    pub(crate) fn read(row: &Row) -> Result<Self, StoreError> {
        Self::parse(row).ok_or_else(|| {
            let user_id: &str = row.get(0);
            let text = format!("the row of user {user_id:?} in muster.account is damaged");
            StoreError::Failed(text.into())
        })
    }

    fn parse(row: &Row) -> Option<Self> {
        let user_id = UserId::parse(row.get(0)).ok()?;
        let internal_id = InternalId::new(u64::try_from(row.get::<_, i64>(1)).ok()?)?;
        let kicked_at = match row.get(8) {
            Some(seconds) => Some(time(seconds)?),
            None => None,
        };
        let known = if let Some(deleted_at) = row.get::<_, Option<i64>>(9) {
            Known::Deleted(Tombstone {
                internal_id,
                user_id,
                deleted_at: time(deleted_at)?,
                kicked_at,
            })
        } else {
            let more: Option<&str> = row.get(5);
            let more = match more {
                Some(json) => Some(Box::new(more::decode(json)?)),
                None => None,
            };
            Known::Account(Account {
                internal_id,
                user_id,
                imported_at: time(row.get(6))?,
                changed_at: time(row.get(7))?,
                kicked_at,
                profile: Profile {
                    nick: Nick::parse(text::given(row.get(3))?.into()).ok()?,
                    face_url: FaceUrl::parse(text::given(row.get(4))?.into()).ok()?,
                    more,
                },
            })
        };
        Some(Self {
            user_id,
            revision: row.get(2),
            known,
        })
    }
}

/// A time from the database.
pub(crate) fn time(seconds: i64) -> Option<UnixSeconds> {
    u64::try_from(seconds).ok().map(UnixSeconds)
}

/// A time as the database keeps it.
pub(crate) fn seconds(time: UnixSeconds) -> i64 {
    i64::try_from(time.0).unwrap_or(i64::MAX)
}

/// An internal id as the database keeps it.
pub(crate) fn number(internal_id: InternalId) -> i64 {
    i64::try_from(internal_id.get()).expect("ids come from a column of this type")
}

/// The columns of a plan's writes, one entry a user.
#[derive(Default)]
pub(crate) struct Columns<'w> {
    pub(crate) user_ids: Vec<&'w str>,
    pub(crate) internal_ids: Vec<i64>,
    /// Of the row that is to change; `None` if there is none.
    pub(crate) revisions: Vec<Option<i64>>,
    pub(crate) nicks: Vec<Cow<'w, str>>,
    pub(crate) face_urls: Vec<Cow<'w, str>>,
    pub(crate) more: Vec<Option<String>>,
    pub(crate) imported_at: Vec<i64>,
    pub(crate) changed_at: Vec<i64>,
    pub(crate) kicked_at: Vec<Option<i64>>,
    pub(crate) deleted_at: Vec<Option<i64>>,
}

impl<'w> Columns<'w> {
    /// `revision` says of a user which revision the plan was made from.
    pub(crate) fn of(writes: &'w [Write], revision: impl Fn(&UserId) -> Option<i64>) -> Self {
        let mut columns = Self::default();
        for write in writes {
            match write {
                Write::Create { account, .. } | Write::Update(account) => {
                    let Profile {
                        nick,
                        face_url,
                        more,
                    } = &account.profile;
                    columns.head(&account.user_id, account.internal_id, &revision);
                    columns.nicks.push(text::kept(nick.as_str()));
                    columns.face_urls.push(text::kept(face_url.as_str()));
                    columns.more.push(more.as_deref().map(more::encode));
                    columns.imported_at.push(seconds(account.imported_at));
                    columns.changed_at.push(seconds(account.changed_at));
                    columns.kicked_at.push(account.kicked_at.map(seconds));
                    columns.deleted_at.push(None);
                }
                Write::Delete(tombstone) => {
                    columns.head(&tombstone.user_id, tombstone.internal_id, &revision);
                    columns.nicks.push(Cow::Borrowed(""));
                    columns.face_urls.push(Cow::Borrowed(""));
                    columns.more.push(None);
                    columns.imported_at.push(0);
                    columns.changed_at.push(0);
                    columns.kicked_at.push(tombstone.kicked_at.map(seconds));
                    columns.deleted_at.push(Some(seconds(tombstone.deleted_at)));
                }
            }
        }
        columns
    }

    fn head(
        &mut self,
        user_id: &'w UserId,
        internal_id: InternalId,
        revision: impl Fn(&UserId) -> Option<i64>,
    ) {
        self.user_ids.push(user_id.as_str());
        self.internal_ids.push(number(internal_id));
        self.revisions.push(revision(user_id));
    }
}
