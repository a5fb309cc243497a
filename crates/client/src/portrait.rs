//! Who they are: `portrait_get` and `portrait_set` (wire §3.8, §3.9).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{CallError, Client, ItemFailure, answer};

/// The value of a profile field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ProfileValue<'a> {
    /// Of a field such as `Tag_Profile_IM_Nick`.
    Text(Cow<'a, str>),
    /// Of a field such as `Tag_Profile_IM_Level`.
    Number(u32),
}

impl<'a> From<&'a str> for ProfileValue<'a> {
    fn from(text: &'a str) -> ProfileValue<'a> {
        ProfileValue::Text(text.into())
    }
}

impl From<u32> for ProfileValue<'_> {
    fn from(number: u32) -> Self {
        ProfileValue::Number(number)
    }
}

/// What is known of one user that was asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserProfile {
    /// The id as asked.
    pub user_id: String,
    /// The fields asked for as tag and value, without those never set; or why there are none.
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
struct Nothing {}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Got {
    user_profile_item: Vec<UserProfileItem>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UserProfileItem {
    #[serde(rename = "To_Account")]
    to_account: String,
    #[serde(default)]
    profile_item: Option<Vec<GotItem>>,
    result_code: i64,
    #[serde(default)]
    result_info: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GotItem {
    tag: String,
    value: ProfileValue<'static>,
}

impl Client {
    /// The profile fields `tags` of 1 to 500 users (Tencent advises at most 100), in the order
    /// asked. Tags are those of wire §3.8, such as `Tag_Profile_IM_Nick`.
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
        let items = answer::one_each(user_ids.len(), got.user_profile_item, "UserProfileItem")?;
        items.into_iter().map(user_profile).collect()
    }

    /// Sets profile fields of one user, all of them or none.
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

fn user_profile(item: UserProfileItem) -> Result<UserProfile, CallError> {
    let fields = match (item.result_code, item.profile_item) {
        (0, Some(items)) => Ok(items
            .into_iter()
            .map(|item| (item.tag, item.value))
            .collect()),
        (0, None) => {
            return Err(answer::not_an_answer(
                "a UserProfileItem has no ProfileItem",
            ));
        }
        (code, _) => Err(ItemFailure {
            code,
            info: item.result_info,
        }),
    };
    Ok(UserProfile {
        user_id: item.to_account,
        fields,
    })
}
