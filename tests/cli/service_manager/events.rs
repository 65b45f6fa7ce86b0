//! What a service manager is told, in which order.

use std::fs;
use std::process::Command;

use rustix::process::Signal;

use super::{Manager, ask, serve};
use crate::background::{Background, command};
use crate::common::{Connection, Server, akvs, run};

/// It is told this, and nothing else with it.
#[track_caller]
fn assert_told(manager: &Manager, lines: &[&str]) {
    assert_eq!(manager.told(), lines);
}

/// It is told what takes an amount of time, and nothing else.
#[track_caller]
fn assert_told_longer(manager: &Manager) {
    let lines = manager.told();
    let [line] = &lines[..] else {
        panic!("{lines:?}")
    };
    let micros = line.strip_prefix("EXTEND_TIMEOUT_USEC=");
    assert!(micros.unwrap().parse::<u64>().unwrap() > 0, "{line}");
}

#[test]
fn each_step_is_told_in_its_order() {
    let manager = Manager::new();
    let mut server = Server::spawn(&mut manager.serve());
    let opening = format!("STATUS=opening the data in {}", manager.data().display());
    assert_told(&manager, &[&opening]);
    assert_told_longer(&manager);
    let address = manager.ready();
    let mut connection = Connection::to(&address).unwrap();
    let answer = connection.ask("GET", "/readyz", b"").unwrap();
    assert_eq!(answer.plain(), (200, "ok"));

    server.signal(Signal::HUP);
    let told = manager.told();
    assert_eq!(told[0], "RELOADING=1");
    let micros = told[1].strip_prefix("MONOTONIC_USEC=").unwrap();
    assert!(micros.parse::<u64>().unwrap() > 0, "{micros}");
    let listening = format!("STATUS=listening on http://{address}");
    assert_told(&manager, &["READY=1", &listening]);

    let head = "POST /kv/a/slow HTTP/1.1\r\nHost: akvs\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
    connection.send(head).unwrap();
    assert_eq!(connection.answer().unwrap().status, 100);
    server.signal(Signal::TERM);
    let told = manager.told();
    assert_eq!(told[..2], ["STOPPING=1", "STATUS=stopping on SIGTERM"]);
    assert!(told[2].starts_with("EXTEND_TIMEOUT_USEC="), "{told:?}");
    server.wait_for("still stopping");
    connection.send("slow").unwrap();
    assert_eq!(connection.answer().unwrap().status, 201);
    assert_told_longer(&manager);
    assert_eq!(server.wait().code(), Some(0));
    assert_eq!(
        manager.told_within(std::time::Duration::from_millis(1)),
        None
    );
}

#[test]
fn a_manager_of_an_abstract_name_hears_it_too() {
    let manager = Manager::of_abstract_name();
    let server = Server::spawn(&mut manager.serve());
    manager.ready();
    server.stop();
}

#[test]
fn what_could_not_be_read_again_is_told() {
    let manager = Manager::new();
    let server = Server::spawn(&mut manager.serve());
    manager.ready();
    fs::write(manager.data().join("tokens.toml"), "nonsense").unwrap();
    server.signal(Signal::HUP);
    assert_eq!(manager.told()[0], "RELOADING=1");
    let told = manager.told();
    assert_eq!(told[0], "READY=1", "it serves as before");
    let why = "reload incomplete: tokens not reloaded: ";
    assert!(told[1].contains(why), "{told:?}");
    server.stop();
}

#[test]
fn why_it_cannot_start_is_told() {
    let manager = Manager::new();
    let ran = run(manager.akvs().args(["serve", "--listen", "no-port"]));
    ran.assert_refused(78, &["no-port"]);
    let told = manager.told();
    assert!(told[0].starts_with("STATUS="), "{told:?}");
    assert!(told[0].contains("no-port"), "{told:?}");
}

#[test]
fn the_owner_s_word_is_an_end_like_any_other() {
    let manager = Manager::new();
    let server = Server::spawn(&mut manager.serve());
    manager.ready();
    let answer = ask(&manager.data().join("akvs.sock"), "POST", "/admin/stop");
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    let told = manager.told();
    let stopping = [
        "STOPPING=1",
        "STATUS=stopping on a request of the control socket",
    ];
    assert_eq!(told[..2], stopping);
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_signal_while_the_data_is_being_opened_ends_at_once() {
    let manager = Manager::new();
    fs::create_dir(manager.data()).unwrap();
    // Who opens it waits for somebody who writes to it.
    let pipe = manager.data().join("akvs.format");
    assert!(Command::new("mkfifo").arg(pipe).status().unwrap().success());
    let server = Server::spawn(&mut manager.serve());
    assert!(manager.told()[0].starts_with("STATUS=opening"));
    assert_told_longer(&manager);
    server.signal(Signal::TERM);
    assert_told(&manager, &["STOPPING=1"]);
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_manager_that_does_not_listen_costs_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    for (name, why) in [
        (
            folder.path().join("nobody").display().to_string(),
            "No such file",
        ),
        ("@nobody-has-this-name".into(), "refused"),
        ("vsock:2:1".into(), "neither a path"),
    ] {
        let mut command = akvs();
        command
            .env("NOTIFY_SOCKET", &name)
            .env("WATCHDOG_USEC", "1000");
        serve(&mut command, folder.path());
        let mut server = Server::of(&mut command);
        assert_eq!(server.ask("POST", "/kv/a/b", b"c").status, 201);
        server.signal(Signal::TERM);
        server.wait_for("stopped");
        let warnings: Vec<&String> = server
            .seen()
            .iter()
            .filter(|line| line.contains("cannot notify"))
            .collect();
        assert!(
            matches!(warnings[..], [line] if line.contains(why)),
            "{warnings:?}"
        );
        assert_eq!(server.wait().code(), Some(0));
    }
}

#[test]
fn a_server_in_the_background_does_not_speak_for_who_started_it() {
    let manager = Manager::new();
    let data = manager.data();
    let mut start = command(&data);
    start.env("NOTIFY_SOCKET", &manager.name);
    let ran = run(start.env("WATCHDOG_USEC", "1000"));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let server = Background::of(&data, ran.stdout);
    let environment = fs::read(format!("/proc/{}/environ", server.pid())).unwrap();
    let environment = String::from_utf8_lossy(&environment).into_owned();
    for name in ["NOTIFY_SOCKET", "WATCHDOG_USEC"] {
        assert!(!environment.contains(name), "{environment}");
    }
    server.answer(&["stop"]);
    assert_eq!(
        manager.told_within(std::time::Duration::from_millis(1)),
        None
    );
}
