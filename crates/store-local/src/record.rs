//! The record of an internal id: an account, or what is left of it.
//!
//! ```text
//! u8 version (1) · u8 kind
//! kinds 0 and 1:     u8 length of user id · user id, and then
//! kind 0, account:   u64 imported at · u64 changed at · text nick · text face url · field*
//! kind 1, tombstone: u64 deleted at · u64 kick mark, if there is one
//! kind 2, nothing:   the user was imported again and has another record
//! text:  u16 length in bytes · UTF-8
//! field: u8 tag · value; the tags and what follows them are in `FIELD_*` below
//! ```
//!
//! Integers are little-endian, times Unix seconds. Fields that were never set are not there.

use std::ops::Range;

use bytestring::ByteString;
use muster_accounts::{
    Account, FaceUrl, InternalId, Nick, Profile, ProfileField, Tombstone, UnixSeconds, UserId,
    profile::{
        AdminForbidType, AllowType, CustomField, CustomValue, Gender, Location, MoreFields,
        SelfSignature,
    },
    rules::Known,
};
use thiserror::Error;

const VERSION: u8 = 1;
const KIND_ACCOUNT: u8 = 0;
const KIND_TOMBSTONE: u8 = 1;
const KIND_NOTHING: u8 = 2;

// One byte of value each.
const FIELD_GENDER: u8 = 1;
const FIELD_ALLOW_TYPE: u8 = 2;
const FIELD_ADMIN_FORBID_TYPE: u8 = 3;
// A u32 each.
const FIELD_BIRTH_DAY: u8 = 4;
const FIELD_LANGUAGE: u8 = 5;
const FIELD_MSG_SETTINGS: u8 = 6;
const FIELD_LEVEL: u8 = 7;
const FIELD_ROLE: u8 = 8;
// A text each.
const FIELD_SELF_SIGNATURE: u8 = 9;
const FIELD_LOCATION: u8 = 10;
// u8 length of name, name, text. Once for each custom field.
const FIELD_CUSTOM: u8 = 11;
// A u64: the kick mark.
const FIELD_KICKED_AT: u8 = 12;

/// A record does not read as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum RecordError {
    #[error("it was written by a newer version of muster (record version {0})")]
    Version(u8),
    #[error("it is damaged ({0})")]
    Damaged(&'static str),
}

/// Appends the record of an account to `out`, and says where in it [`Head::texts`] stand.
pub(crate) fn encode_account(account: &Account, out: &mut Vec<u8>) -> Range<usize> {
    encode_head(KIND_ACCOUNT, &account.user_id, out);
    out.extend_from_slice(&account.imported_at.0.to_le_bytes());
    out.extend_from_slice(&account.changed_at.0.to_le_bytes());
    let start = out.len();
    encode_texts(&account.profile.nick, &account.profile.face_url, out);
    let texts = start..out.len();
    if let Some(more) = &account.profile.more {
        encode_more(more, out);
    }
    if let Some(kicked_at) = account.kicked_at {
        out.push(FIELD_KICKED_AT);
        out.extend_from_slice(&kicked_at.0.to_le_bytes());
    }
    texts
}

/// Appends the record of a deleted account to `out`.
pub(crate) fn encode_tombstone(tombstone: &Tombstone, out: &mut Vec<u8>) {
    encode_head(KIND_TOMBSTONE, &tombstone.user_id, out);
    out.extend_from_slice(&tombstone.deleted_at.0.to_le_bytes());
    if let Some(kicked_at) = tombstone.kicked_at {
        out.extend_from_slice(&kicked_at.0.to_le_bytes());
    }
}

/// The record that replaces a tombstone whose user was imported again.
pub(crate) const NOTHING: [u8; 2] = [VERSION, KIND_NOTHING];

fn encode_head(kind: u8, user_id: &UserId, out: &mut Vec<u8>) {
    let bytes = user_id.as_bytes();
    let length = u8::try_from(bytes.len()).expect("a user id has at most 32 bytes");
    out.extend_from_slice(&[VERSION, kind, length]);
    out.extend_from_slice(bytes);
}

/// Appends what an account's record has of the fields that an import can change, as in
/// [`Head::texts`].
pub(crate) fn encode_texts(nick: &Nick, face_url: &FaceUrl, out: &mut Vec<u8>) {
    encode_text(nick.as_str(), out);
    encode_text(face_url.as_str(), out);
}

