//! Imports that the server or the tool refuses.

use std::{fmt::Write as _, fs};

use muster_client::{Client, operator::AppChange};
use muster_testkit::{SDKAPPID, sample_key};

use super::{Scene, Tool, assert_same, block_on, made, report};

#[test]
fn entries_that_the_server_refuses_have_its_reasons() {
    let scene = Scene::new();
    let url = scene.server.accounts_url();
    let client = Client::new(url, SDKAPPID, "administrator", sample_key()).unwrap();
    let lines = made::plain(150);
    let file = scene.write("users.ndjson", &lines);
    scene.import(&file).run().expect(0);
    block_on(client.account_delete(&["u3", "u77", "u120"])).unwrap();
    // In this edition they are barred.
    let changes = AppChange::default().edition("standard".to_owned());
    block_on(scene.operator().change_app(SDKAPPID, &changes)).unwrap();

    let token = scene.path("data/operator.token");
    let token = token.to_str().unwrap().to_owned();
    let operator_url = scene.server.operator_url().to_owned();
    let with_token = [
        "--operator-url",
        &operator_url,
        "--operator-token-file",
        &token,
    ];
    let mut told = Vec::new();
    for mode in [&[][..], &with_token[..]] {
        let tool = scene.import(&file).args(["--restart"]);
        tool.args(mode.iter().copied()).run().expect(3);
        told.push(report(&scene.path("users.report.ndjson")));
    }
    for told in told {
        assert_eq!(told.len(), 3, "{told:?}");
        for (line, told) in [(121, &told[0]), (4, &told[1]), (78, &told[2])] {
            assert!(told.contains(&format!("\"line\":{line},")), "{told}");
            assert!(told.contains("\"code\":70399"), "{told}");
            assert!(
                told.contains("was deleted and cannot be imported again"),
                "{told}"
            );
        }
    }
}

#[test]
fn a_wrong_key_ends_it_at_once_and_nothing_is_lost() {
    let scene = Scene::new();
    let made = made::ndjson(1000, 21);
    let file = scene.write("users.ndjson", &made.text);
    let url = scene.server.accounts_url();
    let wrong = "0".repeat(64);
    let tool = Tool::new(&file).args(["--endpoint", url, "--secret-key", &wrong]);
    let done = tool.run().expect(1);
    assert!(done.stderr().contains("70009"), "{}", done.stderr());
    assert!(!done.stderr().contains(&wrong));
    // Nothing is done, so nothing is left of it that would be in the way.
    let advice = "none of it is noted, so begin again without --resume";
    assert!(done.stdout().contains(advice), "{}", done.stdout());
    scene.import(&file).run().expect(3);
    assert_same(&scene.users(), &made.users);
}

#[test]
fn what_stands_before_a_broken_end_is_imported() {
    let scene = Scene::new();
    let mut text = "user_id,nick\n".to_owned();
    for number in 0..3000 {
        writeln!(text, "u{number},N").unwrap();
    }
    let file = scene.write("users.csv", format!("{text}x,\"never closed\n"));
    let done = scene.import(&file).run().expect(1);
    assert!(done.stderr().contains("line 3002"), "{}", done.stderr());
    assert_eq!(scene.users().len(), 3000);
    let file = scene.write("users.csv", format!("{text}x,\"closed\"\n"));
    scene.import(&file).args(["--resume"]).run().expect(0);
    assert_eq!(scene.users().len(), 3001);
}

#[test]
fn a_file_that_has_changed_is_not_gone_on_with() {
    let scene = Scene::new();
    let good = made::plain(500);
    let file = scene.write("users.ndjson", &good);
    let url = scene.server.accounts_url();
    let tool = Tool::new(&file).args(["--endpoint", url, "--rate", "2", "--timeout-s", "1"]);
    let mut child = tool.with_key().spawn();
    let checkpoint = scene.path("users.ndjson.muster-import");
    let has_noted = || fs::read_to_string(&checkpoint).is_ok_and(|text| text.contains("[[1,"));
    while !has_noted() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    fs::write(&file, good.replace("\"u7\"", "\"other\"")).unwrap();
    let done = scene.import(&file).args(["--resume"]).run().expect(1);
    assert!(done.stderr().contains("has changed"), "{}", done.stderr());
    let said = done.stdout();
    assert!(said.contains("begin anew by --restart"), "{said}");
    assert!(!said.contains("--resume"), "{said}");
    assert!(!scene.users().contains_key("other"));
    fs::write(&file, &good).unwrap();
    scene.import(&file).args(["--resume"]).run().expect(0);
    assert_eq!(scene.users().len(), 500);
}

#[test]
fn rejects_wait_until_all_is_tried() {
    let scene = Scene::new();
    let rows = "user_id,nick\nzoë,\nann,\nbob,\"open\n";
    let file = scene.write("users.csv", rows);
    let done = scene.import(&file).run().expect(1);
    assert!(done.stderr().contains("never closed"), "{}", done.stderr());
    let said = done.stdout();
    assert!(!said.contains("correct and import them"), "{said}");
    let advice = "after what the error says is mended, --resume goes on";
    assert!(said.contains(advice), "{said}");
    scene.write("users.csv", rows.replace('"', ""));
    let done = scene.import(&file).args(["--resume"]).run().expect(3);
    let said = done.stdout();
    assert!(said.contains("correct and import them: "), "{said}");
    assert!(scene.users().contains_key("bob"));
}

#[test]
fn a_file_in_the_way_is_told_with_the_options_that_lead_elsewhere() {
    let scene = Scene::new();
    let file = scene.write("users.csv", "user_id\nzoë\n");
    scene.write("users.rejects.csv", "mine");
    let refused = scene.import(&file).run().expect(1).stderr();
    assert!(
        refused.contains("users.rejects.csv is there already"),
        "{refused}"
    );
    assert!(
        refused.contains("--rejects and --report put files elsewhere"),
        "{refused}"
    );
    let refused = scene
        .import(&file)
        .args(["--resume"])
        .run()
        .expect(1)
        .stderr();
    assert!(
        refused.contains("--checkpoint names another one"),
        "{refused}"
    );
}

#[test]
fn an_address_without_a_scheme_is_told_what_is_missing_and_no_port_of_another_api() {
    let scene = Scene::new();
    let file = scene.write("users.csv", "user_id\nann\n");
    let tool = Tool::new(&file).args(["--endpoint", "127.0.0.1:27080"]);
    let refused = tool.with_key().run().expect(1).stderr();
    assert!(
        refused.starts_with("error: --endpoint: the URL is not valid"),
        "{refused}"
    );
    assert!(refused.contains("as in http://HOST:PORT"), "{refused}");
    assert!(!refused.contains("7081"), "{refused}");
}
