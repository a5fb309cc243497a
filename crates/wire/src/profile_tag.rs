//! The fields of a profile: their Tags, types and values (wire §3.8).

use std::{borrow::Cow, collections::BTreeSet};

use bytestring::ByteString;
use muster_accounts::{
    FaceUrl, Nick, Profile, ProfileField,
    profile::{
        AdminForbidType, AllowType, CustomField, CustomValue, Gender, Location, SelfSignature,
        TooLong,
    },
};
use serde::Serialize;

use crate::{
    Failure,
    json::{Value, share},
};

/// Defines [`Tag`] from one table.
macro_rules! tags {
    ($($tag:ident)*) => {
        /// The Tag of a field.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub(crate) enum Tag {
            $($tag,)*
            Custom(CustomField),
        }

        impl Tag {
            const STANDARD: &[Self] = &[$(Self::$tag),*];

            pub(crate) fn name(&self) -> Cow<'static, str> {
                match self {
                    $(Self::$tag => Cow::Borrowed(concat!("Tag_Profile_IM_", stringify!($tag))),)*
                    Self::Custom(field) => Cow::Owned(format!("{CUSTOM_PREFIX}{}", field.as_str())),
                }
            }
        }
    };
}

/// What the Tag of a custom field begins with.
const CUSTOM_PREFIX: &str = "Tag_Profile_Custom_";

tags! {
    Nick Image SelfSignature Location Gender AllowType AdminForbidType
    BirthDay Language MsgSettings Level Role
}

const GENDERS: &[(&str, Gender)] = &[
    ("Gender_Type_Unknown", Gender::Unknown),
    ("Gender_Type_Female", Gender::Female),
    ("Gender_Type_Male", Gender::Male),
];
const ALLOW_TYPES: &[(&str, AllowType)] = &[
    ("AllowType_Type_NeedConfirm", AllowType::NeedConfirm),
    ("AllowType_Type_AllowAny", AllowType::AllowAny),
    ("AllowType_Type_DenyAny", AllowType::DenyAny),
];
const ADMIN_FORBID_TYPES: &[(&str, AdminForbidType)] = &[
    ("AdminForbid_Type_None", AdminForbidType::None),
    ("AdminForbid_Type_SendOut", AdminForbidType::SendOut),
];

fn by_word<T: Copy>(words: &[(&str, T)], text: &str) -> Option<T> {
    words
        .iter()
        .find(|(word, _)| *word == text)
        .map(|(_, value)| *value)
}

