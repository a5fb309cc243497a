//! What an account says of its user (wire §3.8, §4.1).

use std::{collections::BTreeMap, fmt};

use bytestring::ByteString;
use thiserror::Error;

/// A text is longer than its field allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("it is {bytes} bytes long, the limit is {limit_bytes}")]
pub struct TooLong {
    /// How long the text is.
    pub bytes: usize,
    /// How long it may be.
    pub limit_bytes: usize,
}

/// Defines a text field: any Unicode text up to a number of UTF-8 bytes, kept exactly as given.
///
/// The text is a slice of a shared buffer, so a field taken from a request body costs no copy.
macro_rules! text_field {
    ($(#[$doc:meta])* $name:ident, $limit_bytes:literal) => {
        $(#[$doc])*
        #[derive(Clone, Default, PartialEq, Eq)]
        pub struct $name(ByteString);

        impl $name {
            /// The longest text, in bytes of UTF-8.
            pub const LIMIT_BYTES: usize = $limit_bytes;

            /// Takes a text in.
            pub fn parse(text: ByteString) -> Result<Self, TooLong> {
                if text.len() > Self::LIMIT_BYTES {
                    return Err(TooLong { bytes: text.len(), limit_bytes: Self::LIMIT_BYTES });
                }
                Ok(Self(text))
            }

            /// The text, exactly as it was given.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.as_str(), f)
            }
        }
    };
}

text_field!(
    /// Nickname: at most 500 bytes.
    Nick, 500
);
text_field!(
    /// Address of the avatar: at most 500 bytes, not checked to be a URL (wire §4.1).
    FaceUrl, 500
);
text_field!(
    /// A line that the user writes of themselves: at most 500 bytes.
    SelfSignature, 500
);
text_field!(
    /// Location in the client's own coding: at most 16 bytes.
    Location, 16
);

text_field!(
    /// The value of a custom field: at most 500 bytes.
    CustomValue, 500
);

/// The name of a custom field, what stands after `Tag_Profile_Custom_`: 1 to 8 ASCII letters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CustomField(Box<str>);

impl CustomField {
    /// Takes a name in; `None` if it cannot be one.
    pub fn parse(name: &str) -> Option<Self> {
        let is_one =
            (1..=8).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphabetic());
        is_one.then(|| Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `Tag_Profile_IM_Gender`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Gender {
    Unknown,
    Female,
    Male,
}

/// `Tag_Profile_IM_AllowType`: who may add this user as a friend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum AllowType {
    NeedConfirm,
    AllowAny,
    DenyAny,
}

/// `Tag_Profile_IM_AdminForbidType`: whether the admin has barred this user from sending friend
/// requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum AdminForbidType {
    None,
    SendOut,
}

/// All that an account says of its user.
///
/// Nick and face URL are what an import brings; they always count as set. The other fields are set
/// by `portrait_set` only, and few accounts have any, so they stand behind one pointer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// Nickname, `""` until one is given.
    pub nick: Nick,
    /// Avatar, `""` until one is given.
    pub face_url: FaceUrl,
    /// The fields that no import sets; `None` until the first one is.
    pub more: Option<Box<MoreFields>>,
}

/// The standard fields besides nick and face URL; `None` is "never set".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "each is the Tag_Profile_IM_ field of its name, wire §3.8"
)]
pub struct MoreFields {
    pub gender: Option<Gender>,
    pub allow_type: Option<AllowType>,
    pub admin_forbid_type: Option<AdminForbidType>,
    pub birth_day: Option<u32>,
    pub language: Option<u32>,
    pub msg_settings: Option<u32>,
    pub level: Option<u32>,
    pub role: Option<u32>,
    pub self_signature: Option<SelfSignature>,
    pub location: Option<Location>,
    /// `Tag_Profile_Custom_` fields; also those that are no longer declared.
    pub custom: BTreeMap<CustomField, CustomValue>,
}

/// One field with the value that it is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "each is the field of its name in Profile and MoreFields"
)]
pub enum ProfileField {
    Nick(Nick),
    FaceUrl(FaceUrl),
    Gender(Gender),
    AllowType(AllowType),
    AdminForbidType(AdminForbidType),
    BirthDay(u32),
    Language(u32),
    MsgSettings(u32),
    Level(u32),
    Role(u32),
    SelfSignature(SelfSignature),
    Location(Location),
    Custom(CustomField, CustomValue),
}

impl Profile {
    /// Writes one field over what was there.
    pub fn set(&mut self, field: ProfileField) {
        match field {
            ProfileField::Nick(value) => self.nick = value,
            ProfileField::FaceUrl(value) => self.face_url = value,
            ProfileField::Gender(value) => self.more().gender = Some(value),
            ProfileField::AllowType(value) => self.more().allow_type = Some(value),
            ProfileField::AdminForbidType(value) => self.more().admin_forbid_type = Some(value),
            ProfileField::BirthDay(value) => self.more().birth_day = Some(value),
            ProfileField::Language(value) => self.more().language = Some(value),
            ProfileField::MsgSettings(value) => self.more().msg_settings = Some(value),
            ProfileField::Level(value) => self.more().level = Some(value),
            ProfileField::Role(value) => self.more().role = Some(value),
            ProfileField::SelfSignature(value) => self.more().self_signature = Some(value),
            ProfileField::Location(value) => self.more().location = Some(value),
            ProfileField::Custom(field, value) => {
                self.more().custom.insert(field, value);
            }
        }
    }

    fn more(&mut self) -> &mut MoreFields {
        self.more.get_or_insert_default()
    }
}
