//! wire §3.8.

use bytestring::ByteString;
use muster_accounts::{
    FaceUrl, Nick, ProfileField, UserId,
    profile::{AdminForbidType, AllowType, Gender, Location, SelfSignature},
};
use muster_wire::{Command, Request, portrait_set};

use crate::{decode, refused, text};

fn request(body: &str) -> portrait_set::Request {
    let Request::PortraitSet(request) = decode(Command::PortraitSet, body).expect(body) else {
        panic!("another command's request");
    };
    request
}

/// A request on alice with this list of items.
fn with_items(items: &str) -> portrait_set::Request {
    request(&format!(
        "{{\"From_Account\":\"alice\",\"ProfileItem\":[{items}]}}"
    ))
}

fn item(tag: &str, value: &str) -> String {
    format!("{{\"Tag\":\"{tag}\",\"Value\":{value}}}")
}

/// Code and text of what is wrong with the items of a request that is well-formed.
fn refused_items(items: &str) -> (u32, String) {
    let failure = with_items(items).fields.expect_err(items);
    assert_eq!(failure.fail_accounts, None);
    (failure.code.get(), failure.info)
}

fn long(text: &str) -> ByteString {
    ByteString::from(text)
}

#[test]
fn every_standard_field() {
    let text_500 = "é".repeat(250);
    let nick = |text: &str| ProfileField::Nick(Nick::parse(long(text)).unwrap());
    let image = |text: &str| ProfileField::FaceUrl(FaceUrl::parse(long(text)).unwrap());
    let signature =
        |text: &str| ProfileField::SelfSignature(SelfSignature::parse(long(text)).unwrap());
    let location = |text: &str| ProfileField::Location(Location::parse(long(text)).unwrap());
    for (name, value, field) in [
        ("Nick", "\"Al\\u0069ce\"".to_owned(), nick("Alice")),
        ("Nick", format!("\"{text_500}\""), nick(&text_500)),
        ("Image", "\"\"".to_owned(), image("")),
        (
            "SelfSignature",
            format!("\"{text_500}\""),
            signature(&text_500),
        ),
        (
            "Location",
            "\"0001002374650092\"".to_owned(),
            location("0001002374650092"),
        ),
        (
            "Gender",
            "\"Gender_Type_Unknown\"".to_owned(),
            ProfileField::Gender(Gender::Unknown),
        ),
        (
            "Gender",
            "\"Gender_Type_Female\"".to_owned(),
            ProfileField::Gender(Gender::Female),
        ),
        (
            "Gender",
            "\"Gender_Type_Male\"".to_owned(),
            ProfileField::Gender(Gender::Male),
        ),
        (
            "AllowType",
            "\"AllowType_Type_NeedConfirm\"".to_owned(),
            ProfileField::AllowType(AllowType::NeedConfirm),
        ),
        (
            "AllowType",
            "\"AllowType_Type_AllowAny\"".to_owned(),
            ProfileField::AllowType(AllowType::AllowAny),
        ),
        (
            "AllowType",
            "\"AllowType_Type_DenyAny\"".to_owned(),
            ProfileField::AllowType(AllowType::DenyAny),
        ),
        (
            "AdminForbidType",
            "\"AdminForbid_Type_None\"".to_owned(),
            ProfileField::AdminForbidType(AdminForbidType::None),
        ),
        (
            "AdminForbidType",
            "\"AdminForbid_Type_SendOut\"".to_owned(),
            ProfileField::AdminForbidType(AdminForbidType::SendOut),
        ),
        (
            "BirthDay",
            "20001231".to_owned(),
            ProfileField::BirthDay(20_001_231),
        ),
        ("Language", "0".to_owned(), ProfileField::Language(0)),
        ("MsgSettings", "1".to_owned(), ProfileField::MsgSettings(1)),
        (
            "Level",
            "4294967295".to_owned(),
            ProfileField::Level(u32::MAX),
        ),
        ("Role", "7".to_owned(), ProfileField::Role(7)),
    ] {
        let items = item(&format!("Tag_Profile_IM_{name}"), &value);
        assert_eq!(with_items(&items).fields, Ok(vec![field]), "{items}");
    }
    let twice = item("Tag_Profile_IM_Level", "1") + "," + &item("Tag_Profile_IM_Level", "2");
    assert_eq!(
        with_items(&twice).fields,
        Ok(vec![ProfileField::Level(1), ProfileField::Level(2)]),
        "the last counts when they are written in order"
    );
}

