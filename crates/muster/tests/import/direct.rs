//! `muster import --direct`: whole parts of the file, to the operator API.

use std::{fs, net::TcpListener, thread::sleep, time::Duration};

use muster_client::operator::AppChange;
use muster_testkit::{Launch, Muster, SDKAPPID};
use serde_json::Value;

use super::{
    MUSTER, Scene, Tool, assert_same, block_on, made, operator, relay::Relay, report, users,
};

#[test]
fn it_ends_as_by_the_account_api() {
    let made = made::ndjson(40_000, 31);
    let scene = Scene::new();
    let file = scene.write("users.ndjson", &made.text);
    let done = scene.direct(&file).args(["--json"]).run().expect(3);
    let summary: Value = serde_json::from_str(&done.stdout()).unwrap();
    assert_eq!(summary["imported"], made.records - made.bad);
    assert_eq!(summary["failed"], made.bad);
    assert_same(&scene.users(), &made.users);
    let other = Scene::new();
    let file = other.write("users.ndjson", &made.text);
    other.import(&file).run().expect(3);
    let name = "users.report.ndjson";
    assert_eq!(report(&scene.path(name)), report(&other.path(name)));
}

#[test]
fn a_killed_tool_and_a_killed_server_lose_nothing() {
    let made = made::ndjson(120_000, 32);
    let Scene { dir, server } = Scene::new();
    let relay = Relay::to(server.operator_url());
    let file = dir.path().join("users.ndjson");
    fs::write(&file, &made.text).unwrap();
    let data_dir = server.data_dir().to_owned();
    let token = data_dir.join("operator.token");
    let tool = |mode: &[&str]| {
        let place = [
            "--direct",
            "--operator-url",
            relay.url(),
            "--operator-token-file",
        ];
        let tool = Tool::new(&file).args(place).args([token.to_str().unwrap()]);
        tool.args(mode.iter().copied())
    };
    let mut child = tool(&[]).spawn();
    while count(&server) < 20_000 {
        sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let child = tool(&["--resume"]).spawn();
    let before = count(&server);
    while count(&server) < before + 10_000 {
        sleep(Duration::from_millis(1));
    }
    server.kill();
    let server = Launch::dev(MUSTER, &data_dir)
        .arg("--no-rate-limits")
        .start();
    relay.lead_to(server.operator_url());
    super::Done(child.wait_with_output().unwrap()).expect(3);
    assert_same(&users(&server), &made.users);
    let told = report(&dir.path().join("users.report.ndjson"));
    assert_eq!(told.len(), made.bad + made.again);
}

#[test]
fn a_server_that_does_not_answer_is_asked_again() {
    let scene = Scene::new();
    let file = scene.write("users.ndjson", made::plain(20));
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let relay = Relay::to(&format!("http://{}", silent.local_addr().unwrap()));
    let token = scene.server.data_dir().join("operator.token");
    let tool = Tool::new(&file)
        .args(["--direct", "--operator-url", relay.url()])
        .args(["--operator-token-file", token.to_str().unwrap()])
        .args(["--timeout-s", "1", "--json"]);
    let child = tool.spawn();
    let _first = silent.accept().unwrap();
    let _again = silent.accept().unwrap();
    relay.lead_to(scene.server.operator_url());
    let done = super::Done(child.wait_with_output().unwrap()).expect(0);
    let summary: Value = serde_json::from_str(&done.stdout()).unwrap();
    assert_eq!(summary["imported"], 20);
    assert!(
        summary["calls_made_again"].as_u64().unwrap() > 0,
        "{summary}"
    );
}

#[test]
fn no_more_requests_are_made_at_once_than_are_taken() {
    let scene = Scene::new();
    let file = scene.write("users.ndjson", made::plain(1));
    let done = scene.direct(&file).args(["--in-flight", "5"]).run();
    let done = done.expect(1);
    assert!(
        done.stderr().contains("the server takes 4"),
        "{}",
        done.stderr()
    );
}

fn count(server: &Muster) -> u64 {
    let app = block_on(operator(server).app(SDKAPPID));
    app.unwrap().accounts
}

#[test]
fn lines_that_the_server_refuses_have_its_reasons() {
    let scene = Scene::new();
    let file = scene.write("users.csv", "user_id\nann\nbob\ncyd\n");
    scene.direct(&file).run().expect(0);
    let url = scene.server.accounts_url();
    let key = muster_testkit::sample_key();
    let client = muster_client::Client::new(url, SDKAPPID, "administrator", key).unwrap();
    block_on(client.account_delete(&["bob"])).unwrap();
    // In this edition he is barred.
    let changes = AppChange::default().edition("standard".to_owned());
    block_on(scene.operator().change_app(SDKAPPID, &changes)).unwrap();
    scene.direct(&file).run().expect(3);
    let told = report(&scene.path("users.report.ndjson"));
    assert_eq!(told.len(), 1);
    assert!(
        told[0].contains("\"line\":3,\"user_id\":\"bob\",\"code\":70399"),
        "{told:?}"
    );
    let rejects = fs::read_to_string(scene.path("users.rejects.csv")).unwrap();
    assert_eq!(rejects, "user_id\nbob\n");
}

#[test]
fn what_an_app_has_no_room_for_ends_it() {
    let scene = Scene::new();
    let changes = AppChange::default().edition("trial".to_owned());
    block_on(scene.operator().change_app(SDKAPPID, &changes)).unwrap();
    let lines = made::plain(200);
    let file = scene.write("users.ndjson", &lines);
    for tool in [scene.direct(&file), scene.import(&file).args(["--restart"])] {
        let done = tool.run().expect(1);
        assert!(done.stderr().contains("100"), "{}", done.stderr());
        let is_noted = scene.path("users.ndjson.muster-import").exists();
        let advice = if is_noted {
            "--resume goes on"
        } else {
            "begin again without --resume"
        };
        assert!(done.stdout().contains(advice), "{}", done.stdout());
    }
}

#[test]
fn what_was_exported_can_be_imported() {
    let made = made::ndjson(3000, 33);
    let scene = Scene::new();
    let file = scene.write("users.ndjson", &made.text);
    scene.direct(&file).run().expect(3);
    for (format, restart) in [("ndjson.zst", false), ("csv", true)] {
        let exported = scene.path(&format!("all.{format}"));
        let token = scene.server.data_dir().join("operator.token");
        let export = std::process::Command::new(MUSTER)
            .arg("export")
            .arg(&exported)
            .args(["--sdkappid", &SDKAPPID.to_string()])
            .args(["--operator-url", scene.server.operator_url()])
            .arg("--operator-token-file")
            .arg(token)
            .current_dir(scene.dir.path())
            .output()
            .unwrap();
        assert!(
            export.status.success(),
            "{}",
            String::from_utf8_lossy(&export.stderr)
        );
        let other = Scene::new();
        let tool = other.direct(&exported);
        let tool = if restart {
            tool.args(["--restart"])
        } else {
            tool
        };
        tool.run().expect(0);
        assert_same(&other.users(), &made.users);
    }
}
