//! Who they are: `portrait_get` and `portrait_set` (wire §3.8, §3.9).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{
    CallError, Client, ItemFailure,
    answer::{self, Nothing},
};

/// The value of a profile field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum ProfileValue<'a> {
    /// Of a field such as `Tag_Profile_IM_Nick`.
    Text(Cow<'a, str>),
    /// Of a field such as `Tag_Profile_IM_Level`: at most 32 bits in those that the protocol names.
    Number(u64),
    /// Any other JSON, which no documented field has.
    Other(serde_json::Value),
}

impl<'a> From<&'a str> for ProfileValue<'a> {
    fn from(text: &'a str) -> ProfileValue<'a> {
        ProfileValue::Text(text.into())
    }
}

impl From<u32> for ProfileValue<'_> {
    fn from(number: u32) -> Self {
        ProfileValue::Number(number.into())
    }
}

/// What is known of one user that was asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserProfile {
    /// The id as asked.
    pub user_id: String,
    /// The fields asked for as tag and value, without those never set; or why there are none. Code
    /// 40003: there is no such account.
    pub fields: Result<Vec<(String, ProfileValue<'static>)>, ItemFailure>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Get<'a> {
    #[serde(rename = "To_Account")]
    to_account: &'a [&'a str],
    tag_list: &'a [&'a str],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Set<'a> {
    #[serde(rename = "From_Account")]
    from_account: &'a str,
    profile_item: Vec<SetItem<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SetItem<'a> {
    tag: &'a str,
    value: &'a ProfileValue<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Got {
    user_profile_item: Vec<UserProfileItem>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UserProfileItem {
    #[serde(rename = "To_Account")]
    to_account: String,
    profile_item: Option<Vec<GotItem>>,
    result_code: i64,
    result_info: Option<String>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GotItem {
    tag: String,
    #[serde(default = "null")]
    value: ProfileValue<'static>,
}

impl Client {
    /// The profile fields `tags` of 1 to 500 users (Tencent advises at most 100), in the order
    /// asked. A [`tag`](crate::tag) names a field; at most 100 can be asked for at a time.
    ///
    /// ```no_run
    /// # use muster_client::{CallError, Client, tag};
    /// # async fn example(client: &Client) -> Result<(), CallError> {
    /// let team = tag::custom("Team");
    /// for user in client.portrait_get(&["alice", "bob"], &[tag::NICK, &team]).await? {
    ///     match user.fields {
    ///         Ok(fields) => println!("{}: {fields:?}", user.user_id),
    ///         Err(failure) => println!("{}: {failure}", user.user_id),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn portrait_get(
        &self,
        user_ids: &[&str],
        tags: &[&str],
    ) -> Result<Vec<UserProfile>, CallError> {
        let body = Get {
            to_account: user_ids,
            tag_list: tags,
        };
        let got: Got = self.call("profile/portrait_get", &body).await?;
        let named = got.user_profile_item;
        let items = answer::one_each(user_ids, named, |item| &item.to_account, "UserProfileItem")?;
        Ok(items.into_iter().map(user_profile).collect())
    }

    /// Sets 1 to 100 profile fields of one user, all of them or none. A [`tag`](crate::tag) names a
    /// field; of one that is given more than once the last value counts.
    ///
    /// ```no_run
    /// # use muster_client::{CallError, Client, tag};
    /// # async fn example(client: &Client) -> Result<(), CallError> {
    /// let fields = [
    ///     (tag::NICK, "Alice".into()),
    ///     (tag::LEVEL, 3.into()),
    ///     (&tag::custom("Team"), "blue".into()),
    /// ];
    /// client.portrait_set("alice", &fields).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn portrait_set(
        &self,
        user_id: &str,
        fields: &[(&str, ProfileValue<'_>)],
    ) -> Result<(), CallError> {
        let items = fields.iter().map(|(tag, value)| SetItem { tag, value });
        let body = Set {
            from_account: user_id,
            profile_item: items.collect(),
        };
        let Nothing {} = self.call("profile/portrait_set", &body).await?;
        Ok(())
    }
}

fn null() -> ProfileValue<'static> {
    ProfileValue::Other(serde_json::Value::Null)
}

fn user_profile(item: UserProfileItem) -> UserProfile {
    let fields = match item.result_code {
        0 => {
            let fields = item.profile_item.unwrap_or_default().into_iter();
            Ok(fields.map(|field| (field.tag, field.value)).collect())
        }
        code => Err(ItemFailure::new(code, item.result_info)),
    };
    UserProfile {
        user_id: item.to_account,
        fields,
    }
}
