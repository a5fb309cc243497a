//! What the commands of `im_open_login_svc` have in common in their bodies (wire §3.1).

use std::borrow::Cow;

use bytestring::ByteString;
use serde::de::MapAccess;

use crate::{
    Failure,
    asked::Asked,
    json::{self, Fields, List, Object, Value},
};

/// A list of objects that each name a user.
pub(crate) type UserList<'b, const LIMIT: usize> = List<Object<UserItem<'b>>, LIMIT>;

/// An entry of such a list.
#[derive(Default)]
pub(crate) struct UserItem<'b> {
    user_id: Value<'b>,
}

impl<'b> Fields<'b> for UserItem<'b> {
    fn field<A: MapAccess<'b>>(&mut self, key: &str, object: &mut A) -> Result<(), A::Error> {
        match key {
            "UserID" => self.user_id = json::read(object)?,
            _ => json::skip_value(object)?,
        }
        Ok(())
    }
}

/// The users of a required list named `path`, in its order.
pub(crate) fn users<const LIMIT: usize>(
    body: &ByteString,
    list: UserList<'_, LIMIT>,
    path: &str,
) -> Result<Vec<Asked>, Failure> {
    let mut asked = Vec::new();
    for (position, Object(item)) in entries(list, path)?.into_iter().enumerate() {
        let item =
            item.ok_or_else(|| Failure::not_an_object(format_args!("{path}[{position}]")))?;
        let field = |name| format!("{path}[{position}].{name}");
        asked.push(Asked::parse(body, user_id(item.user_id, field)?));
    }
    Ok(asked)
}

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
