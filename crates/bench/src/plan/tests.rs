use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::*;

fn plan(workload: Workload, accounts: u64, batch: u64) -> Plan {
    Plan::new(workload, accounts, batch, 1, 0)
}

fn calls(plan: &Plan, phase: &Phase) -> Vec<(Call, Value)> {
    let with_json = |number| {
        let call = plan.call(phase, number);
        let body = serde_json::from_slice(&call.body).unwrap();
        (call, body)
    };
    phase.calls().map(with_json).collect()
}

fn texts(list: &Value, field: Option<&str>) -> Vec<String> {
    let text = |entry: &Value| {
        field
            .map_or(entry, |field| &entry[field])
            .as_str()
            .unwrap()
            .to_owned()
    };
    list.as_array().unwrap().iter().map(text).collect()
}

#[test]
fn phases() {
    let names = |workload, warm_up_calls| -> Vec<_> {
        let phases = Plan::new(workload, 1000, 10, 1, warm_up_calls).phases();
        phases
            .into_iter()
            .map(|phase| (phase.name, phase.calls))
            .collect()
    };
    let import = |again| Workload::Import { again };
    for (workload, warm_up_calls, expected) in [
        (import(None), 0, vec![("import", 0..100)]),
        (
            import(None),
            30,
            vec![("warm-up", 0..30), ("import", 30..100)],
        ),
        (import(None), 300, vec![("warm-up", 0..100)]),
        (
            import(Some(Again::Changed)),
            1,
            vec![
                ("warm-up", 0..1),
                ("import", 1..100),
                ("again, changed", 0..100),
            ],
        ),
        (Workload::Check { sample: None }, 0, vec![("check", 0..100)]),
        (
            Workload::Check { sample: Some(25) },
            1,
            vec![("warm-up", 0..1), ("check", 1..3)],
        ),
        (
            Workload::Reimport {
                version: 1,
                sample: Some(2000),
            },
            0,
            vec![("reimport", 0..100)],
        ),
        (
            Workload::Mixed {
                calls: 7,
                skip_calls: 5,
            },
            2,
            vec![("warm-up", 5..7), ("mixed", 7..12)],
        ),
    ] {
        assert_eq!(names(workload, warm_up_calls), expected, "{workload:?}");
    }
}

#[test]
fn an_import_names_every_account_once() {
    for (accounts, batch, command) in [
        (250, 100, Command::MultiaccountImport),
        (7, 2, Command::MultiaccountImport),
        (5, 1, Command::AccountImport),
    ] {
        let plan = plan(
            Workload::Import {
                again: Some(Again::Unchanged),
            },
            accounts,
            batch,
        );
        let phases = plan.phases();
        let (first, again) = (calls(&plan, &phases[0]), calls(&plan, &phases[1]));
        let mut ids = BTreeSet::new();
        for ((call, body), (call_again, _)) in first.iter().zip(&again) {
            assert_eq!(call.command, command);
            assert_eq!(call.body, call_again.body);
            let entries = match command {
                Command::AccountImport => vec![body.clone()],
                _ => body["AccountList"].as_array().unwrap().clone(),
            };
            assert_eq!(entries.len() as u64, call.accounts);
            assert!(entries.len() as u64 <= batch);
            for entry in entries {
                let fields: Vec<_> = entry.as_object().unwrap().keys().cloned().collect();
                assert_eq!(fields, ["FaceUrl", "Nick", "UserID"]);
                ids.insert(entry["UserID"].as_str().unwrap().to_owned());
            }
        }
        assert_eq!(ids.len() as u64, accounts);
    }
}

#[test]
fn another_nick_is_all_that_changes() {
    let plan = plan(
        Workload::Import {
            again: Some(Again::Changed),
        },
        20,
        10,
    );
    let phases = plan.phases();
    for ((_, first), (_, again)) in calls(&plan, &phases[0])
        .iter()
        .zip(calls(&plan, &phases[1]))
    {
        let (first, again) = (&first["AccountList"], &again["AccountList"]);
        for field in ["UserID", "FaceUrl"] {
            assert_eq!(texts(first, Some(field)), texts(again, Some(field)));
        }
        for (one, other) in texts(first, Some("Nick"))
            .iter()
            .zip(texts(again, Some("Nick")))
        {
            assert_ne!(*one, other);
        }
    }
}

#[test]
fn a_check_asks_for_what_an_import_made() {
    let ids = |workload, list: &str| {
        let plan = plan(workload, 1234, 100);
        let mut ids = Vec::new();
        for (_, body) in calls(&plan, &plan.phases()[0]) {
            ids.extend(texts(&body[list], Some("UserID")));
        }
        ids
    };
    let imported = ids(Workload::Import { again: None }, "AccountList");
    let mut checked = ids(Workload::Check { sample: None }, "CheckItem");
    assert_ne!(imported, checked);
    checked.sort_unstable();
    assert_eq!(imported, checked);
}

