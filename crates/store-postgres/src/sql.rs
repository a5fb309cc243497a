//! The statements that calls on accounts send, for those who measure what they cost by themselves.

use crate::statements::{IMPORTED, MAKE_OR_KNOWN, PUT_ALONE};

/// Who has an account: of an app, by user id.
pub fn imported() -> &'static str {
    IMPORTED
}

/// Makes all accounts of a batch, or answers what is stored of its users: of an app, by user id, internal
/// id, nickname and avatar, and the time.
pub fn make_or_known() -> &'static str {
    &MAKE_OR_KNOWN
}

/// Carries out a plan: of an app, by all columns of the users, with the revisions that it was made from.
pub fn put() -> &'static str {
    &PUT_ALONE
}