fn encode_text(text: &str, out: &mut Vec<u8>) {
    let length = u16::try_from(text.len()).expect("no field of a profile exceeds 500 bytes");
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn encode_more(more: &MoreFields, out: &mut Vec<u8>) {
    let codes = [
        (FIELD_GENDER, more.gender.map(gender_code)),
        (FIELD_ALLOW_TYPE, more.allow_type.map(allow_type_code)),
        (
            FIELD_ADMIN_FORBID_TYPE,
            more.admin_forbid_type.map(admin_forbid_type_code),
        ),
    ];
    for (tag, code) in codes {
        if let Some(code) = code {
            out.extend_from_slice(&[tag, code]);
        }
    }
    let numbers = [
        (FIELD_BIRTH_DAY, more.birth_day),
        (FIELD_LANGUAGE, more.language),
        (FIELD_MSG_SETTINGS, more.msg_settings),
        (FIELD_LEVEL, more.level),
        (FIELD_ROLE, more.role),
    ];
    for (tag, number) in numbers {
        if let Some(number) = number {
            out.push(tag);
            out.extend_from_slice(&number.to_le_bytes());
        }
    }
    let texts = [
        (
            FIELD_SELF_SIGNATURE,
            more.self_signature.as_ref().map(SelfSignature::as_str),
        ),
        (FIELD_LOCATION, more.location.as_ref().map(Location::as_str)),
    ];
    for (tag, text) in texts {
        if let Some(text) = text {
            out.push(tag);
            encode_text(text, out);
        }
    }
    for (field, value) in &more.custom {
        let name = field.as_str().as_bytes();
        let length = u8::try_from(name.len()).expect("a custom field's name has at most 8 bytes");
        out.extend_from_slice(&[FIELD_CUSTOM, length]);
        out.extend_from_slice(name);
        encode_text(value.as_str(), out);
    }
}

fn gender_code(gender: Gender) -> u8 {
    match gender {
        Gender::Unknown => 0,
        Gender::Female => 1,
        Gender::Male => 2,
    }
}

fn allow_type_code(allow_type: AllowType) -> u8 {
    match allow_type {
        AllowType::NeedConfirm => 0,
        AllowType::AllowAny => 1,
        AllowType::DenyAny => 2,
    }
}

fn admin_forbid_type_code(admin_forbid_type: AdminForbidType) -> u8 {
    match admin_forbid_type {
        AdminForbidType::None => 0,
        AdminForbidType::SendOut => 1,
    }
}

/// The beginning of a record: enough to index it.
pub(crate) struct Head<'a> {
    pub(crate) user_id: UserId,
    /// The nickname and the avatar as they are encoded; `None` if this is a tombstone.
    pub(crate) texts: Option<&'a [u8]>,
}

/// Reads the beginning of a record and stops there; `None` if it is nobody's any more.
pub(crate) fn decode_head(value: &[u8]) -> Result<Option<Head<'_>>, RecordError> {
    let (kind, mut rest) = kind(value)?;
    if kind == KIND_NOTHING {
        return Ok(None);
    }
    let user_id = rest.user_id()?;
    let texts = if kind == KIND_ACCOUNT {
        rest.bytes(2 * size_of::<u64>())?;
        let texts = rest.0;
        rest.raw_text()?;
        rest.raw_text()?;
        Some(&texts[..texts.len() - rest.0.len()])
    } else {
        None
    };
    Ok(Some(Head { user_id, texts }))
}

/// Reads the record that stands under `internal_id`.
pub(crate) fn decode(internal_id: InternalId, value: &[u8]) -> Result<Known, RecordError> {
    let (kind, mut rest) = kind(value)?;
    if kind == KIND_NOTHING {
        return Ok(Known::Nothing);
    }
    let user_id = rest.user_id()?;
    if kind == KIND_TOMBSTONE {
        let deleted_at = rest.seconds()?;
        let kicked_at = if rest.0.is_empty() {
            None
        } else {
            Some(rest.seconds()?)
        };
        rest.end()?;
        return Ok(Known::Deleted(Tombstone {
            internal_id,
            user_id,
            deleted_at,
            kicked_at,
        }));
    }
    let imported_at = rest.seconds()?;
    let changed_at = rest.seconds()?;
    let too_long = |_| RecordError::Damaged("a text is too long");
    let mut profile = Profile {
        nick: Nick::parse(rest.text()?).map_err(too_long)?,
        face_url: FaceUrl::parse(rest.text()?).map_err(too_long)?,
        more: None,
    };
    let mut kicked_at = None;
    while let Some((tag, after)) = rest.0.split_first() {
        rest.0 = after;
        if *tag == FIELD_KICKED_AT {
            kicked_at = Some(rest.seconds()?);
        } else {
            profile.set(rest.field(*tag)?);
        }
    }
    Ok(Known::Account(Account {
        internal_id,
        user_id,
        imported_at,
        changed_at,
        kicked_at,
        profile,
    }))
}