#[test]
fn a_reimport_names_known_accounts() {
    let lists = |plan: &Plan| -> Vec<Value> {
        let calls = calls(plan, &plan.phases()[0]);
        calls
            .into_iter()
            .map(|(_, mut body)| body["AccountList"].take())
            .collect()
    };
    let entries = |plan: &Plan| -> Vec<Value> {
        let lists = lists(plan).into_iter();
        lists
            .flat_map(|mut list| std::mem::take(list.as_array_mut().unwrap()))
            .collect()
    };
    let imported = entries(&plan(Workload::Import { again: None }, 1000, 100));
    let reimport = |version, sample| {
        let plan = plan(Workload::Reimport { version, sample }, 1000, 100);
        entries(&plan)
    };
    assert_eq!(reimport(0, None), imported);
    for (changed, before) in reimport(7, None).iter().zip(&imported) {
        assert_eq!(changed["UserID"], before["UserID"]);
        assert_ne!(changed["Nick"], before["Nick"]);
    }
    let sampled = reimport(0, Some(250));
    assert_eq!(sampled.len(), 250);
    let ids: BTreeSet<_> = sampled
        .iter()
        .map(|entry| entry["UserID"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), 250);
    assert!(sampled.iter().all(|entry| imported.contains(entry)));
    assert_ne!(sampled[..], imported[..250]);
}

#[test]
fn numbers_begin_elsewhere_and_lie_apart() {
    let numbers = |workload, first, every| -> BTreeSet<String> {
        let plan = plan(workload, 30, 10).numbered(first, every);
        let list = match workload {
            Workload::Check { .. } => "CheckItem",
            _ => "AccountList",
        };
        let calls = calls(&plan, &plan.phases()[0]).into_iter();
        calls
            .flat_map(|(_, body)| texts(&body[list], Some("UserID")))
            .collect()
    };
    for (first, every) in [(0, 1), (5, 1), (0, 2), (1, 2), (FIRST_LIMIT, EVERY_LIMIT)] {
        let expected: BTreeSet<_> = (0..30)
            .map(|place| {
                Accounts { seed: 1 }
                    .values(first + place * every, 0)
                    .user_id
            })
            .collect();
        for workload in [
            Workload::Import { again: None },
            Workload::Reimport {
                version: 1,
                sample: Some(30),
            },
            Workload::Check { sample: None },
        ] {
            let numbers = numbers(workload, first, every);
            assert_eq!(numbers, expected, "{workload:?} {first} {every}");
        }
    }
}

#[test]
fn the_mix_has_its_shares_and_is_repeatable() {
    let workload = Workload::Mixed {
        calls: 5000,
        skip_calls: 0,
    };
    let plan = plan(workload, 1000, 10);
    let phase = &plan.phases()[0];
    let first_imported = |number: u64| {
        let mut id = Vec::new();
        plan.names.push_user_id(&mut id, number);
        String::from_utf8(id).unwrap()
    };
    let known: BTreeMap<_, _> = (0..1000)
        .map(|number| (first_imported(number), number))
        .collect();
    let mut counts = BTreeMap::new();
    let mut new_ids = BTreeSet::new();
    for (number, (call, body)) in (0..).zip(calls(&plan, phase)) {
        assert_eq!(plan.call(phase, number).body, call.body);
        let name = match call.command {
            Command::AccountCheck => {
                let ids = texts(&body["CheckItem"], Some("UserID"));
                assert!(ids.len() == 10 && ids.iter().all(|id| known.contains_key(id)));
                "check"
            }
            Command::PortraitGet => {
                let ids = texts(&body["To_Account"], None);
                assert!(ids.len() == 10 && ids.iter().all(|id| known.contains_key(id)));
                assert!(texts(&body["TagList"], None)[0].starts_with("Tag_Profile_IM_"));
                "get"
            }
            Command::PortraitSet => {
                assert_eq!(known[body["From_Account"].as_str().unwrap()] % 2, 1);
                assert_eq!(texts(&body["ProfileItem"], Some("Value")).len(), 2);
                "set"
            }
            Command::MultiaccountImport => {
                let ids = texts(&body["AccountList"], Some("UserID"));
                let nicks = texts(&body["AccountList"], Some("Nick"));
                match known.get(&ids[0]) {
                    None => {
                        assert!(ids.into_iter().all(|id| new_ids.insert(id)));
                        "new"
                    }
                    Some(first) if first % 2 == 0 => {
                        for (id, nick) in ids.iter().zip(nicks) {
                            let mut imported = Vec::new();
                            plan.names.push_nick(&mut imported, known[id], 0);
                            assert_eq!(nick.as_bytes(), imported, "{id}");
                        }
                        "unchanged"
                    }
                    Some(_) => {
                        assert!(ids.iter().all(|id| known[id] % 2 == 1));
                        "changed"
                    }
                }
            }
            Command::AccountImport => panic!("the batch is not 1"),
        };
        *counts.entry(name).or_insert(0) += 1;
    }
    for (name, least, most) in [
        ("check", 3350, 3650),
        ("new", 260, 410),
        ("unchanged", 260, 410),
        ("changed", 260, 410),
        ("get", 320, 480),
        ("set", 60, 140),
    ] {
        assert!((least..most).contains(&counts[name]), "{counts:?}");
    }
}

#[test]
fn the_mix_of_a_single_account() {
    let plan = plan(
        Workload::Mixed {
            calls: 200,
            skip_calls: 0,
        },
        1,
        1,
    );
    assert_eq!(calls(&plan, &plan.phases()[0]).len(), 200);
}
