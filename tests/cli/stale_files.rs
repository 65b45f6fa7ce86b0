//! Stale files in a data directory are never mistaken for a server.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixDatagram, UnixListener};

use rustix::process::Signal;

use crate::background::{Background, command, verb};
use crate::common::run;
use crate::daemon::assert_not_running;

#[test]
fn a_stale_socket_is_no_server() {
    let folder = tempfile::tempdir().unwrap();
    let killed = Background::start(folder.path(), &[]);
    killed.answer(&["set", "a", "b", "c"]);
    killed.signal(Signal::KILL);
    killed.wait();
    let socket = folder.path().join("akvs.sock");
    assert!(fs::metadata(&socket).unwrap().file_type().is_socket());
    assert_not_running(folder.path());
    let server = Background::start(folder.path(), &[]);
    assert_eq!(server.answer(&["get", "a", "b"]), "c");
    server.answer(&["stop"]);
    assert!(!socket.exists());
}

#[test]
fn files_with_a_living_pid_are_no_server() {
    let folder = tempfile::tempdir().unwrap();
    Background::start(folder.path(), &[]).answer(&["stop"]);
    // The process exists, and is this test.
    let number = format!("{:<10}\n", std::process::id());
    for name in ["akvs.lock", "akvs.pid"] {
        fs::write(folder.path().join(name), &number).unwrap();
    }
    assert_not_running(folder.path());
    let server = Background::start(folder.path(), &[]);
    assert_eq!(server.answer(&["pid"]), format!("{}\n", server.pid()));
    server.answer(&["stop"]);
    assert_not_running(folder.path());
}

#[test]
fn stale_sockets_are_replaced() {
    let folder = tempfile::tempdir().unwrap();
    Background::start(folder.path(), &[]).answer(&["stop"]);
    for name in ["akvs.sock", "akvs.sock.new"] {
        drop(UnixListener::bind(folder.path().join(name)).unwrap());
    }
    assert_not_running(folder.path());
    let server = Background::start(folder.path(), &[]);
    assert_eq!(server.answer(&["ping"]), "pong\n");
    assert!(!folder.path().join("akvs.sock.new").exists());
}

#[test]
fn a_file_at_the_socket_path_is_reported_and_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    Background::start(folder.path(), &[]).answer(&["stop"]);
    let socket = folder.path().join("akvs.sock");
    fs::write(&socket, "precious").unwrap();
    assert_not_running(folder.path());
    run(&mut command(folder.path()))
        .assert_refused(1, &[&socket.display().to_string(), "not a socket"]);
    assert_eq!(fs::read(&socket).unwrap(), b"precious");
}

#[test]
fn a_datagram_socket_at_the_path_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    Background::start(folder.path(), &[]).answer(&["stop"]);
    let socket = folder.path().join("akvs.sock");
    let datagrams = UnixDatagram::bind(&socket).unwrap();
    let shown = socket.display().to_string();
    for arguments in [["ping"], ["pid"], ["stop"]] {
        run(verb(folder.path()).args(arguments)).assert_refused(1, &[&shown, "cannot connect"]);
    }
    run(&mut command(folder.path())).assert_refused(1, &[&shown]);
    let serve = ["serve", "--listen", "127.0.0.1:0", "--log", "error"];
    run(verb(folder.path()).args(serve)).assert_refused(1, &[&shown, "in use"]);
    let sender = UnixDatagram::unbound().unwrap();
    sender.send_to(b"still there", &socket).unwrap();
    let mut part = [0; 16];
    assert_eq!(datagrams.recv(&mut part).unwrap(), 11);
}