fn kind(value: &[u8]) -> Result<(u8, Reader<'_>), RecordError> {
    let mut reader = Reader(value);
    let version = reader.byte()?;
    if version != VERSION {
        return Err(RecordError::Version(version));
    }
    let kind = reader.byte()?;
    match kind {
        KIND_ACCOUNT | KIND_TOMBSTONE => {}
        KIND_NOTHING => reader.end()?,
        _ => return Err(RecordError::Damaged("unknown kind")),
    }
    Ok((kind, reader))
}

/// What is left to read of a value.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, length: usize) -> Result<&'a [u8], RecordError> {
        let split = self.0.split_at_checked(length);
        let (bytes, rest) = split.ok_or(RecordError::Damaged("it ends early"))?;
        self.0 = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], RecordError> {
        let bytes = self.bytes(N)?;
        Ok(bytes
            .try_into()
            .expect("bytes() gives what it was asked for"))
    }

    fn user_id(&mut self) -> Result<UserId, RecordError> {
        let length = usize::from(self.byte()?);
        str::from_utf8(self.bytes(length)?)
            .ok()
            .and_then(|name| UserId::parse(name).ok())
            .ok_or(RecordError::Damaged("the user id is none"))
    }

    fn byte(&mut self) -> Result<u8, RecordError> {
        Ok(self.array::<1>()?[0])
    }

    fn seconds(&mut self) -> Result<UnixSeconds, RecordError> {
        Ok(UnixSeconds(u64::from_le_bytes(self.array()?)))
    }

    fn number(&mut self) -> Result<u32, RecordError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn raw_text(&mut self) -> Result<&'a [u8], RecordError> {
        let length = usize::from(u16::from_le_bytes(self.array()?));
        self.bytes(length)
    }

    fn text(&mut self) -> Result<ByteString, RecordError> {
        let text = str::from_utf8(self.raw_text()?);
        Ok(text
            .map_err(|_| RecordError::Damaged("a text is not UTF-8"))?
            .into())
    }

    fn field(&mut self, tag: u8) -> Result<ProfileField, RecordError> {
        let unknown = RecordError::Damaged("unknown value of a field");
        let too_long = |_| RecordError::Damaged("a text is too long");
        Ok(match tag {
            FIELD_GENDER => ProfileField::Gender(match self.byte()? {
                0 => Gender::Unknown,
                1 => Gender::Female,
                2 => Gender::Male,
                _ => return Err(unknown),
            }),
            FIELD_ALLOW_TYPE => ProfileField::AllowType(match self.byte()? {
                0 => AllowType::NeedConfirm,
                1 => AllowType::AllowAny,
                2 => AllowType::DenyAny,
                _ => return Err(unknown),
            }),
            FIELD_ADMIN_FORBID_TYPE => ProfileField::AdminForbidType(match self.byte()? {
                0 => AdminForbidType::None,
                1 => AdminForbidType::SendOut,
                _ => return Err(unknown),
            }),
            FIELD_BIRTH_DAY => ProfileField::BirthDay(self.number()?),
            FIELD_LANGUAGE => ProfileField::Language(self.number()?),
            FIELD_MSG_SETTINGS => ProfileField::MsgSettings(self.number()?),
            FIELD_LEVEL => ProfileField::Level(self.number()?),
            FIELD_ROLE => ProfileField::Role(self.number()?),
            FIELD_SELF_SIGNATURE => {
                ProfileField::SelfSignature(SelfSignature::parse(self.text()?).map_err(too_long)?)
            }
            FIELD_LOCATION => {
                ProfileField::Location(Location::parse(self.text()?).map_err(too_long)?)
            }
            FIELD_CUSTOM => {
                let length = usize::from(self.byte()?);
                let field = str::from_utf8(self.bytes(length)?)
                    .ok()
                    .and_then(CustomField::parse)
                    .ok_or(RecordError::Damaged("the name of a custom field is none"))?;
                ProfileField::Custom(field, CustomValue::parse(self.text()?).map_err(too_long)?)
            }
            _ => return Err(RecordError::Damaged("unknown field")),
        })
    }

    fn end(&self) -> Result<(), RecordError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(RecordError::Damaged("it goes on too long"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full_account() -> Account {
        let mut profile = Profile::default();
        for field in [
            ProfileField::Nick(Nick::parse("小军".into()).unwrap()),
            ProfileField::FaceUrl(FaceUrl::parse("x".repeat(500).into()).unwrap()),
            ProfileField::Gender(Gender::Male),
            ProfileField::AllowType(AllowType::DenyAny),
            ProfileField::AdminForbidType(AdminForbidType::SendOut),
            ProfileField::BirthDay(20_000_101),
            ProfileField::Language(u32::MAX),
            ProfileField::MsgSettings(0),
            ProfileField::Level(7),
            ProfileField::Role(8),
            ProfileField::SelfSignature(SelfSignature::parse("".into()).unwrap()),
            ProfileField::Location(Location::parse("0001002374650092".into()).unwrap()),
            ProfileField::Custom(
                CustomField::parse("Team").unwrap(),
                CustomValue::parse("红队".into()).unwrap(),
            ),
        ] {
            profile.set(field);
        }
        Account {
            internal_id: InternalId::FIRST,
            user_id: UserId::parse("alice").unwrap(),
            imported_at: UnixSeconds(1),
            changed_at: UnixSeconds(u64::MAX),
            kicked_at: Some(UnixSeconds(6)),
            profile,
        }
    }

    #[test]
    fn records_read_back_as_written() {
        let account = full_account();
        let mut value = Vec::new();
        let place = encode_account(&account, &mut value);
        assert_eq!(
            decode(InternalId::FIRST, &value),
            Ok(Known::Account(account.clone()))
        );
        let mut texts = Vec::new();
        encode_texts(&account.profile.nick, &account.profile.face_url, &mut texts);
        let head = decode_head(&value).unwrap().unwrap();
        assert_eq!(
            (head.user_id, head.texts),
            (account.user_id, Some(&texts[..]))
        );
        assert_eq!(&value[place], texts);

        let tombstone = Tombstone {
            internal_id: InternalId::FIRST,
            user_id: account.user_id,
            deleted_at: UnixSeconds(5),
            kicked_at: account.kicked_at,
        };
        let mut buried = Vec::new();
        encode_tombstone(&tombstone, &mut buried);
        assert_eq!(
            decode(InternalId::FIRST, &buried),
            Ok(Known::Deleted(tombstone))
        );
        assert_eq!(decode(InternalId::FIRST, &NOTHING), Ok(Known::Nothing));
        assert!(decode_head(&NOTHING).unwrap().is_none());
    }

    /// The bytes of version 1, so that no change of the code moves them unseen.
    #[test]
    fn version_1_is_these_bytes() {
        let mut account = full_account();
        account.profile = Profile {
            nick: Nick::parse("é".into()).unwrap(),
            ..Profile::default()
        };
        account.profile.set(ProfileField::Level(7));
        account.kicked_at = Some(UnixSeconds(3));
        let mut value = Vec::new();
        encode_account(&account, &mut value);
        let expected = b"\x01\x00\x05alice\x01\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\
            \x02\0\xc3\xa9\0\0\x07\x07\0\0\0\x0c\x03\0\0\0\0\0\0\0";
        assert_eq!(value, expected);
    }

    #[test]
    fn damage_is_told_and_never_panics() {
        let mut value = Vec::new();
        encode_account(&full_account(), &mut value);
        let mut newer = value.clone();
        newer[0] = 2;
        assert_eq!(
            decode(InternalId::FIRST, &newer),
            Err(RecordError::Version(2))
        );
        for length in 0..value.len() {
            // A cut at a field's edge is a shorter record, which storage checksums rule out.
            let _ = decode(InternalId::FIRST, &value[..length]);
        }
        for position in 0..value.len() {
            for byte in 0..=u8::MAX {
                let mut damaged = value.clone();
                damaged[position] = byte;
                let _ = decode(InternalId::FIRST, &damaged);
            }
        }
    }
}
