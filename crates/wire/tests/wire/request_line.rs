//! Checks 1 to 7 of wire §2, with the rules of wire §1.1.

use std::borrow::Cow;

use muster_accounts::SdkAppId;
use muster_wire::{Command, Service, failure_body, parse_call, shown_path};

use crate::parsed;

const IMPORT: &str = "/v4/im_open_login_svc/account_import";
const GOOD: &str = "sdkappid=1400000000&identifier=administrator&usersig=eJw*-_&random=4294967295\
                    &contenttype=json";

fn refused(method: &str, path: &str, query: Option<&str>) -> (u32, String, Option<Service>) {
    let refused = parse_call(method, path, query).expect_err(&format!("{method} {path} {query:?}"));
    assert_eq!(refused.failure.fail_accounts, None);
    (
        refused.failure.code.get(),
        refused.failure.info,
        refused.service,
    )
}

#[test]
fn every_command_is_found() {
    for command in Command::ALL {
        let call = parse_call("POST", command.path(), Some(GOOD)).unwrap();
        assert_eq!(call.command, command);
        assert_eq!(call.sdkappid, SdkAppId(1_400_000_000));
        assert_eq!(call.identifier, "administrator");
        assert_eq!(call.usersig, "eJw*-_");
        assert!(command.path().ends_with(command.name()));
    }
}

#[test]
fn unparsable() {
    let unparsable = (60002, "HTTP parse Error".to_owned(), None);
    for method in ["GET", "HEAD", "PUT", "post", ""] {
        assert_eq!(refused(method, IMPORT, Some(GOOD)), unparsable, "{method}");
    }
    for path in [
        "",
        "/",
        "*",
        "/v4",
        "/v4/im_open_login_svc",
        "/v4/im_open_login_svc/account_import/",
        "//v4/im_open_login_svc/account_import",
        "v4/im_open_login_svc/account_import",
    ] {
        assert_eq!(refused("POST", path, Some(GOOD)), unparsable, "{path}");
    }
    for piece in [
        "%", "%4", "a=%", "a=%4", "a=%zz", "a=%4g", "a=%+1", "%zz=a", "a=%ff", "a=%C3", "%C3=%A9",
    ] {
        for query in [format!("{GOOD}&{piece}"), format!("{piece}&{GOOD}")] {
            assert_eq!(refused("POST", IMPORT, Some(&query)), unparsable, "{query}");
        }
    }
    // Before the unknown command, and before what is wrong with the parameters.
    assert_eq!(refused("POST", "/v4/a/b", Some("a=%")), unparsable);
    assert_eq!(refused("POST", IMPORT, Some("sdkappid=x&a=%")), unparsable);
}

#[test]
fn unknown_command() {
    for path in [
        "/v4/im_open_login_svc/nothing",
        "/v4/nothing/account_import",
        "/v3/im_open_login_svc/account_import",
        "/v4/profile/account_import",
        "/v4/im_open_login_svc/",
        "/v4//account_import",
        "///",
        "/V4/im_open_login_svc/account_import",
        "/v4/im_open_login_svc/Account_import",
        "/v4/im_open_login_svc/account%5Fimport",
        "/v4/im_open_login_svc/%zz",
    ] {
        let info = format!("Unknown service or command \"{path}\".");
        assert_eq!(
            refused("POST", path, Some(GOOD)),
            (60009, info.clone(), None),
            "{path}"
        );
        // Before the parameters are looked at.
        assert_eq!(refused("POST", path, None), (60009, info, None), "{path}");
    }
    let long = format!("/v4/a/{}", "é".repeat(100));
    let info = format!(
        "Unknown service or command \"/v4/a/{}...\".",
        "é".repeat(58)
    );
    assert_eq!(refused("POST", &long, None), (60009, info, None));
}

/// A client that escapes or forgets an `&` has its UserSig in the parameter before.
#[test]
fn no_value_shows_the_usersig() {
    for (mark, shown) in [
        ("%26usersig=", "&"),
        ("usersig=", "usersig="),
        ("usersig%3D", "usersig="),
        ("?usersig=", "?"),
        ("%3Busersig=", ";"),
        ("%253fusersig=%253F", "%3f"),
    ] {
        for (query, code, shown) in [
            (
                format!("sdkappid=1{mark}eJw9SECRET"),
                60006,
                format!("sdkappid \"1{shown}\" is not a number."),
            ),
            (
                format!("sdkappid=1&identifier=a&usersig=s&contenttype=json{mark}eJw9SECRET"),
                60025,
                format!("contenttype \"json{shown}\" is not json."),
            ),
        ] {
            let expected = (code, shown, Some(Service::ImOpenLoginSvc));
            assert_eq!(refused("POST", IMPORT, Some(&query)), expected, "{query}");
        }
    }
    assert_eq!(shown_path("/v4/openim/a%3fb%3Fc"), "/v4/openim/a");
}

