//! The tables of wire §7 and §3.8, so that they and the client cannot part.

use std::{collections::BTreeMap, time::Duration};

use muster_client::{Advice, tag};

const SPECIFICATION: &str = include_str!("../../../../docs/wire.md");

const HOUR: Duration = Duration::from_hours(1);

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

/// Adds the codes of a cell, ranges written out, with their advice. Groups of codes that share a row
/// but not their advice are parted by semicolons in both.
fn state(stated: &mut BTreeMap<i64, Advice>, codes: &str, advice: &[Advice]) {
    for (nth, group) in codes.split(';').enumerate() {
        let advice = *advice.get(nth).unwrap_or(advice.last().unwrap());
        for code in group.split(',').map(str::trim) {
            let code = code.strip_suffix(" and up").unwrap_or(code);
            let (first, last) = code.split_once('-').unwrap_or((code, code));
            for code in first.parse::<i64>().unwrap()..=last.parse().unwrap() {
                assert_eq!(stated.insert(code, advice), None, "{code} is there twice");
            }
        }
    }
}

fn advice(text: &str) -> Advice {
    match text.strip_prefix("wait ").unwrap_or(text) {
        "no" => Advice::Never,
        "no, sign anew" => Advice::SignAnew,
        // The client sends no body that is too large.
        "yes" | "yes, but not with a body too large" => Advice::Again,
        "1 s" => Advice::After(Duration::from_secs(1)),
        "1 min" => Advice::After(Duration::from_mins(1)),
        "24 h" => Advice::After(24 * HOUR),
        "wait, up to 90 days" => Advice::After(90 * 24 * HOUR),
        other => panic!("unknown advice {other:?}"),
    }
}

#[test]
fn the_advice_on_every_code_is_that_of_the_specification() {
    let mut stated = BTreeMap::new();
    for head in ["| Raised by muster |", "| By fault injection only |"] {
        for row in table(head) {
            let advice: Vec<_> = row[2].split(';').map(|text| advice(text.trim())).collect();
            state(&mut stated, row[0], &advice);
        }
    }
    for row in table("| Not raised |") {
        let advice = if row[1].ends_with(", retry") {
            Advice::Again
        } else {
            Advice::Never
        };
        state(&mut stated, row[0], &[advice]);
    }
    assert!(stated.len() > 120, "{}", stated.len());
    // What the specification does not name is not tried again either.
    for code in -1..=200_000 {
        let expected = stated.get(&code).copied().unwrap_or(Advice::Never);
        assert_eq!(Advice::of_code(code), expected, "{code}");
    }
}

#[test]
fn the_standard_tags_are_those_of_the_specification() {
    let rows = table("| Tag (standard ones");
    let stated: Vec<_> = rows
        .iter()
        .flat_map(|row| row[0].split([',', ';']))
        .map(str::trim)
        .filter(|name| !name.starts_with('`'))
        .map(|name| format!("Tag_Profile_IM_{name}"))
        .collect();
    let known = [
        tag::NICK,
        tag::IMAGE,
        tag::SELF_SIGNATURE,
        tag::LOCATION,
        tag::GENDER,
        tag::ALLOW_TYPE,
        tag::ADMIN_FORBID_TYPE,
        tag::BIRTH_DAY,
        tag::LANGUAGE,
        tag::MSG_SETTINGS,
        tag::LEVEL,
        tag::ROLE,
    ];
    assert_eq!(known[..], stated);
}
