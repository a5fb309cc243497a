//! The coverage tables of the README: nothing of the specification is missing, and each test that a
//! row names is about what the row says.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::{collections::BTreeSet, fs, path::Path};

const README: &str = include_str!("../../../README.md");
const SPECIFICATION: &str = include_str!("../../../docs/wire.md");

/// The cells of the table whose head starts with this text, row by row.
fn table<'t>(text: &'t str, head: &str) -> Vec<Vec<&'t str>> {
    let mut lines = text.lines().skip_while(|line| !line.starts_with(head));
    assert!(lines.next().is_some(), "no table {head}");
    let rows = lines.skip(1).take_while(|line| line.starts_with('|'));
    let cells = |row: &'t str| row.trim_matches('|').split('|').map(str::trim).collect();
    rows.map(cells).collect()
}

/// The codes of a cell, ranges written out.
fn codes(cell: &str) -> Vec<u32> {
    let mut codes = Vec::new();
    for code in cell.split([',', ';']).map(str::trim) {
        let (first, last) = code.split_once('-').unwrap_or((code, code));
        codes.extend(first.parse::<u32>().unwrap()..=last.parse().unwrap());
    }
    codes
}

fn all_codes(rows: &[Vec<&str>]) -> BTreeSet<u32> {
    rows.iter().flat_map(|row| codes(row[0])).collect()
}

/// What stands in backquotes.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// The texts of the tests that a cell names.
fn tests(cell: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let of_wire = root.join("tests/wire");
    let path = |name: &str| {
        if name.starts_with("crates/") {
            root.join("../..").join(name)
        } else {
            of_wire.join(name)
        }
    };
    let read =
        |name| fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let texts: Vec<_> = quoted(cell).map(read).collect();
    assert!(!texts.is_empty(), "{cell:?} names no test");
    texts
}

#[test]
fn every_command_is_covered() {
    let covered = table(README, "| Command | Shown by |");
    let mut named = BTreeSet::new();
    for row in &covered {
        for command in quoted(row[0]) {
            named.insert(command);
            let target = format!("/v4/{command}?");
            let is_shown = tests(row[1]).iter().any(|text| text.contains(&target));
            assert!(is_shown, "{command} is in none of {}", row[1]);
        }
    }
    let known = table(SPECIFICATION, "| Command | Path under v4/ |");
    let known: BTreeSet<_> = known
        .iter()
        .flat_map(|row| row[1].split(", legacy "))
        .collect();
    assert_eq!(named, known);
}

#[test]
fn every_code_is_covered() {
    let raised = table(README, "| Code raised |");
    for row in &raised {
        let texts = tests(row[2]);
        for code in codes(row[0]) {
            let code = code.to_string();
            let is_shown = texts.iter().any(|text| text.contains(&code));
            assert!(is_shown, "{code} is in none of {}", row[2]);
        }
    }
    let known = table(SPECIFICATION, "| Raised by muster |");
    assert_eq!(all_codes(&raised), all_codes(&known));

    let injected = table(README, "| Code | Meaning |");
    let known = table(SPECIFICATION, "| By fault injection only |");
    assert_eq!(all_codes(&injected), all_codes(&known));
}
