//! The tables and samples of `docs/wire.md` itself, so that it and the code cannot part.

use muster_accounts::rules::delete::Deletion;
use muster_wire::{
    Command, ErrorCode, Request, account_import, failure_body, kick, online_status::Status,
    parse_call, platform::Platform, portrait_set,
};

use crate::{
    decode,
    portrait_get::{account, nick},
    text,
};

pub(crate) const SPECIFICATION: &str = include_str!("../../../../docs/wire.md");

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

/// The codes of a table. A code may stand for a range.
fn stated_codes(head: &str) -> Vec<u32> {
    let mut stated = Vec::new();
    for row in table(head) {
        for code in row[0].split([',', ';']).map(str::trim) {
            let (first, last) = code.split_once('-').unwrap_or((code, code));
            stated.extend(first.parse::<u32>().unwrap()..=last.parse().unwrap());
        }
    }
    stated.sort_unstable();
    stated
}

#[test]
fn codes() {
    let mut stated = stated_codes("| Raised by muster |");
    stated.extend(stated_codes("| By fault injection only |"));
    let known = ErrorCode::ALL.map(ErrorCode::get);
    assert_eq!(known[..], stated);
    for code in ErrorCode::ALL {
        assert!(!code.meaning().is_empty());
        assert_eq!(ErrorCode::of(code.get()), Some(code));
    }
    assert_eq!(ErrorCode::of(0), None);
}

#[test]
fn commands() {
    let rows = table("| Command | Path under v4/ |");
    let mut stated = Vec::new();
    for row in &rows {
        for under_v4 in row[1].split(", legacy ") {
            stated.push((under_v4, row[2].parse().unwrap()));
        }
    }
    let known: Vec<(_, u32)> = Command::ALL
        .iter()
        .map(|command| {
            let under_v4 = command.path().strip_prefix("/v4/").unwrap();
            (under_v4, command.calls_per_s())
        })
        .collect();
    assert_eq!(known, stated);
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
        let call = parse_call("POST", &path, Some(query)).unwrap();
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
            Request::OnlineStatus(request) => {
                let found: Vec<_> = request
                    .users
                    .iter()
                    .map(|user| match user.as_str() {
                        "alice" => Status::Devices(vec![Platform::Web]),
                        "bob" => Status::Devices(Vec::new()),
                        _ => Status::NotImported,
                    })
                    .collect();
                request.answer(&found)
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
