//! Imports in whose midst something breaks.

use std::{
    fs,
    io::Write as _,
    net::TcpListener,
    os::unix::{fs::MetadataExt as _, process::ExitStatusExt as _},
    thread::sleep,
    time::{Duration, Instant},
};

use muster_client::operator::NewFault;
use muster_testkit::{Launch, SDKAPPID};
use rustix::process::{Pid, Signal, kill_process};

use super::{
    MUSTER, Scene, Tool, assert_same, block_on, made, relay::Relay, report, sorted_lines, users,
};

/// What an undisturbed import of the same file leaves.
fn undisturbed(made: &made::Made) -> (Vec<String>, Vec<String>) {
    let scene = Scene::new();
    let file = scene.write("users.ndjson", &made.text);
    scene.import(&file).run().expect(3);
    assert_same(&scene.users(), &made.users);
    left(&scene)
}

fn left(scene: &Scene) -> (Vec<String>, Vec<String>) {
    (
        report(&scene.path("users.report.ndjson")),
        sorted_lines(&scene.path("users.rejects.ndjson")),
    )
}

#[test]
fn a_killed_tool_goes_on_where_it_was() {
    let made = made::ndjson(12_000, 11);
    let scene = Scene::new();
    let file = scene.write("users.ndjson", &made.text);
    let checkpoint = scene.path("users.ndjson.muster-import");
    // 120 calls or so, a fifth of a second more than what is noted each time.
    let tool = |mode: &[&str]| {
        let url = scene.server.accounts_url();
        // Whoever goes on waits first for as long as a call may take.
        let tool = Tool::new(&file).args(["--endpoint", url, "--rate", "30", "--timeout-s", "1"]);
        tool.with_key().args(mode.iter().copied())
    };
    // What of the checkpoint says which records are done.
    let done = || {
        let text = fs::read_to_string(&checkpoint).unwrap_or_default();
        text.split("\"counts\"")
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let mut kills = 0;
    loop {
        let first = kills == 0;
        let mut child = tool(if first { &[] } else { &["--resume"] }).spawn();
        let mut noted = done();
        // More was noted twice: at once after the wait, and a second later.
        let mut times = 0;
        while times < 2 && child.try_wait().unwrap().is_none() {
            sleep(Duration::from_millis(10));
            let now = done();
            times += u32::from(now != noted);
            noted = now;
        }
        if times == 2 {
            sleep(Duration::from_millis(150));
        }
        if let Some(status) = child.try_wait().unwrap() {
            assert_eq!(status.code(), Some(3));
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        assert!(kills < 60, "it makes no progress");
    }
    assert!(kills >= 2, "it was over before it could be killed");
    assert_same(&scene.users(), &made.users);
    assert_eq!(left(&scene), undisturbed(&made));
}

#[test]
fn ctrl_c_during_the_wait_for_lost_calls_forgets_none() {
    let scene = Scene::new();
    let file = scene.write("users.ndjson", made::plain(5000));
    let checkpoint = scene.path("users.ndjson.muster-import");
    let tool = |mode: &[&str]| {
        let url = scene.server.accounts_url();
        let tool = Tool::new(&file).args(["--endpoint", url, "--rate", "10", "--timeout-s", "60"]);
        tool.with_key().args(mode.iter().copied()).spawn()
    };
    let mut killed = tool(&[]);
    while scene.users().is_empty() {
        sleep(Duration::from_millis(20));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    let written = || fs::metadata(&checkpoint).unwrap().ino();
    let before = written();
    let child = tool(&["--resume"]);
    while written() == before {
        sleep(Duration::from_millis(10));
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    super::Done(child.wait_with_output().unwrap()).expect(1);
    let noted: serde_json::Value = serde_json::from_slice(&fs::read(&checkpoint).unwrap()).unwrap();
    let doubt_s = noted["doubt_s"].as_u64().unwrap();
    assert!((1..=60).contains(&doubt_s), "{noted}");
}

#[test]
fn ctrl_c_after_a_lost_call_does_not_forget_it() {
    let scene = Scene::new();
    let file = scene.write("users.ndjson", made::plain(1));
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let tool = Tool::new(&file).args(["--endpoint", &url, "--timeout-s", "2"]);
    let child = tool.with_key().spawn();
    let _lost = silent.accept().unwrap();
    let (again, _) = silent.accept().unwrap();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    // Neither is answered, and either may have been taken.
    drop(again);
    super::Done(child.wait_with_output().unwrap()).expect(1);
    let checkpoint = fs::read(scene.path("users.ndjson.muster-import")).unwrap();
    let noted: serde_json::Value = serde_json::from_slice(&checkpoint).unwrap();
    assert!(noted["doubt_s"].as_u64().unwrap() > 0, "{noted}");
}

#[test]
fn ctrl_c_stops_in_order() {
    let made = made::ndjson(5000, 12);
    let scene = Scene::new();
    let file = scene.write("users.ndjson", &made.text);
    let url = scene.server.accounts_url();
    let tool = Tool::new(&file).args(["--endpoint", url, "--rate", "10"]);
    let child = tool.with_key().spawn();
    while scene.users().is_empty() {
        sleep(Duration::from_millis(20));
    }
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::INT).unwrap();
    let done = super::Done(child.wait_with_output().unwrap()).expect(1);
    assert!(
        done.stdout().contains("--resume goes on"),
        "{}",
        done.stdout()
    );
    assert!(scene.users().len() < made.users.len());
    scene.import(&file).args(["--resume"]).run().expect(3);
    assert_same(&scene.users(), &made.users);
    assert_eq!(left(&scene), undisturbed(&made));
}

#[test]
fn ctrl_c_is_heard_while_nothing_comes() {
    let dir = tempfile::tempdir().unwrap();
    let (input, mut says) = std::io::pipe().unwrap();
    let tool = Tool::stdin(input, dir.path()).args(["--dry-run", "--format", "ndjson"]);
    let child = tool.spawn();
    writeln!(says, "{{\"user_id\":\"ann\"}}").unwrap();
    while !listens(child.id()) {
        sleep(Duration::from_millis(10));
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let done = super::Done(child.wait_with_output().unwrap()).expect(1);
    assert!(
        done.stdout().contains("not every record was tried"),
        "{}",
        done.stdout()
    );
    drop(says);
}

#[test]
fn ctrl_c_ends_it_while_the_header_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let (input, mut says) = std::io::pipe().unwrap();
    let tool = Tool::stdin(input, dir.path()).args(["--dry-run", "--format", "csv"]);
    let mut child = tool.spawn();
    // More than a pipe holds: once it is written, the tool has read some of it.
    says.write_all(&vec![b'x'; 128 * 1024]).unwrap();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let deadline = Instant::now() + Duration::from_mins(1);
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("it goes on");
        }
        sleep(Duration::from_millis(5));
    };
    assert_eq!(status.signal(), Some(Signal::INT.as_raw()));
    drop(says);
}

/// Whether the process has a handler of SIGINT.
fn listens(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = u64::from_str_radix(caught.unwrap().trim(), 16).unwrap();
    caught & 1 << (Signal::INT.as_raw() - 1) != 0
}

#[test]
fn calls_that_fail_are_made_again() {
    let made = made::ndjson(6000, 13);
    let scene = Scene::new();
    let file = scene.write("users.ndjson", &made.text);
    let operator = scene.operator();
    let fault = |count| {
        let fault = NewFault::default().sdkappid(SDKAPPID);
        fault.count(count).probability(0.3)
    };
    let stall = NewFault::default()
        // Longer than the tool waits, so it comes after calls that were made later.
        .latency_ms(4000)
        .count(4)
        .carried_out()
        .code(70169)
        .probability(0.2);
    let faults = [
        fault(2).code(60007),
        fault(8).code(70169).carried_out(),
        fault(8).code(70500),
        fault(8).cut(),
        fault(8).cut().carried_out(),
        stall,
    ];
    for fault in &faults {
        block_on(operator.add_fault(fault)).unwrap();
    }
    let tool = scene.import(&file).args(["--json", "--timeout-s", "3"]);
    let done = tool.run().expect(3);
    let again: serde_json::Value = serde_json::from_str(&done.stdout()).unwrap();
    assert!(again["calls_made_again"].as_u64().unwrap() > 0, "{again}");
    assert_same(&scene.users(), &made.users);
    assert_eq!(left(&scene), undisturbed(&made));
}

#[test]
fn a_killed_server_is_waited_for() {
    let made = made::ndjson(12_000, 14);
    let Scene { dir, server } = Scene::new();
    let relay = Relay::to(server.accounts_url());
    let file = dir.path().join("users.ndjson");
    fs::write(&file, &made.text).unwrap();
    let tool = Tool::new(&file).args(["--endpoint", relay.url(), "--rate", "40"]);
    let child = tool.with_key().spawn();
    while users(&server).len() < 2000 {
        sleep(Duration::from_millis(20));
    }
    let data_dir = server.data_dir().to_owned();
    server.kill();
    sleep(Duration::from_millis(300));
    let server = Launch::dev(MUSTER, &data_dir)
        .arg("--no-rate-limits")
        .start();
    relay.lead_to(server.accounts_url());
    let done = super::Done(child.wait_with_output().unwrap()).expect(3);
    assert!(
        done.stdout().contains("calls made again"),
        "{}",
        done.stdout()
    );
    assert_same(&users(&server), &made.users);
    let scene = Scene { dir, server };
    assert_eq!(left(&scene), undisturbed(&made));
}
