//! The shutdown of a server, within its timeout or at once.

use std::path::Path;

use rustix::process::Signal;

use crate::common::{Connection, Server, akvs};

/// Longer than a test waits.
const LONG: &str = "1h";

/// Starts a write without its whole body; `100 Continue` shows that the request has begun.
fn begin_a_write(server: &Server) -> Connection {
    let mut connection = server.connect();
    let head = "POST /kv/a/slow HTTP/1.1\r\nHost: akvs\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n";
    connection.send(head).unwrap();
    assert_eq!(connection.answer().unwrap().status, 100);
    connection.send("01234").unwrap();
    connection
}

/// Starts a server with this drain time, and without a bound on the time of bodies.
fn start(data: &Path, drain_timeout: &str) -> Server {
    let mut command = akvs();
    command
        .env("AKVS_LIMITS__DRAIN_TIMEOUT", drain_timeout)
        .env("AKVS_LIMITS__REQUEST_TIMEOUT", "1h");
    Server::from_command(
        command
            .args(["--listen", "127.0.0.1:0", "--data-dir"])
            .arg(data),
    )
}

#[test]
fn answered_writes_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    for (signal, durability) in [(Signal::TERM, "fsync"), (Signal::INT, "interval")] {
        let server = Server::start(folder.path(), &["--durability", durability]);
        assert_eq!(
            server.ask("POST", "/kv/a/b", durability.as_bytes()).status,
            201
        );
        server.signal(signal);
        assert_eq!(server.wait().code(), Some(0));
        let server = Server::start(folder.path(), &[]);
        assert_eq!(server.ask("GET", "/kv/a/b", b"").plain(), (200, durability));
        server.stop();
    }
}

#[test]
fn a_request_in_flight_completes_during_a_stop() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path(), &[]);
    let mut connection = begin_a_write(&server);
    server.signal(Signal::TERM);
    server.wait_for("still stopping");
    connection.send("56789").unwrap();
    assert_eq!(connection.answer().unwrap().plain(), (201, "Created"));
    assert_eq!(server.wait().code(), Some(0));

    let server = Server::start(folder.path(), &[]);
    assert_eq!(
        server.ask("GET", "/kv/a/slow", b"").plain(),
        (200, "0123456789")
    );
    server.stop();
}

#[test]
fn an_idle_connection_does_not_delay_a_stop() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path(), LONG);
    let mut idle = server.connect();
    assert_eq!(idle.ask("POST", "/kv/a/b", b"c").unwrap().status, 201);
    server.stop();
}

#[test]
fn a_silent_connection_does_not_delay_a_stop() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path(), LONG);
    let _silent = server.connect();
    // Connections are accepted in order, so the silent one was accepted before.
    assert_eq!(server.ask("POST", "/kv/a/b", b"c").status, 201);
    server.stop();
}

#[test]
fn an_endless_request_is_cut_off_after_the_drain_timeout() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = start(folder.path(), "1s");
    let mut connection = begin_a_write(&server);
    server.signal(Signal::TERM);
    server.wait_for("stopped");
    let lines = server.seen().join("\n");
    assert!(!lines.contains("drain timeout has passed"), "{lines}");
    assert_eq!(server.wait().code(), Some(0));
    assert!(connection.answer().is_err());
}

#[test]
fn a_second_signal_stops_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = start(folder.path(), LONG);
    assert_eq!(server.ask("POST", "/kv/a/b", b"c").status, 201);
    let _connection = begin_a_write(&server);
    server.signal(Signal::INT);
    server.wait_for("send another signal to stop at once");
    server.signal(Signal::INT);
    server.wait_for("stopped at once on SIGINT");
    assert_eq!(server.wait().code(), Some(1));

    let server = Server::start(folder.path(), &[]);
    assert_eq!(server.ask("GET", "/kv/a/b", b"").plain(), (200, "c"));
    server.stop();
}

#[test]
fn two_simultaneous_signals_count_as_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path(), &[]);
    let mut connection = begin_a_write(&server);
    server.signal(Signal::TERM);
    server.wait_for("stopping on SIGTERM");
    server.signal(Signal::TERM);
    server.wait_for("still stopping");
    connection.send("56789").unwrap();
    assert_eq!(connection.answer().unwrap().status, 201);
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn sighup_without_changes_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path(), &[]);
    server.signal(Signal::HUP);
    server.wait_for("SIGHUP: reloading");
    assert_eq!(server.ask("POST", "/kv/a/b", b"c").status, 201);
    server.stop();
}
