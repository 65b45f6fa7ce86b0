//! Sockets that a service manager passes to the server.

use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use super::ask;
use crate::common::{Connection, Server, akvs, run};

/// Returns the program with one passed descriptor, named `main`.
fn with(passed: impl Into<OwnedFd>, data: &Path) -> Command {
    // The process id that a manager sets is not known before the process exists.
    let script = "exec 3<&0 0</dev/null; LISTEN_PID=$$ exec \"$0\" \"$@\"";
    with_script(script, passed, data)
}

fn with_script(script: &str, passed: impl Into<OwnedFd>, data: &Path) -> Command {
    let plain = akvs();
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(plain.get_program());
    for (name, value) in plain.get_envs() {
        assert_eq!(value, None, "{name:?}");
        command.env_remove(name);
    }
    command.env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", "main");
    command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]);
    command.arg(data);
    command.stdin(Stdio::from(passed.into()));
    command
}

fn tcp(address: &str) -> (TcpListener, String) {
    let listener = TcpListener::bind(address).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

#[test]
fn connections_queued_before_the_start_are_answered() {
    let folder = tempfile::tempdir().unwrap();
    let (listener, address) = tcp("127.0.0.1:0");
    for round in ["first", "second"] {
        let mut early = Connection::to(&address).unwrap();
        let path = format!("/kv/a/{round}");
        let length = round.len();
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: akvs\r\nContent-Length: {length}\r\n\r\n");
        early.send(format!("{head}{round}")).unwrap();
        let passed = listener.try_clone().unwrap();
        let mut server = Server::from_command(&mut with(passed, folder.path()));
        assert_eq!(early.answer().unwrap().status, 201);
        assert_eq!(server.address(), address, "in place of http.listen");
        let line = "using the sockets of the service manager";
        assert!(server.seen().iter().any(|seen| seen.contains(line)));
        assert_eq!(server.ask("GET", &path, b"").plain(), (200, round));
        server.signal(Signal::TERM);
        server.wait_for("stopped");
        assert_eq!(server.wait().code(), Some(0));
    }
}

#[test]
fn a_passed_unix_socket_keeps_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("passed.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let again = listener.try_clone().unwrap();
    // The last server owns the socket alone, so that nothing listens on it afterwards.
    for passed in [again, listener] {
        let mut server = Server::spawn(&mut with(passed, &folder.path().join("data")));
        server.wait_for(&format!("listening on unix:{}", path.display()));
        assert!(ask(&path, "GET", "/readyz").starts_with("HTTP/1.1 200 OK\r\n"));
        server.stop();
        assert!(path.exists());
    }
}

#[test]
fn exposed_sockets_need_tokens_or_consent() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    for address in ["0.0.0.0:0", "[::]:0"] {
        let (listener, address) = tcp(address);
        let ran = run(&mut with(listener, &data));
        let parts = [&*address, "(main)", "--unauthenticated", "ListenStream="];
        ran.assert_refused(78, &parts);
    }
    assert!(!data.exists(), "refused before anything was made");
    let (listener, _) = tcp("0.0.0.0:0");
    Server::from_command(with(listener, &data).arg("--unauthenticated")).stop();
}

#[test]
fn an_unusable_descriptor_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (one, _other) = UnixStream::pair().unwrap();
    let file = tempfile::tempfile().unwrap();
    let kinds: [(OwnedFd, &str); 4] = [
        (
            UdpSocket::bind("127.0.0.1:0").unwrap().into(),
            "a UDP socket",
        ),
        (UnixDatagram::unbound().unwrap().into(), "for datagrams"),
        (one.into(), "does not listen"),
        (file.into(), "(deleted)"),
    ];
    for (passed, what) in kinds {
        let ran = run(&mut with(passed, &data));
        ran.assert_refused(78, &["descriptor 3 (main)", what, "ListenStream="]);
    }
    let (listener, _) = tcp("127.0.0.1:0");
    let ran = run(with(listener, &data).env("LISTEN_FDS", "2"));
    ran.assert_refused(78, &["descriptor 4 (unknown)", "not open"]);
    for count in ["2000000000", "-1", "some"] {
        let (listener, _) = tcp("127.0.0.1:0");
        let ran = run(with(listener, &data).env("LISTEN_FDS", count));
        ran.assert_refused(78, &["LISTEN_FDS"]);
    }
    assert!(!data.exists());
}

#[test]
fn sockets_passed_to_another_process_are_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let script = "exec 3<&0 0</dev/null; LISTEN_PID=1 exec \"$0\" \"$@\"";
    let (listener, address) = tcp("127.0.0.1:0");
    let server = Server::from_command(&mut with_script(script, listener, folder.path()));
    assert_ne!(server.address(), address);
    server.stop();
}

#[test]
fn sockets_of_systemd_socket_activate_are_used() {
    let folder = tempfile::tempdir().unwrap();
    let mut tool = Command::new("systemd-socket-activate");
    if tool
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_err()
    {
        eprintln!(
            "systemd-socket-activate is not there: systemd's own way to pass sockets was not tried"
        );
        return;
    }
    let paths = ["one", "two"].map(|name| folder.path().join(name));
    let plain = akvs();
    let mut command = Command::new("systemd-socket-activate");
    for (name, _) in plain.get_envs() {
        command.env_remove(name);
    }
    for path in &paths {
        command.arg("--listen").arg(path);
    }
    command.arg("--fdname=one:two").arg(plain.get_program());
    command
        .args(["serve", "--data-dir"])
        .arg(folder.path().join("data"));
    let mut server = Server::spawn(command.stdin(Stdio::null()));
    server.wait_for("Listening on");
    server.wait_for("Listening on");
    // It starts the server on the first connection.
    for path in &paths {
        assert!(ask(path, "GET", "/readyz").starts_with("HTTP/1.1 200 OK\r\n"));
    }
    server.wait_for("listening on unix:");
    server.wait_for("listening on unix:");
    server.stop();
    assert!(paths.iter().all(|path| path.exists()));
}
