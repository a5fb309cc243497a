//! wire §8.

use std::net::IpAddr;

use bytes::Bytes;
use muster_accounts::{
    ProfileField, SdkAppId, UnixSeconds, UserId, app::WebhookToken, profile::CustomField,
};
use muster_wire::{
    Command, Request,
    platform::Platform,
    webhook::{CallbackCommand, Event, Notice, StateChange, sign},
};

use crate::{parsed, portrait_get::nick, specification::SPECIFICATION, text};

const EVENT_TIME_MS: u64 = 1_700_000_000_123;

fn user(user_id: &str) -> UserId {
    UserId::parse(user_id).unwrap()
}

fn state_change(change: StateChange) -> String {
    let event = Event::StateChange {
        user_id: &user("alice"),
        change,
    };
    text(event.body(EVENT_TIME_MS))
}

fn portrait_set(fields: &[ProfileField]) -> String {
    let event = Event::PortraitSet {
        operator: &user("administrator"),
        user_id: &user("alice"),
        fields,
    };
    text(event.body(EVENT_TIME_MS))
}

/// The fields that `portrait_set` reads from these items.
fn fields(items: &str) -> Vec<ProfileField> {
    let body = Bytes::from(format!(
        "{{\"From_Account\":\"alice\",\"ProfileItem\":[{items}]}}"
    ));
    let declared = [CustomField::parse("Team").unwrap()].into();
    match Request::decode(Command::PortraitSet, &body, &declared) {
        Ok(Request::PortraitSet(set)) => set.fields.expect(items),
        other => panic!("{items}: {other:?}"),
    }
}

fn token() -> WebhookToken {
    WebhookToken::new("xxxxyyyy".to_owned()).unwrap()
}

/// What stands between two texts of the specification.
fn stated(before: &str, after: &str) -> &'static str {
    let (_, rest) = SPECIFICATION.split_once(before).expect(before);
    let (found, _) = rest.split_once(after).expect(after);
    found
}

#[test]
fn bodies_are_the_samples() {
    for body in [
        state_change(StateChange::Logout),
        portrait_set(&[nick("Alice")]),
    ] {
        assert!(SPECIFICATION.contains(&format!("\n{body}\n")), "{body}");
    }
}

#[test]
fn state_changes() {
    for (change, action, reason) in [
        (StateChange::Login, "Login", "Register"),
        (StateChange::Logout, "Logout", "Unregister"),
        (StateChange::LinkClose, "Disconnect", "LinkClose"),
        (StateChange::TimeOut, "Disconnect", "TimeOut"),
    ] {
        let expected = format!(
            "{{\"CallbackCommand\":\"State.StateChange\",\"EventTime\":1700000000123,\"Info\":\
             {{\"Action\":\"{action}\",\"To_Account\":\"alice\",\"Reason\":\"{reason}\"}}}}"
        );
        assert_eq!(state_change(change), expected);
    }
}

/// Every Tag leaves with the value it came with.
#[test]
fn profile_items() {
    let items = [
        r#"{"Tag":"Tag_Profile_IM_Nick","Value":"\"Alice\" \\ é\n"}"#,
        r#"{"Tag":"Tag_Profile_IM_Image","Value":""}"#,
        r#"{"Tag":"Tag_Profile_IM_SelfSignature","Value":"hello"}"#,
        r#"{"Tag":"Tag_Profile_IM_Location","Value":"0001002374650092"}"#,
        r#"{"Tag":"Tag_Profile_IM_Gender","Value":"Gender_Type_Female"}"#,
        r#"{"Tag":"Tag_Profile_IM_AllowType","Value":"AllowType_Type_DenyAny"}"#,
        r#"{"Tag":"Tag_Profile_IM_AdminForbidType","Value":"AdminForbid_Type_SendOut"}"#,
        r#"{"Tag":"Tag_Profile_IM_BirthDay","Value":20001231}"#,
        r#"{"Tag":"Tag_Profile_IM_Language","Value":0}"#,
        r#"{"Tag":"Tag_Profile_IM_MsgSettings","Value":1}"#,
        r#"{"Tag":"Tag_Profile_IM_Level","Value":4294967295}"#,
        r#"{"Tag":"Tag_Profile_IM_Role","Value":7}"#,
        r#"{"Tag":"Tag_Profile_Custom_Team","Value":"red"}"#,
    ];
    for item in items.into_iter().chain([items.join(",").as_str()]) {
        let body = portrait_set(&fields(item));
        assert!(
            body.ends_with(&format!("\"ProfileItem\":[{item}]}}")),
            "{body}"
        );
    }
}

#[test]
fn of_a_repeated_tag_the_last_value_is_told() {
    let items = concat!(
        r#"{"Tag":"Tag_Profile_IM_Level","Value":1},"#,
        r#"{"Tag":"Tag_Profile_Custom_Team","Value":"red"},"#,
        r#"{"Tag":"Tag_Profile_IM_Level","Value":2},"#,
        r#"{"Tag":"Tag_Profile_Custom_Team","Value":"blue"}"#
    );
    let body = portrait_set(&fields(items));
    assert_eq!(
        parsed(body.as_bytes())["ProfileItem"],
        serde_json::json!([
            {"Tag": "Tag_Profile_IM_Level", "Value": 2},
            {"Tag": "Tag_Profile_Custom_Team", "Value": "blue"},
        ])
    );
}

#[test]
fn query() {
    let template = stated("`POST <URL>?", "`");
    let app = SdkAppId(1_400_000_000);
    let now = UnixSeconds(1_669_872_112);
    for command in CallbackCommand::ALL {
        for (source, shown) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8::1", "2001:db8::1"),
        ] {
            let source: IpAddr = source.parse().unwrap();
            let notice = Notice::new(app, command, source, None);
            let expected = template
                .replace("<command>", command.name())
                .replace("<ip>", shown)
                .replace("<platform>", "RESTAPI");
            assert_eq!(notice.query(None, now), expected);
            let signed = format!(
                "{expected}&RequestTime=1669872112&Sign={}",
                stated("time 1669872112 gives `", "`")
            );
            assert_eq!(notice.query(Some(&token()), now), signed);
        }
    }
}

#[test]
fn platform_of_a_session() {
    for platform in Platform::ALL {
        for (command, expected) in [
            (
                CallbackCommand::StateChange,
                platform.state_change_opt_platform(),
            ),
            (CallbackCommand::PortraitSet, platform.opt_platform()),
        ] {
            let source = IpAddr::from([192, 0, 2, 7]);
            let notice = Notice::new(SdkAppId(1), command, source, Some(platform));
            let query = notice.query(None, UnixSeconds(0));
            assert!(
                query.ends_with(&format!("&OptPlatform={expected}")),
                "{query}"
            );
        }
    }
}

#[test]
fn signature() {
    for (time, expected) in [
        (1_669_872_112, stated("time 1669872112 gives `", "`")),
        // printf xxxxyyyy0 | sha256sum
        (
            0,
            "67ed10470f41a0def02ef527537653a972306e6f2bdb9d07d28acefcec66db14",
        ),
    ] {
        assert_eq!(sign(&token(), UnixSeconds(time)), expected);
    }
}