#[test]
fn malformed() {
    let good = item("Tag_Profile_IM_Level", "1");
    let hundred = vec![&*good; 100].join(",");
    assert_eq!(with_items(&hundred).fields.unwrap().len(), 100);
    for body in [
        "{}".to_owned(),
        format!("{{\"ProfileItem\":[{good}]}}"),
        format!("{{\"From_Account\":null,\"ProfileItem\":[{good}]}}"),
        format!("{{\"From_Account\":7,\"ProfileItem\":[{good}]}}"),
        "{\"From_Account\":\"alice\"}".to_owned(),
        "{\"From_Account\":\"alice\",\"ProfileItem\":null}".to_owned(),
        "{\"From_Account\":\"alice\",\"ProfileItem\":[]}".to_owned(),
        format!("{{\"From_Account\":\"alice\",\"ProfileItem\":{good}}}"),
        format!("{{\"From_Account\":\"alice\",\"ProfileItem\":[{hundred},{good}]}}"),
        "{\"From_Account\":\"alice\",\"ProfileItem\":[7]}".to_owned(),
        format!("{{\"From_Account\":\"alice\",\"ProfileItem\":[{good},null]}}"),
        "{\"From_Account\":\"alice\",\"ProfileItem\":[{\"Value\":1}]}".to_owned(),
        "{\"From_Account\":\"alice\",\"ProfileItem\":[{\"Tag\":\"Tag_Profile_IM_Level\"}]}"
            .to_owned(),
        "{\"From_Account\":\"alice\",\"ProfileItem\":[{\"Tag\":null,\"Value\":1}]}".to_owned(),
        "{\"From_Account\":\"alice\",\"ProfileItem\":[{\"Tag\":7,\"Value\":1}]}".to_owned(),
        // Before an account that cannot exist, and before an unknown Tag.
        "{\"From_Account\":\"josé\",\"ProfileItem\":[{\"Tag\":\"x\",\"Value\":1},{}]}".to_owned(),
    ] {
        let expected = (40001, "Err_Profile_Comm_Decode_Fail".to_owned());
        assert_eq!(refused(Command::PortraitSet, &body), expected, "{body}");
    }
}

