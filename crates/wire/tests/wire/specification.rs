//! The tables and samples of `docs/wire.md` itself, so that it and the code cannot part.

use muster_accounts::rules::delete::Deletion;
use muster_wire::{
    Command, ErrorCode, Request, Retry, account_import, failure_body, kick, parse_call,
    portrait_set,
};

use crate::{
    decode,
    portrait_get::{account, nick},
    text,
};

const SPECIFICATION: &str = include_str!("../../../../docs/wire.md");

/// The cells of the table whose head starts with this text, row by row.
fn table(head: &str) -> Vec<Vec<&'static str>> {
    let mut rows = SPECIFICATION
        .lines()
        .skip_while(|line| !line.starts_with(head));
    assert!(rows.next().is_some(), "no table {head}");
    rows.skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

#[test]
fn codes() {
    let mut stated = Vec::new();
    for row in table("| Raised by muster |") {
        let retry = match row[2] {
            "wait 1 s" => Retry::AfterSeconds(1),
            "wait 1 min" => Retry::AfterSeconds(60),
            "wait, up to 90 days" => Retry::AfterSeconds(7_776_000),
            no if no.starts_with("no") => Retry::No,
            yes if yes.starts_with("yes") => Retry::WithBackoff,
            other => panic!("unknown advice {other:?}"),
        };
        for code in row[0].split(", ") {
            stated.push((code.parse::<u32>().unwrap(), retry));
        }
    }
    stated.sort_unstable_by_key(|(code, _)| *code);
    let raised: Vec<_> = ErrorCode::ALL
        .iter()
        .map(|code| (code.get(), code.retry()))
        .collect();
    assert_eq!(raised, stated);
    assert!(ErrorCode::ALL.iter().all(|code| !code.meaning().is_empty()));
}

#[test]
fn commands() {
    let rows = table("| Command | Path under v4/ |");
    for command in Command::ALL {
        let under_v4 = command.path().strip_prefix("/v4/").unwrap();
        let row = rows.iter().find(|row| row[1] == under_v4).expect(under_v4);
        assert_eq!(row[2].parse(), Ok(command.calls_per_s()), "{under_v4}");
    }
}

/// Request line, body and answer of each sample. An answer goes on in lines that start with a space.
fn samples() -> Vec<(&'static str, &'static str, String)> {
    let mut samples = Vec::new();
    let mut lines = SPECIFICATION.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(request_line) = line.strip_prefix("POST /v4/") else {
            continue;
        };
        let body = lines.next().unwrap();
        let mut answer = lines.next().unwrap().to_owned();
        while let Some(more) = lines.next_if(|line| line.starts_with(' ')) {
            answer += more.trim_start();
        }
        samples.push((request_line, body, answer));
    }
    samples
}

/// The answers with alice and bob imported, and alice's nickname set.
#[test]
fn answers() {
    let mut seen = Vec::new();
    for (request_line, body, expected) in samples() {
        let path = format!("/v4/{}", request_line.strip_suffix("?Q").unwrap());
        let query = "sdkappid=1400000000&identifier=administrator&usersig=x";
        let Ok(call) = parse_call("POST", &path, Some(query)) else {
            continue; // A command that is still to come.
        };
        let is_known = |user: &&str| matches!(*user, "alice" | "bob");
        let answer = match decode(call.command, body).expect(body) {
            Request::AccountImport(request) => {
                assert_eq!(request.entries().len(), 1);
                account_import::answer()
            }
            Request::MultiaccountImport(request) => request.invalid.answer(&[]),
            Request::AccountCheck(request) => {
                let found: Vec<_> = request
                    .users
                    .iter()
                    .map(|user| is_known(&user.as_str()))
                    .collect();
                request.answer(&found)
            }
            Request::AccountDelete(request) => {
                let users = request.0.unwrap();
                let deletions: Vec<_> = users
                    .users
                    .iter()
                    .map(|user| {
                        if is_known(&user.as_str()) {
                            Deletion::Deleted
                        } else {
                            Deletion::NotImported
                        }
                    })
                    .collect();
                users.answer(&deletions)
            }
            Request::Kick(user_id) => {
                assert_eq!(user_id.as_str(), "alice");
                kick::answer()
            }
            Request::PortraitSet(request) => {
                assert_eq!(request.account.unwrap().as_str(), "alice");
                assert_eq!(request.fields.unwrap().len(), 2);
                portrait_set::answer()
            }
            Request::PortraitGet(request) => {
                let found: Vec<_> = request
                    .users
                    .iter()
                    .map(|user| Some(user.as_str()).filter(is_known))
                    .map(|user| user.map(|user| account(user, [nick("Alice")])))
                    .collect();
                request.answer(&found)
            }
        };
        assert_eq!(text(answer), expected, "{request_line} {body}");
        seen.push(call.command);
    }
    for command in Command::ALL {
        assert!(seen.contains(&command), "no sample of {command:?}");
    }
}

#[test]
fn envelope_of_a_failure() {
    let refused = parse_call("POST", "/v4/im_open_login_svc/account_check", None).unwrap_err();
    let answer = text(failure_body(refused.service, &refused.failure));
    assert!(SPECIFICATION.contains(&format!("\n{answer}\n")), "{answer}");
}
