//! What the commands of `im_open_login_svc` have in common in their bodies (wire §3.1).

use std::borrow::Cow;

use crate::{
    Failure,
    json::{List, Value},
};

/// The entries of a required list named `path`, which has 1 to `LIMIT` of them.
pub(crate) fn entries<T, const LIMIT: usize>(
    list: List<T, LIMIT>,
    path: &str,
) -> Result<Vec<T>, Failure> {
    match list {
        List::Absent => Err(Failure::missing(path)),
        List::WrongType => Err(Failure::not_an_array(path)),
        List::Entries { count: 0, .. } => Err(Failure::empty(path)),
        List::Entries { count, .. } if count > LIMIT => Err(Failure::too_many(path, count, LIMIT)),
        List::Entries { kept, .. } => Ok(kept),
    }
}

/// A required `UserID`. `path` makes its name for the answer.
pub(crate) fn user_id(
    value: Value<'_>,
    path: impl Fn(&'static str) -> String,
) -> Result<Cow<'_, str>, Failure> {
    match value {
        Value::Absent => Err(Failure::missing(path("UserID"))),
        Value::Text(text) => Ok(text),
        Value::Null | Value::Unsigned(_) | Value::Other => Err(Failure::account_not_a_string()),
    }
}