/// The account is judged before the fields, and both are there for the caller to do so.
#[test]
fn account() {
    let both_wrong = request(r#"{"From_Account":"josé","ProfileItem":[{"Tag":"x","Value":1}]}"#);
    let failure = both_wrong.account.unwrap_err();
    assert_eq!(
        (failure.code.get(), &*failure.info),
        (40003, "Account \"josé\" is not imported.")
    );
    assert_eq!(both_wrong.fields.unwrap_err().code.get(), 40009);

    let alice = UserId::parse("alice").unwrap();
    assert_eq!(
        with_items(&item("Tag_Profile_IM_Role", "1")).account,
        Ok(alice)
    );
    let failure = portrait_set::not_imported(&alice);
    assert_eq!(
        (failure.code.get(), &*failure.info),
        (40003, "Account \"alice\" is not imported.")
    );
}

#[test]
fn unknown_tags() {
    let long_tag = "T".repeat(65);
    for (tag, shown) in [
        (
            "Tag_Profile_IM_Nothing",
            "Tag_Profile_IM_Nothing".to_owned(),
        ),
        ("tag_profile_im_nick", "tag_profile_im_nick".to_owned()),
        ("Nick", "Nick".to_owned()),
        ("", String::new()),
        // No custom field is declared.
        (
            "Tag_Profile_Custom_Test",
            "Tag_Profile_Custom_Test".to_owned(),
        ),
        (&long_tag, "T".repeat(64) + "..."),
    ] {
        // Before its own value, whatever that is.
        for value in ["null", "\"x\"", "1"] {
            let expected = (40009, format!("Unknown Tag \"{shown}\"."));
            assert_eq!(refused_items(&item(tag, value)), expected, "{tag} {value}");
        }
    }
}

#[test]
fn wrong_values() {
    let string_of = |bytes: usize| format!("\"{}\"", "x".repeat(bytes));
    let type_of = |name: &str, wanted| {
        (
            40610,
            format!("The value of Tag_Profile_IM_{name} must be a {wanted}."),
        )
    };
    for name in [
        "Nick",
        "Image",
        "SelfSignature",
        "Location",
        "Gender",
        "AllowType",
        "AdminForbidType",
    ] {
        let tag = format!("Tag_Profile_IM_{name}");
        for value in ["null", "7", "true", "[]", "{}", "-1.5"] {
            assert_eq!(
                refused_items(&item(&tag, value)),
                type_of(name, "string"),
                "{value}"
            );
        }
        assert_eq!(
            refused_items(&item(&tag, &string_of(501))),
            (
                40601,
                "ProfileItem[0].Value is 501 bytes long, the limit is 500.".to_owned()
            ),
            "{name}"
        );
    }
    for name in ["BirthDay", "Language", "MsgSettings", "Level", "Role"] {
        let tag = format!("Tag_Profile_IM_{name}");
        for value in [
            "null",
            "\"7\"",
            "-1",
            "-0",
            "1.0",
            "1e2",
            "4294967296",
            "1e300",
            "true",
            "[1]",
        ] {
            assert_eq!(
                refused_items(&item(&tag, value)),
                type_of(name, "uint32"),
                "{value}"
            );
        }
        assert_eq!(
            refused_items(&item(&tag, &string_of(501))),
            type_of(name, "uint32")
        );
    }
    for (name, value) in [
        ("Location", "x".repeat(17)),
        ("Location", "é".repeat(9)),
        ("Gender", String::new()),
        ("Gender", "gender_type_male".to_owned()),
        ("AllowType", "AllowType_Type_None".to_owned()),
        ("AdminForbidType", "AdminForbid_Type_none".to_owned()),
    ] {
        let tag = format!("Tag_Profile_IM_{name}");
        assert_eq!(
            refused_items(&item(&tag, &format!("\"{value}\""))),
            (40605, format!("\"{value}\" is not allowed for {tag}.")),
        );
    }
    assert_eq!(
        refused_items(&item("Tag_Profile_IM_Gender", &string_of(100))),
        (
            40605,
            format!(
                "\"{}...\" is not allowed for Tag_Profile_IM_Gender.",
                "x".repeat(64)
            )
        ),
    );
}

/// Item by item, whatever the kind of mistake.
#[test]
fn the_first_wrong_item_decides() {
    let good = item("Tag_Profile_IM_Nick", "\"\"");
    let unknown = item("x", "1");
    let wrong_type = item("Tag_Profile_IM_Level", "\"\"");
    let too_long = item("Tag_Profile_IM_Nick", &format!("\"{}\"", "x".repeat(501)));
    let not_allowed = item("Tag_Profile_IM_Gender", "\"\"");
    let wrong = [
        (&unknown, 40009),
        (&wrong_type, 40610),
        (&too_long, 40601),
        (&not_allowed, 40605),
    ];
    for (first, code) in wrong {
        for (second, _) in wrong {
            let (found, info) = refused_items(&format!("{good},{first},{second}"));
            assert_eq!(found, code, "{info}");
        }
    }
    let (_, info) = refused_items(&format!("{good},{too_long}"));
    assert_eq!(
        info,
        "ProfileItem[1].Value is 501 bytes long, the limit is 500."
    );
}

#[test]
fn answer() {
    assert_eq!(
        text(portrait_set::answer()),
        r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#
    );
}
