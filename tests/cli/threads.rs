//! A system that refuses threads: a start fails with one line, and a running server continues with its own.

use std::fs::Permissions;
use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::getuid;

use crate::common::{self, Server, akvs};

/// Returns a user id for one test: the system counts threads by user, and does not limit `root`.
fn user(test: u32) -> u32 {
    50_000 + std::process::id() % 5_000 * 3 + test
}

/// An idle process of the user.
struct Idle(Child);

impl Idle {
    fn start(user: u32) -> Idle {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "read nothing"]).uid(user).gid(user);
        Idle(command.stdin(Stdio::piped()).spawn().unwrap())
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// Returns the program as this user with this limit of threads and this data directory.
fn akvs_as(folder: &Path, user: u32, threads: usize) -> Command {
    let program = folder.join("akvs");
    if !program.exists() {
        std::fs::copy(akvs().get_program(), &program).unwrap();
    }
    // The flag for the number of processes is -p in one shell and -u in another.
    let limit = format!("{{ ulimit -p {threads} || ulimit -u {threads}; }} 2>/dev/null");
    let script = format!("{limit}; exec \"$0\" \"$@\"");
    let mut command = common::program(Path::new("/bin/sh"));
    command.arg("-c").arg(script).arg(program);
    if getuid().is_root() {
        let data = folder.join("data");
        std::fs::create_dir_all(&data).unwrap();
        for path in [folder, &data] {
            chown(path, Some(user), Some(user)).unwrap();
            std::fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
        }
        command.uid(user).gid(user);
    }
    command
}

#[test]
fn a_start_without_threads_fails_with_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = akvs_as(folder.path(), user(0), 1);
    command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]);
    let ran = common::run(command.arg(folder.path().join("data")));
    ran.assert_refused(1, &["threads", "ulimit -u"]);
}

#[test]
fn a_verb_without_a_server_and_threads_fails_with_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut command = akvs_as(folder.path(), user(2), 100);
    command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]);
    let server = Server::from_command(command.arg(&data));
    assert_eq!(server.ask("POST", "/kv/ns/k", b"v").status, 201);
    server.stop();
    let backup = folder.path().join("data/backup");
    for verb in [&["verify"][..], &["backup", backup.to_str().unwrap()]] {
        let mut command = akvs_as(folder.path(), user(2), 1);
        let ran = common::run(command.args(verb).arg("--data-dir").arg(&data));
        ran.assert_refused(1, &["open the data directory", "threads", "ulimit -u"]);
    }
}

#[test]
fn a_server_without_further_threads_keeps_answering() {
    if !getuid().is_root() {
        // Other processes of this user would count too.
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // The main thread, a worker, and 13 others.
    let mut command = akvs_as(folder.path(), user(1), 15);
    command.env("AKVS_HTTP__WORKERS", "1");
    command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]);
    let server = Server::from_command(command.arg(folder.path().join("data")));
    // Both workers run once they have answered.
    assert_eq!(server.ask("POST", "/kv/ns/k", b"v").status, 201);
    let socket = folder.path().join("data/akvs.sock");
    let mut control = std::os::unix::net::UnixStream::connect(socket).unwrap();
    control
        .write_all(b"GET /ping HTTP/1.1\r\nHost: akvs\r\n\r\n")
        .unwrap();
    control.read_exact(&mut [0; 12]).unwrap();
    // From here on no thread can be started.
    let _idle: Vec<Idle> = (0..8).map(|_| Idle::start(user(1))).collect();
    // Enough concurrent requests to need several threads.
    let requests: Vec<_> = (0..200)
        .map(|number| {
            let mut connection = server.connect();
            let (method, path) = [
                ("GET", "/kv/ns"),
                ("GET", "/kv"),
                ("GET", "/metrics"),
                ("POST", "/get/ns"),
                ("GET", "/export"),
                ("POST", "/import/ns"),
            ][number % 6];
            let body = if path == "/get/ns" {
                r#"{"keys":["k"]}"#
            } else {
                ""
            };
            let length = body.len();
            let head = format!(
                "{method} {path} HTTP/1.1\r\nHost: akvs\r\nContent-Length: {length}\r\n\r\n{body}"
            );
            connection.send(head).unwrap();
            (path, connection)
        })
        .collect();
    for (path, mut connection) in requests {
        let answer = connection.head().unwrap();
        // The handler that reads the import reports a missing first line.
        let expected = if path == "/import/ns" { 400 } else { 200 };
        assert_eq!(answer.status, expected, "{path}");
    }
    assert_eq!(server.ask("POST", "/kv/ns/k", b"w").status, 201);
    assert_eq!(server.ask("GET", "/kv/ns/k", b"").plain(), (200, "w"));
    server.stop();
}

#[test]
fn a_thousand_unread_exports_use_few_threads_and_block_no_client() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    let value = vec![b'x'; 64 << 10];
    for key in 0..64 {
        let answer = server.ask("POST", &format!("/kv/ns/{key}"), &value);
        assert_eq!(answer.status, 201);
    }
    let unread: Vec<_> = (0..400)
        .map(|_| {
            let mut connection = server.connect();
            let head = "GET /export/ns HTTP/1.1\r\nHost: akvs\r\n\r\n";
            connection.send(head).unwrap();
            connection
        })
        .collect();
    let mut connection = server.connect();
    for _ in 0..100 {
        assert_eq!(connection.ask("GET", "/ping", b"").unwrap().status, 200);
    }
    let tasks = std::fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
    let threads = tasks.count();
    assert!(threads < 60, "{threads} threads");
    drop(unread);
    server.stop();
}
