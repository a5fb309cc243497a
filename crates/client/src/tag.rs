//! The names of profile fields: what
//! [`portrait_get`](crate::Client::portrait_get) asks for and
//! [`portrait_set`](crate::Client::portrait_set) sets.
//!
//! What a field may hold is the server's to judge: text of at most 500 bytes or a number of 32 bits,
//! unless its own words say less.

/// Nickname, the `nick` of an import. Text.
pub const NICK: &str = "Tag_Profile_IM_Nick";
/// Address of the avatar, the `face_url` of an import. Text.
pub const IMAGE: &str = "Tag_Profile_IM_Image";
/// What the user says of himself or herself. Text.
pub const SELF_SIGNATURE: &str = "Tag_Profile_IM_SelfSignature";
/// Place. Text of at most 16 bytes.
pub const LOCATION: &str = "Tag_Profile_IM_Location";
/// `Gender_Type_Unknown`, `Gender_Type_Female` or `Gender_Type_Male`.
pub const GENDER: &str = "Tag_Profile_IM_Gender";
/// Who may add the user as a friend: `AllowType_Type_NeedConfirm`, `AllowType_Type_AllowAny` or
/// `AllowType_Type_DenyAny`.
pub const ALLOW_TYPE: &str = "Tag_Profile_IM_AllowType";
/// Whether an admin forbids the user to add friends: `AdminForbid_Type_None` or
/// `AdminForbid_Type_SendOut`.
pub const ADMIN_FORBID_TYPE: &str = "Tag_Profile_IM_AdminForbidType";
/// Birthday. A number, as in 20260220.
pub const BIRTH_DAY: &str = "Tag_Profile_IM_BirthDay";
/// Language. A number that the app defines.
pub const LANGUAGE: &str = "Tag_Profile_IM_Language";
/// Message settings. A number.
pub const MSG_SETTINGS: &str = "Tag_Profile_IM_MsgSettings";
/// Level. A number that the app defines.
pub const LEVEL: &str = "Tag_Profile_IM_Level";
/// Role. A number that the app defines.
pub const ROLE: &str = "Tag_Profile_IM_Role";

/// The name of a custom field: `keyword` has 1 to 8 letters and is declared for the app (otherwise
/// the server refuses it with code 40009). Text.
///
/// ```
/// assert_eq!(muster_client::tag::custom("Team"), "Tag_Profile_Custom_Team");
/// ```
pub fn custom(keyword: &str) -> String {
    format!("Tag_Profile_Custom_{keyword}")
}
