//! Apps: made, re-keyed, given admins (wire §5). Done by the operator, never over the protocol.

use std::collections::BTreeSet;

use thiserror::Error;

use super::{Known, Write};
use crate::{Account, App, AppChange, InternalId, NewApp, Profile, UnixSeconds, UserId};

/// Why an app was not made or not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AppRefusal {
    /// There is an app of this number.
    #[error("an app with this SDKAppID exists already")]
    Exists,
    /// SDKAppID 0 names no app.
    #[error("SDKAppID 0 cannot be used; choose 1 to 4294967295")]
    Zero,
    /// The app has as many admins as it may.
    #[error("an app has at most 10 admins, `administrator` among them")]
    TooManyAdmins,
    /// `administrator` cannot lose its role.
    #[error("`administrator` cannot lose its role")]
    Administrator,
    /// The user is not an admin.
    #[error("the user is not an admin of this app")]
    NotAdmin,
}

/// Plans a new app and the account of its `administrator`.
pub fn create(
    existing: Option<&App>,
    new: NewApp,
    now: UnixSeconds,
    new_id: impl FnOnce() -> InternalId,
) -> Result<(App, Write), AppRefusal> {
    if existing.is_some() {
        return Err(AppRefusal::Exists);
    }
    if new.sdkappid.0 == 0 {
        return Err(AppRefusal::Zero);
    }
    let app = App {
        sdkappid: new.sdkappid,
        edition: new.edition,
        keys: vec![new.key],
        admins: BTreeSet::from([UserId::ADMINISTRATOR]),
        created_at: now,
    };
    let account = bare_account(UserId::ADMINISTRATOR, new_id(), now);
    Ok((
        app,
        Write::Create {
            account,
            replaces: None,
        },
    ))
}

/// Plans a change of an app. `known` is what is stored of the user that gets the role, and
/// [`Known::Nothing`] for a change that names nobody ([`AppChange::new_admin`]).
///
/// An admin's account is made whatever the cap and the re-import bar say: the operator decides.
pub fn change(
    app: &App,
    change: AppChange,
    known: Known,
    now: UnixSeconds,
    new_id: impl FnOnce() -> InternalId,
) -> Result<(App, Option<Write>), AppRefusal> {
    let mut changed = app.clone();
    match change {
        AppChange::RotateKey(key) => changed.keys = vec![key],
        AppChange::RemoveAdmin(user_id) => {
            if user_id.is_administrator() {
                return Err(AppRefusal::Administrator);
            }
            if !changed.admins.remove(&user_id) {
                return Err(AppRefusal::NotAdmin);
            }
        }
        AppChange::AddAdmin(user_id) => {
            changed.admins.insert(user_id);
            if changed.admins.len() > App::MAX_ADMINS {
                return Err(AppRefusal::TooManyAdmins);
            }
            let replaces = match known {
                Known::Account(_) => return Ok((changed, None)),
                Known::Nothing => None,
                Known::Deleted(tombstone) => Some(tombstone.internal_id),
            };
            let account = bare_account(user_id, new_id(), now);
            return Ok((changed, Some(Write::Create { account, replaces })));
        }
    }
    Ok((changed, None))
}

fn bare_account(user_id: UserId, internal_id: InternalId, now: UnixSeconds) -> Account {
    Account {
        internal_id,
        user_id,
        imported_at: now,
        changed_at: now,
        profile: Profile::default(),
    }
}