#[test]
fn parameters_in_order() {
    let long = "7".repeat(65);
    let long_query = format!("sdkappid={long}");
    let long_info = format!("sdkappid \"{}...\" is not a number.", "7".repeat(64));
    for (query, code, info) in [
        // Each later mistake is there too, so only the order can choose.
        ("", 60012, "sdkappid is missing from the URL."),
        (
            "identifier=a&contenttype=xml",
            60012,
            "sdkappid is missing from the URL.",
        ),
        (
            "SdkAppId=1&identifier=a&usersig=s",
            60012,
            "sdkappid is missing from the URL.",
        ),
        (
            "sdkappid=&contenttype=xml",
            60006,
            "sdkappid \"\" is not a number.",
        ),
        ("sdkappid", 60006, "sdkappid \"\" is not a number."),
        ("sdkappid=14x", 60006, "sdkappid \"14x\" is not a number."),
        ("sdkappid=-1", 60006, "sdkappid \"-1\" is not a number."),
        ("sdkappid=%2B1", 60006, "sdkappid \"+1\" is not a number."),
        ("sdkappid=+1", 60006, "sdkappid \" 1\" is not a number."),
        ("sdkappid=1.0", 60006, "sdkappid \"1.0\" is not a number."),
        (
            "sdkappid=4294967296",
            60006,
            "sdkappid \"4294967296\" is not a number.",
        ),
        ("sdkappid=%D9%A1", 60006, "sdkappid \"١\" is not a number."),
        (&long_query, 60006, &long_info),
        // The first of two counts.
        (
            "sdkappid=x&sdkappid=1",
            60006,
            "sdkappid \"x\" is not a number.",
        ),
        (
            "sdkappid=1&contenttype=xml",
            60025,
            "identifier is missing from the URL.",
        ),
        (
            "sdkappid=1&identifier=&contenttype=xml",
            60025,
            "identifier is missing from the URL.",
        ),
        (
            "sdkappid=1&identifier=&identifier=a",
            60025,
            "identifier is missing from the URL.",
        ),
        (
            "sdkappid=1&identifier=a&contenttype=xml",
            70002,
            "usersig is missing from the URL.",
        ),
        (
            "sdkappid=1&identifier=a&usersig=&contenttype=",
            70002,
            "usersig is missing from the URL.",
        ),
        (
            "sdkappid=1&identifier=a&usersig=s&contenttype=",
            60025,
            "contenttype \"\" is not json.",
        ),
        (
            "sdkappid=1&identifier=a&usersig=s&contenttype",
            60025,
            "contenttype \"\" is not json.",
        ),
        (
            "sdkappid=1&identifier=a&usersig=s&contenttype=JSON",
            60025,
            "contenttype \"JSON\" is not json.",
        ),
    ] {
        let expected = (code, info.to_owned(), Some(Service::ImOpenLoginSvc));
        assert_eq!(refused("POST", IMPORT, Some(query)), expected, "{query}");
    }
    let expected = (
        60012,
        "sdkappid is missing from the URL.".to_owned(),
        Some(Service::Profile),
    );
    assert_eq!(refused("POST", "/v4/profile/portrait_get", None), expected);
}

#[test]
fn accepted() {
    for (query, sdkappid, identifier, usersig) in [
        ("sdkappid=1&identifier=a&usersig=s", 1, "a", "s"),
        (
            "usersig=s&contenttype=json&identifier=a&sdkappid=4294967295&apn=1",
            u32::MAX,
            "a",
            "s",
        ),
        ("sdkappid=1&identifier=a&usersig=s&random=", 1, "a", "s"),
        (
            "sdkappid=1&identifier=a&usersig=s&random=-5&random=x",
            1,
            "a",
            "s",
        ),
        ("sdkappid=0001&identifier=a&usersig=s", 1, "a", "s"),
        ("&&sdkappid=1&&identifier=a&usersig=s&", 1, "a", "s"),
        (
            "sdkappid=1&identifier=a+b%2B%C3%A9&usersig=%2A-_%3D",
            1,
            "a b+é",
            "*-_=",
        ),
        ("sdkappid=1&identifier=a&usersig=x=y=", 1, "a", "x=y="),
        ("sdk%61ppid=1&identifier=a&usersig=s", 1, "a", "s"),
        (
            "sdkappid=1&sdkappid=x&identifier=a&identifier=&usersig=s&usersig=t",
            1,
            "a",
            "s",
        ),
        (
            "sdkappid=1&identifier=a&usersig=s&contenttype=json&contenttype=xml",
            1,
            "a",
            "s",
        ),
    ] {
        let call = parse_call("POST", IMPORT, Some(query)).expect(query);
        assert_eq!(call.sdkappid, SdkAppId(sdkappid), "{query}");
        assert_eq!(call.identifier, identifier, "{query}");
        assert_eq!(call.usersig, usersig, "{query}");
    }
    let call = parse_call("POST", IMPORT, Some(GOOD)).unwrap();
    assert!(
        matches!(call.usersig, Cow::Borrowed(_)),
        "copied without need"
    );
}

#[test]
fn usersig_stays_out_of_debug_output() {
    let call = parse_call(
        "POST",
        IMPORT,
        Some("sdkappid=1&identifier=a&usersig=s3cr3t"),
    )
    .unwrap();
    let shown = format!("{call:?}");
    assert!(
        shown.contains("AccountImport") && !shown.contains("s3cr3t"),
        "{shown}"
    );
}

/// `ErrorDisplay` is on profile answers from check 3 on (wire §1.3).
#[test]
fn error_display_follows_the_service() {
    for (path, has_display) in [
        ("/v4/profile/portrait_get", true),
        ("/v4/profile/nothing", false),
        ("/v4/profile", false),
        (IMPORT, false),
    ] {
        let refused = parse_call("POST", path, None).unwrap_err();
        let answer = parsed(&failure_body(refused.service, &refused.failure));
        assert_eq!(answer.get("ErrorDisplay").is_some(), has_display, "{path}");
    }
}
