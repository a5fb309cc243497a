//! Imports in which nothing goes wrong but what is in the file.

use std::{fs, io::Write as _};

use serde_json::Value;

use super::{Scene, Tool, assert_same, made, report, sorted_lines};

#[test]
fn every_record_is_imported_or_failed() {
    let scene = Scene::new();
    let made = made::ndjson(5000, 1);
    let file = scene.write("users.ndjson", &made.text);
    let done = scene.import(&file).args(["--json"]).run().expect(3);
    let summary: Value = serde_json::from_str(&done.stdout()).unwrap();
    assert_eq!(summary["end"], "complete");
    assert_eq!(summary["failed"], made.bad);
    assert_eq!(summary["imported"], made.records - made.bad);
    assert_eq!(summary["conflicting_duplicates"], made.again);
    assert_same(&scene.users(), &made.users);
    // One line for each that failed, and one for each that names a user again.
    let told = report(&scene.path("users.report.ndjson"));
    assert_eq!(told.len(), made.bad + made.again);
    let rejects = fs::read_to_string(scene.path("users.rejects.ndjson")).unwrap();
    assert_eq!(rejects.lines().count(), made.bad);
    assert!(rejects.lines().all(|line| made.text.contains(line)));
    assert!(!scene.path("users.ndjson.muster-import").exists());
}

#[test]
fn a_dry_run_says_the_same_and_sends_nothing() {
    let scene = Scene::new();
    let made = made::ndjson(2000, 2);
    let file = scene.write("users.ndjson", &made.text);
    let dry = Tool::new(&file).args(["--dry-run", "--report", "dry.ndjson"]);
    let said = dry.run().expect(3).stdout();
    assert!(said.contains("nothing was sent"), "{said}");
    assert!(scene.users().is_empty());
    scene.import(&file).run().expect(3);
    let dry = report(&scene.path("dry.ndjson"));
    assert_eq!(dry, report(&scene.path("users.report.ndjson")));
}

#[test]
fn rejects_can_be_corrected_and_imported() {
    let scene = Scene::new();
    let rows = "login;name;avatar;country\n\
        ann;Ann;https://img.example.com/ann.png;DE\n\
        zoë;\"Zoë; \"\"Z\"\"\";;FR\n\
        bob;;;\n";
    let file = scene.write("users.csv", rows);
    let names = "--map user_id=login --map nick=name --map face_url=avatar --delimiter ;";
    let names = || names.split(' ');
    let said = scene.import(&file).args(names()).run().expect(3).stdout();
    assert!(said.contains("line 3, \"zoë\": 70402"), "{said}");
    assert!(said.contains("country"), "{said}");
    let rejects = scene.path("users.rejects.csv");
    let advice = "users.rejects.csv, with --delimiter ';' --map 'user_id=login' --map 'nick=name' --map \
                  'face_url=avatar'\n";
    assert!(said.contains(advice), "{said}");
    let text = fs::read_to_string(&rejects).unwrap();
    assert_eq!(
        text,
        "login;name;avatar;country\nzoë;\"Zoë; \"\"Z\"\"\";;FR\n"
    );
    fs::write(&rejects, text.replace("zoë", "zoe")).unwrap();
    scene.import(&rejects).args(names()).run().expect(0);
    let users = scene.users();
    assert_eq!(users["zoe"], ("Zoë; \"Z\"".to_owned(), String::new()));
    assert_eq!(users["bob"], Default::default());
    assert_eq!(users.len(), 3);
}

#[test]
fn the_standard_input_and_compressed_files() {
    let scene = Scene::new();
    let made = made::ndjson(300, 3);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(made.text.as_bytes()).unwrap();
    let file = scene.write("users.ndjson.gz", packed.finish().unwrap());
    scene.import(&file).run().expect(3);
    assert_same(&scene.users(), &made.users);

    let again = Scene::new();
    let input = fs::File::open(scene.write("plain", &made.text)).unwrap();
    let url = again.server.accounts_url();
    let tool = Tool::stdin(input, again.dir.path()).args(["--endpoint", url, "--rate", "0"]);
    tool.with_key().args(["--format", "ndjson"]).run().expect(3);
    assert_same(&again.users(), &made.users);
    assert_eq!(
        sorted_lines(&again.path("stdin.rejects.ndjson")).len(),
        made.bad
    );
}

#[test]
fn what_is_not_taken_is_told_of_both_formats() {
    let scene = Scene::new();
    let csv = "user_id,nickname,nick\nk1,lost,N\n";
    let ndjson = "{\"user_id\":\"k1\"}\n{\"user_id\":\"k2\",\"nickname\":\"lost\"}\n";
    for (name, text) in [("a.csv", csv), ("b.ndjson", ndjson)] {
        let file = scene.write(name, text);
        let told = scene.import(&file).run().expect(0).stdout();
        let line = "columns that were not taken: nickname\n";
        assert!(told.contains(line), "{told}");
        let json = scene.import(&file).args(["--json"]).run().expect(0);
        let json: Value = serde_json::from_str(&json.stdout()).unwrap();
        assert_eq!(json["ignored_columns"], serde_json::json!(["nickname"]));
    }
}

#[test]
fn what_is_in_a_file_does_not_reach_the_terminal_raw() {
    let scene = Scene::new();
    let escape = "\u{1b}[2J";
    let rows = format!("user_id,{escape}\nzoë{escape},\nann,\n");
    let file = scene.write(&format!("{escape}.csv"), rows);
    let done = scene.import(&file).run().expect(3);
    let told = done.stdout();
    assert!(told.contains(r"were not taken: \u{1b}[2J"), "{told:?}");
    assert!(told.contains(r"zoë\u{1b}[2J"), "{told:?}");
    assert!(!told.contains('\u{1b}'), "{told:?}");
    let done = scene.import(&file).args(["--resume"]).run().expect(1);
    assert!(done.stderr().contains(r"\u{1b}[2J"), "{}", done.stderr());
    assert!(!done.stderr().contains('\u{1b}'), "{:?}", done.stderr());
}

#[test]
fn a_file_with_nothing_in_it_does_not_pass_for_an_import() {
    let scene = Scene::new();
    let empty = scene.write("a.csv", "");
    let refused = scene.import(&empty).run().expect(1).stderr();
    assert!(
        refused.contains("it is empty: not even a header"),
        "{refused}"
    );
    for (name, text) in [("b.csv", "user_id\n"), ("c.ndjson", "")] {
        let file = scene.write(name, text);
        let told = scene.import(&file).run().expect(0).stdout();
        assert!(told.contains("there was no record in "), "{told}");
    }
}
