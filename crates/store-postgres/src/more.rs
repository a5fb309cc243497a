//! The fields of a profile that no import sets, as JSON: what was never set is not there.

use std::collections::BTreeMap;

use muster_accounts::profile::{
    AdminForbidType, AllowType, CustomField, CustomValue, Gender, Location, MoreFields,
    SelfSignature,
};
use serde::{Deserialize, Serialize};

/// With the names and values that SQL's JSON operators find.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct MoreRecord {
    #[serde(skip_serializing_if = "Option::is_none")]
    gender: Option<GenderRecord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allow_type: Option<AllowTypeRecord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    admin_forbid_type: Option<AdminForbidTypeRecord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    birth_day: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    msg_settings: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    self_signature: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    custom: BTreeMap<String, String>,
}

/// An enum of the domain with the names under which it is kept.
macro_rules! record_of {
    ($record:ident, $domain:ident { $($variant:ident),+ }) => {
        #[derive(Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum $record { $($variant),+ }

        impl From<$domain> for $record {
            fn from(value: $domain) -> Self {
                match value { $($domain::$variant => Self::$variant),+ }
            }
        }

        impl From<$record> for $domain {
            fn from(record: $record) -> Self {
                match record { $($record::$variant => Self::$variant),+ }
            }
        }
    };
}

record_of!(
    GenderRecord,
    Gender {
        Unknown,
        Female,
        Male
    }
);
record_of!(
    AllowTypeRecord,
    AllowType {
        NeedConfirm,
        AllowAny,
        DenyAny
    }
);
record_of!(AdminForbidTypeRecord, AdminForbidType { None, SendOut });

/// The fields as JSON, in which U+0000 is an escape.
pub(crate) fn encode(more: &MoreFields) -> String {
    let MoreFields {
        gender,
        allow_type,
        admin_forbid_type,
        birth_day,
        language,
        msg_settings,
        level,
        role,
        self_signature,
        location,
        custom,
    } = more;
    let custom = custom.iter();
    let record = MoreRecord {
        gender: gender.map(Into::into),
        allow_type: allow_type.map(Into::into),
        admin_forbid_type: admin_forbid_type.map(Into::into),
        birth_day: *birth_day,
        language: *language,
        msg_settings: *msg_settings,
        level: *level,
        role: *role,
        self_signature: self_signature.as_ref().map(|text| text.as_str().to_owned()),
        location: location.as_ref().map(|text| text.as_str().to_owned()),
        custom: custom
            .map(|(field, value)| (field.as_str().to_owned(), value.as_str().to_owned()))
            .collect(),
    };
    serde_json::to_string(&record).expect("strings and numbers always write as JSON")
}

/// The fields, or `None` for a text that is not what [`encode`] makes.
pub(crate) fn decode(json: &str) -> Option<MoreFields> {
    let record: MoreRecord = serde_json::from_str(json).ok()?;
    let custom = record.custom.into_iter().map(|(field, value)| {
        let value = CustomValue::parse(value.into()).ok()?;
        Some((CustomField::parse(&field)?, value))
    });
    let self_signature = record
        .self_signature
        .map(|text| SelfSignature::parse(text.into()));
    let location = record.location.map(|text| Location::parse(text.into()));
    Some(MoreFields {
        gender: record.gender.map(Into::into),
        allow_type: record.allow_type.map(Into::into),
        admin_forbid_type: record.admin_forbid_type.map(Into::into),
        birth_day: record.birth_day,
        language: record.language,
        msg_settings: record.msg_settings,
        level: record.level,
        role: record.role,
        self_signature: self_signature.transpose().ok()?,
        location: location.transpose().ok()?,
        custom: custom.collect::<Option<_>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn these_texts_and_back() {
        let full = MoreFields {
            gender: Some(Gender::Female),
            allow_type: Some(AllowType::DenyAny),
            admin_forbid_type: Some(AdminForbidType::SendOut),
            birth_day: Some(20_001_231),
            language: Some(1),
            msg_settings: Some(0),
            level: Some(u32::MAX),
            role: Some(7),
            self_signature: Some(SelfSignature::parse("a\0\"小".into()).unwrap()),
            location: Some(Location::parse("here".into()).unwrap()),
            custom: BTreeMap::from([(
                CustomField::parse("Team").unwrap(),
                CustomValue::parse("blue".into()).unwrap(),
            )]),
        };
        let text = concat!(
            r#"{"gender":"female","allow_type":"deny_any","admin_forbid_type":"send_out","#,
            r#""birth_day":20001231,"language":1,"msg_settings":0,"level":4294967295,"role":7,"#,
            r#""self_signature":"a\u0000\"小","location":"here","custom":{"Team":"blue"}}"#,
        );
        for (fields, text) in [(full, text), (MoreFields::default(), "{}")] {
            assert_eq!(encode(&fields), text);
            assert_eq!(decode(text), Some(fields));
        }
        for damaged in [
            "",
            r#"{"gender":"other"}"#,
            r#"{"age":1}"#,
            r#"{"custom":{"9":""}}"#,
        ] {
            assert_eq!(decode(damaged), None, "{damaged}");
        }
    }
}
