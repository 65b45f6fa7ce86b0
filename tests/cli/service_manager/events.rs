//! The notifications of a server, and their order.

use std::fs;
use std::process::Command;

use rustix::process::Signal;

use super::{Manager, ask, serve};
use crate::background::{Background, command};
use crate::common::{Connection, Server, akvs, run};

/// Asserts that the next notification has exactly these lines.
#[track_caller]
fn assert_notified(manager: &Manager, lines: &[&str]) {
    assert_eq!(manager.notification(), lines);
}

/// Asserts that the next notification only extends the timeout.
#[track_caller]
fn assert_timeout_extended(manager: &Manager) {
    let lines = manager.notification();
    let [line] = &lines[..] else {
        panic!("{lines:?}")
    };
    let micros = line.strip_prefix("EXTEND_TIMEOUT_USEC=");
    assert!(micros.unwrap().parse::<u64>().unwrap() > 0, "{line}");
}

#[test]
fn notifications_arrive_in_order() {
    let manager = Manager::new();
    let mut server = Server::spawn(&mut manager.serve());
    let opening = format!("STATUS=opening the data in {}", manager.data().display());
    assert_notified(&manager, &[&opening]);
    assert_timeout_extended(&manager);
    let address = manager.ready();
    let mut connection = Connection::to(&address).unwrap();
    let answer = connection.ask("GET", "/readyz", b"").unwrap();
    assert_eq!(answer.plain(), (200, "ok"));

    server.signal(Signal::HUP);
    let notification = manager.notification();
    assert_eq!(notification[0], "RELOADING=1");
    let micros = notification[1].strip_prefix("MONOTONIC_USEC=").unwrap();
    assert!(micros.parse::<u64>().unwrap() > 0, "{micros}");
    let listening = format!("STATUS=listening on http://{address}");
    assert_notified(&manager, &["READY=1", &listening]);

    let head = "POST /kv/a/slow HTTP/1.1\r\nHost: akvs\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
    connection.send(head).unwrap();
    assert_eq!(connection.answer().unwrap().status, 100);
    server.signal(Signal::TERM);
    let notification = manager.notification();
    assert_eq!(
        notification[..2],
        ["STOPPING=1", "STATUS=stopping on SIGTERM"]
    );
    assert!(
        notification[2].starts_with("EXTEND_TIMEOUT_USEC="),
        "{notification:?}"
    );
    server.wait_for("still stopping");
    connection.send("slow").unwrap();
    assert_eq!(connection.answer().unwrap().status, 201);
    assert_timeout_extended(&manager);
    assert_eq!(server.wait().code(), Some(0));
    assert_eq!(
        manager.notification_within(std::time::Duration::from_millis(1)),
        None
    );
}

#[test]
fn an_abstract_socket_is_notified() {
    let manager = Manager::with_abstract_name();
    let server = Server::spawn(&mut manager.serve());
    manager.ready();
    server.stop();
}

#[test]
fn an_incomplete_reload_is_notified() {
    let manager = Manager::new();
    let server = Server::spawn(&mut manager.serve());
    manager.ready();
    fs::write(manager.data().join("tokens.toml"), "nonsense").unwrap();
    server.signal(Signal::HUP);
    assert_eq!(manager.notification()[0], "RELOADING=1");
    let notification = manager.notification();
    assert_eq!(notification[0], "READY=1", "it serves as before");
    let why = "reload incomplete: tokens not reloaded: ";
    assert!(notification[1].contains(why), "{notification:?}");
    server.stop();
}

#[test]
fn the_reason_of_a_failed_start_is_notified() {
    let manager = Manager::new();
    let ran = run(manager.akvs().args(["serve", "--listen", "no-port"]));
    ran.assert_refused(78, &["no-port"]);
    let notification = manager.notification();
    assert!(notification[0].starts_with("STATUS="), "{notification:?}");
    assert!(notification[0].contains("no-port"), "{notification:?}");
}

#[test]
fn a_stop_by_the_control_socket_is_notified() {
    let manager = Manager::new();
    let server = Server::spawn(&mut manager.serve());
    manager.ready();
    let answer = ask(&manager.data().join("akvs.sock"), "POST", "/admin/stop");
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    let notification = manager.notification();
    let stopping = [
        "STOPPING=1",
        "STATUS=stopping on a request of the control socket",
    ];
    assert_eq!(notification[..2], stopping);
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_signal_during_the_opening_stops_at_once() {
    let manager = Manager::new();
    fs::create_dir(manager.data()).unwrap();
    // Opening the pipe blocks until another process writes to it.
    let pipe = manager.data().join("akvs.format");
    assert!(Command::new("mkfifo").arg(pipe).status().unwrap().success());
    let server = Server::spawn(&mut manager.serve());
    assert!(manager.notification()[0].starts_with("STATUS=opening"));
    assert_timeout_extended(&manager);
    server.signal(Signal::TERM);
    assert_notified(&manager, &["STOPPING=1"]);
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn an_unreachable_manager_is_logged_once() {
    let folder = tempfile::tempdir().unwrap();
    for (name, why) in [
        (
            folder.path().join("missing").display().to_string(),
            "No such file",
        ),
        ("@no-socket-has-this-name".into(), "refused"),
        ("vsock:2:1".into(), "neither a path"),
    ] {
        let mut command = akvs();
        command
            .env("NOTIFY_SOCKET", &name)
            .env("WATCHDOG_USEC", "1000");
        serve(&mut command, folder.path());
        let mut server = Server::from_command(&mut command);
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
fn a_background_server_does_not_notify_the_manager_of_its_parent() {
    let manager = Manager::new();
    let data = manager.data();
    let mut start = command(&data);
    start.env("NOTIFY_SOCKET", &manager.name);
    let ran = run(start.env("WATCHDOG_USEC", "1000"));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let server = Background::from_output(&data, ran.stdout);
    let environment = fs::read(format!("/proc/{}/environ", server.pid())).unwrap();
    let environment = String::from_utf8_lossy(&environment).into_owned();
    for name in ["NOTIFY_SOCKET", "WATCHDOG_USEC"] {
        assert!(!environment.contains(name), "{environment}");
    }
    server.answer(&["stop"]);
    assert_eq!(
        manager.notification_within(std::time::Duration::from_millis(1)),
        None
    );
}
