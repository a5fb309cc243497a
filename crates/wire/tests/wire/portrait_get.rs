//! wire §3.9.

use bytestring::ByteString;
use muster_accounts::{
    Account, InternalId, Nick, Profile, ProfileField, UnixSeconds, UserId,
    profile::{AdminForbidType, AllowType, Gender, Location, SelfSignature},
};
use muster_wire::{Command, Request, portrait_get};

use crate::{decode, refused, text};

fn request(body: &str) -> portrait_get::Request {
    let Request::PortraitGet(request) = decode(Command::PortraitGet, body).expect(body) else {
        panic!("another command's request");
    };
    request
}

pub(crate) fn account(user: &str, fields: impl IntoIterator<Item = ProfileField>) -> Account {
    let mut profile = Profile::default();
    for field in fields {
        profile.set(field);
    }
    Account {
        internal_id: InternalId::FIRST,
        user_id: UserId::parse(user).unwrap(),
        imported_at: UnixSeconds(0),
        changed_at: UnixSeconds(0),
        kicked_at: None,
        profile,
    }
}

pub(crate) fn nick(text: &str) -> ProfileField {
    ProfileField::Nick(Nick::parse(ByteString::from(text)).unwrap())
}

#[test]
fn refusals_in_order() {
    let no_accounts = (40002, "To_Account is missing or empty.".to_owned());
    let malformed = (40001, "Err_Profile_Comm_Decode_Fail".to_owned());
    let unknown = (40009, "Unknown Tag \"x\".".to_owned());
    let ids = |count| vec!["\"a\""; count].join(",");
    let tags = |count| vec!["\"Tag_Profile_IM_Nick\""; count].join(",");
    for (body, expected) in [
        ("{}".to_owned(), &no_accounts),
        (
            r#"{"To_Account":null,"TagList":7}"#.to_owned(),
            &no_accounts,
        ),
        (
            r#"{"To_Account":[],"TagList":["x"]}"#.to_owned(),
            &no_accounts,
        ),
        (r#"{"To_Account":"a"}"#.to_owned(), &malformed),
        (r#"{"To_Account":["a"]}"#.to_owned(), &malformed),
        (
            r#"{"To_Account":["a"],"TagList":null}"#.to_owned(),
            &malformed,
        ),
        (
            r#"{"To_Account":["a"],"TagList":[]}"#.to_owned(),
            &malformed,
        ),
        (
            r#"{"To_Account":["a"],"TagList":"x"}"#.to_owned(),
            &malformed,
        ),
        (
            r#"{"To_Account":["a",null],"TagList":["x"]}"#.to_owned(),
            &malformed,
        ),
        (
            r#"{"To_Account":["a"],"TagList":["x",7]}"#.to_owned(),
            &malformed,
        ),
        (
            format!("{{\"To_Account\":[{}],\"TagList\":[\"x\"]}}", ids(501)),
            &malformed,
        ),
        (
            format!(
                "{{\"To_Account\":[\"a\"],\"TagList\":[\"x\",{}]}}",
                tags(100)
            ),
            &malformed,
        ),
        (
            r#"{"To_Account":["a"],"TagList":["Tag_Profile_IM_Nick","x","y"]}"#.to_owned(),
            &unknown,
        ),
        (
            r#"{"To_Account":["josé"],"TagList":["x"]}"#.to_owned(),
            &unknown,
        ),
    ] {
        assert_eq!(refused(Command::PortraitGet, &body), *expected, "{body}");
    }
    assert_eq!(
        refused(
            Command::PortraitGet,
            r#"{"To_Account":["a"],"TagList":["Tag_Profile_Custom_Test"]}"#
        ),
        (40009, "Unknown Tag \"Tag_Profile_Custom_Test\".".to_owned())
    );
    let full = format!(
        "{{\"To_Account\":[{}],\"TagList\":[{}]}}",
        ids(500),
        tags(100)
    );
    assert_eq!(request(&full).users.len(), 500);
}

/// In request order and as often as asked; who failed is named once.
#[test]
fn who_is_answered() {
    let get = request(
        r#"{"To_Account":["bob","josé","alice","bob","josé",""],"TagList":["Tag_Profile_IM_Nick"]}"#,
    );
    let users: Vec<_> = get.users.iter().map(UserId::as_str).collect();
    assert_eq!(users, ["bob", "alice", "bob"]);
    let alice = account("alice", [nick("Alice")]);
    let not_imported = |user: &str| {
        format!(
            "{{\"To_Account\":\"{user}\",\"ResultCode\":40003,\
             \"ResultInfo\":\"Account \\\"{user}\\\" is not imported.\"}}"
        )
    };
    let expected = format!(
        "{{\"ActionStatus\":\"OK\",\"ErrorCode\":0,\"ErrorInfo\":\"\",\"ErrorDisplay\":\"\",\
         \"UserProfileItem\":[{bob},{jose},{{\"To_Account\":\"alice\",\"ProfileItem\":[\
         {{\"Tag\":\"Tag_Profile_IM_Nick\",\"Value\":\"Alice\"}}],\"ResultCode\":0,\
         \"ResultInfo\":\"\"}},{bob},{jose},{empty}],\"Fail_Account\":[\"bob\",\"josé\",\"\"]}}",
        bob = not_imported("bob"),
        jose = not_imported("josé"),
        empty = not_imported(""),
    );
    assert_eq!(text(get.answer(&[None, Some(alice), None])), expected);
}

#[test]
fn what_is_answered() {
    let texts = |text: &str| ByteString::from(text);
    let full = account(
        "full",
        [
            nick("N"),
            ProfileField::FaceUrl(muster_accounts::FaceUrl::parse(texts("F")).unwrap()),
            ProfileField::SelfSignature(SelfSignature::parse(texts("S")).unwrap()),
            ProfileField::Location(Location::parse(texts("L")).unwrap()),
            ProfileField::Gender(Gender::Female),
            ProfileField::AllowType(AllowType::DenyAny),
            ProfileField::AdminForbidType(AdminForbidType::SendOut),
            ProfileField::BirthDay(20_001_231),
            ProfileField::Language(1),
            ProfileField::MsgSettings(2),
            ProfileField::Level(0),
            ProfileField::Role(u32::MAX),
        ],
    );
    let values = [
        ("Role", "4294967295"),
        ("Level", "0"),
        ("MsgSettings", "2"),
        ("Language", "1"),
        ("BirthDay", "20001231"),
        ("AdminForbidType", "\"AdminForbid_Type_SendOut\""),
        ("AllowType", "\"AllowType_Type_DenyAny\""),
        ("Gender", "\"Gender_Type_Female\""),
        ("Location", "\"L\""),
        ("SelfSignature", "\"S\""),
        ("Image", "\"F\""),
        ("Nick", "\"N\""),
    ];
    let item = |(name, value): &(&str, &str)| {
        format!("{{\"Tag\":\"Tag_Profile_IM_{name}\",\"Value\":{value}}}")
    };
    let mut tags: Vec<_> = values
        .iter()
        .map(|(name, _)| format!("\"Tag_Profile_IM_{name}\""))
        .collect();
    // A repeated Tag is answered once, at its first place.
    tags.push(tags[3].clone());
    let get = request(&format!(
        "{{\"To_Account\":[\"full\",\"new\"],\"TagList\":[{}]}}",
        tags.join(",")
    ));
    let expected = format!(
        "{{\"ActionStatus\":\"OK\",\"ErrorCode\":0,\"ErrorInfo\":\"\",\"ErrorDisplay\":\"\",\
         \"UserProfileItem\":[{{\"To_Account\":\"full\",\"ProfileItem\":[{}],\"ResultCode\":0,\
         \"ResultInfo\":\"\"}},{{\"To_Account\":\"new\",\"ProfileItem\":[{},{}],\"ResultCode\":0,\
         \"ResultInfo\":\"\"}}]}}",
        values.iter().map(item).collect::<Vec<_>>().join(","),
        // Never set is left out; Nick and Image always count as set.
        item(&("Image", "\"\"")),
        item(&("Nick", "\"\"")),
    );
    assert_eq!(
        text(get.answer(&[Some(full), Some(account("new", []))])),
        expected
    );

    let unset = request(r#"{"To_Account":["new"],"TagList":["Tag_Profile_IM_Gender"]}"#);
    assert_eq!(
        text(unset.answer(&[Some(account("new", []))])),
        "{\"ActionStatus\":\"OK\",\"ErrorCode\":0,\"ErrorInfo\":\"\",\"ErrorDisplay\":\"\",\
         \"UserProfileItem\":[{\"To_Account\":\"new\",\"ProfileItem\":[],\"ResultCode\":0,\
         \"ResultInfo\":\"\"}]}"
    );
}

/// What `portrait_set` takes in, `portrait_get` gives back in the same words.
#[test]
fn set_then_get() {
    for (name, value) in [
        ("Gender", "\"Gender_Type_Unknown\""),
        ("Gender", "\"Gender_Type_Male\""),
        ("AllowType", "\"AllowType_Type_NeedConfirm\""),
        ("AllowType", "\"AllowType_Type_AllowAny\""),
        ("AdminForbidType", "\"AdminForbid_Type_None\""),
        ("Location", "\"\""),
        ("Language", "20"),
    ] {
        let item = format!("{{\"Tag\":\"Tag_Profile_IM_{name}\",\"Value\":{value}}}");
        let body = format!("{{\"From_Account\":\"alice\",\"ProfileItem\":[{item}]}}");
        let Ok(Request::PortraitSet(set)) = decode(Command::PortraitSet, &body) else {
            panic!("{body}");
        };
        let alice = account("alice", set.fields.unwrap());
        let get = request(&format!(
            "{{\"To_Account\":[\"alice\"],\"TagList\":[\"Tag_Profile_IM_{name}\"]}}"
        ));
        let answer = text(get.answer(&[Some(alice)]));
        assert!(
            answer.contains(&format!("\"ProfileItem\":[{item}]")),
            "{answer}"
        );
    }
}