fn word_of<T: PartialEq>(words: &[(&'static str, T)], value: &T) -> &'static str {
    let (word, _) = words
        .iter()
        .find(|(_, known)| known == value)
        .expect("every value has a word");
    word
}

/// The value of a field as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[expect(missing_docs, reason = "the names say it")]
pub enum TagValue<'a> {
    Text(&'a str),
    Number(u32),
}

/// The fields of a profile that are set, by their Tags; without nick and image, which always are.
/// Custom fields come last, also those that are not declared any more.
pub fn further_fields(profile: &Profile) -> Vec<(Cow<'static, str>, TagValue<'_>)> {
    let custom = profile.more.iter().flat_map(|more| more.custom.keys());
    let tags = Tag::STANDARD
        .iter()
        .filter(|tag| !matches!(tag, Tag::Nick | Tag::Image))
        .cloned()
        .chain(custom.cloned().map(Tag::Custom));
    tags.filter_map(|tag| Some((tag.name(), tag.value_in(profile)?)))
        .collect()
}

impl Tag {
    /// Finds a Tag by name. A custom field that the app has not declared is as unknown as any other
    /// text.
    pub(crate) fn parse(name: &str, declared: &BTreeSet<CustomField>) -> Result<Self, Failure> {
        let custom = || {
            let field = CustomField::parse(name.strip_prefix(CUSTOM_PREFIX)?)?;
            declared.contains(&field).then_some(Self::Custom(field))
        };
        let standard = Self::STANDARD.iter().find(|tag| tag.name() == name);
        let found = standard.cloned().or_else(custom);
        found.ok_or_else(|| Failure::profile_unknown_tag(name))
    }

    /// The field with this value, or what is wrong with the value: first its type, then 500 bytes,
    /// then what the field allows. `position` is that of its item in the caller's list.
    pub(crate) fn field(
        self,
        value: Value<'_>,
        body: &ByteString,
        position: usize,
    ) -> Result<ProfileField, Failure> {
        let text = Text {
            tag: &self,
            body,
            position,
        };
        match &self {
            Self::Nick => text
                .parse(value, |text| Nick::parse(text).ok())
                .map(ProfileField::Nick),
            Self::Image => text
                .parse(value, |text| FaceUrl::parse(text).ok())
                .map(ProfileField::FaceUrl),
            Self::SelfSignature => text
                .parse(value, |text| SelfSignature::parse(text).ok())
                .map(ProfileField::SelfSignature),
            Self::Location => text
                .parse(value, |text| Location::parse(text).ok())
                .map(ProfileField::Location),
            Self::Gender => text
                .parse(value, |text| by_word(GENDERS, &text))
                .map(ProfileField::Gender),
            Self::AllowType => text
                .parse(value, |text| by_word(ALLOW_TYPES, &text))
                .map(ProfileField::AllowType),
            Self::AdminForbidType => text
                .parse(value, |text| by_word(ADMIN_FORBID_TYPES, &text))
                .map(ProfileField::AdminForbidType),
            Self::Custom(field) => text
                .parse(value, |text| CustomValue::parse(text).ok())
                .map(|text| ProfileField::Custom(field.clone(), text)),
            Self::BirthDay => self.number(&value).map(ProfileField::BirthDay),
            Self::Language => self.number(&value).map(ProfileField::Language),
            Self::MsgSettings => self.number(&value).map(ProfileField::MsgSettings),
            Self::Level => self.number(&value).map(ProfileField::Level),
            Self::Role => self.number(&value).map(ProfileField::Role),
        }
    }

    fn number(&self, value: &Value<'_>) -> Result<u32, Failure> {
        let number = match value {
            Value::Unsigned(number) => u32::try_from(*number).ok(),
            _ => None,
        };
        number.ok_or_else(|| Failure::profile_value_type(&self.name(), "uint32"))
    }

    /// The Tag of a field, and the value as it is written.
    pub(crate) fn of(field: &ProfileField) -> (Self, TagValue<'_>) {
        match field {
            ProfileField::Nick(text) => (Self::Nick, TagValue::Text(text.as_str())),
            ProfileField::FaceUrl(text) => (Self::Image, TagValue::Text(text.as_str())),
            ProfileField::SelfSignature(text) => {
                (Self::SelfSignature, TagValue::Text(text.as_str()))
            }
            ProfileField::Location(text) => (Self::Location, TagValue::Text(text.as_str())),
            ProfileField::Gender(value) => (Self::Gender, TagValue::Text(word_of(GENDERS, value))),
            ProfileField::AllowType(value) => {
                let word = word_of(ALLOW_TYPES, value);
                (Self::AllowType, TagValue::Text(word))
            }
            ProfileField::AdminForbidType(value) => {
                let word = word_of(ADMIN_FORBID_TYPES, value);
                (Self::AdminForbidType, TagValue::Text(word))
            }
            ProfileField::Custom(field, text) => {
                (Self::Custom(field.clone()), TagValue::Text(text.as_str()))
            }
            ProfileField::BirthDay(number) => (Self::BirthDay, TagValue::Number(*number)),
            ProfileField::Language(number) => (Self::Language, TagValue::Number(*number)),
            ProfileField::MsgSettings(number) => (Self::MsgSettings, TagValue::Number(*number)),
            ProfileField::Level(number) => (Self::Level, TagValue::Number(*number)),
            ProfileField::Role(number) => (Self::Role, TagValue::Number(*number)),
        }
    }

    /// The value of this field in a profile; `None` if it was never set. Nick and image always are.
    pub(crate) fn value_in<'a>(&self, profile: &'a Profile) -> Option<TagValue<'a>> {
        let more = profile.more.as_deref();
        match self {
            Self::Nick => Some(TagValue::Text(profile.nick.as_str())),
            Self::Image => Some(TagValue::Text(profile.face_url.as_str())),
            Self::SelfSignature => more?
                .self_signature
                .as_ref()
                .map(|text| TagValue::Text(text.as_str())),
            Self::Location => more?
                .location
                .as_ref()
                .map(|text| TagValue::Text(text.as_str())),
            Self::Gender => more?
                .gender
                .as_ref()
                .map(|value| TagValue::Text(word_of(GENDERS, value))),
            Self::AllowType => more?
                .allow_type
                .as_ref()
                .map(|value| TagValue::Text(word_of(ALLOW_TYPES, value))),
            Self::AdminForbidType => more?
                .admin_forbid_type
                .as_ref()
                .map(|value| TagValue::Text(word_of(ADMIN_FORBID_TYPES, value))),
            Self::Custom(field) => more?
                .custom
                .get(field)
                .map(|text| TagValue::Text(text.as_str())),
            Self::BirthDay => more?.birth_day.map(TagValue::Number),
            Self::Language => more?.language.map(TagValue::Number),
            Self::MsgSettings => more?.msg_settings.map(TagValue::Number),
            Self::Level => more?.level.map(TagValue::Number),
            Self::Role => more?.role.map(TagValue::Number),
        }
    }
}

/// Reads the value of a text field.
struct Text<'a> {
    tag: &'a Tag,
    body: &'a ByteString,
    position: usize,
}

impl Text<'_> {
    const LIMIT_BYTES: usize = 500;

    /// `allowed` yields nothing for a text that the field does not allow.
    fn parse<T>(
        &self,
        value: Value<'_>,
        allowed: impl FnOnce(ByteString) -> Option<T>,
    ) -> Result<T, Failure> {
        let Value::Text(text) = value else {
            return Err(Failure::profile_value_type(&self.tag.name(), "string"));
        };
        if text.len() > Self::LIMIT_BYTES {
            let too_long = TooLong {
                bytes: text.len(),
                limit_bytes: Self::LIMIT_BYTES,
            };
            let path = format!("ProfileItem[{}].Value", self.position);
            return Err(Failure::too_long(path, too_long));
        }
        let text = share(self.body, text);
        allowed(text.clone())
            .ok_or_else(|| Failure::profile_value_not_allowed(&self.tag.name(), &text))
    }
}
