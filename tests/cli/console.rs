//! `akvs console` in a pseudo-terminal: a server with its prompt in one process.

use std::path::Path;

use rustix::process::Signal;

use crate::background::verb;
use crate::common::{Connection, Server, akvs, output};
use crate::terminal::Terminal;

const CTRL_C: &str = "\u{3}";
const CTRL_D: &str = "\u{4}";

/// A console on a free port, and its address.
fn console(folder: &Path, flags: &[&str]) -> (Terminal, String) {
    let mut command = akvs();
    command.args(["console", "--listen", "127.0.0.1:0", "--data-dir"]);
    command.arg(folder.join("data")).args(flags);
    command.env("XDG_STATE_HOME", folder.join("state"));
    let mut console = Terminal::from_command(command);
    console.wait_for("Listening on http://");
    let address = console.wait_for(". Type `help`");
    console.wait_for("\nakvs> ");
    (console, address)
}

#[test]
fn a_console_serves_until_ctrl_d() {
    let folder = tempfile::tempdir().unwrap();
    let (mut console, address) = console(folder.path(), &[]);
    assert_eq!(console.line("set a b c"), "OK");
    let mut connection = Connection::to(&address).unwrap();
    assert_eq!(
        connection.ask("GET", "/kv/a/b", b"").unwrap().plain(),
        (200, "c")
    );
    assert_eq!(connection.ask("POST", "/kv/a/d", b"e").unwrap().status, 201);
    assert_eq!(console.line("get a d"), "e");
    drop(connection);
    console.keys(CTRL_D);
    assert_eq!(console.wait().code(), Some(0));
    let data = folder.path().join("data");
    assert!(!data.join("akvs.sock").exists());
    let server = Server::start(&data, &[]);
    assert_eq!(server.ask("GET", "/kv/a/d", b"").plain(), (200, "e"));
    server.stop();
}

#[test]
fn the_log_is_printed_above_the_line_being_typed() {
    let folder = tempfile::tempdir().unwrap();
    let flags = [
        "--engine",
        "memory",
        "--log",
        "info,akvs_http::access=debug",
    ];
    let (mut console, address) = console(folder.path(), &flags);
    console.keys("set a b half");
    console.wait_for("half");
    let mut connection = Connection::to(&address).unwrap();
    assert_eq!(
        connection.ask("GET", "/kv/other/key", b"").unwrap().status,
        404
    );
    console.wait_for("path=/kv/other/key status=404");
    // The line is drawn again below, and editing continues.
    console.wait_for("\nakvs> set a b half");
    console.keys("way\r");
    console.wait_for("OK\n");
    console.answer();
    assert_eq!(
        connection.ask("GET", "/kv/a/b", b"").unwrap().plain(),
        (200, "halfway")
    );
}

#[test]
fn ctrl_c_ends_a_watch_and_not_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let (mut console, address) = console(folder.path(), &["--engine", "memory"]);
    console.keys("watch a --state\r");
    console.wait_for("synced");
    let mut connection = Connection::to(&address).unwrap();
    assert_eq!(connection.ask("POST", "/kv/a/k", b"v").unwrap().status, 201);
    console.wait_for(" set k");
    console.keys(CTRL_C);
    console.answer();
    assert_eq!(console.line("get a k"), "v");
    assert_eq!(
        connection.ask("GET", "/kv/a/k", b"").unwrap().plain(),
        (200, "v")
    );
    console.keys("stop\r");
    assert_eq!(console.wait().code(), Some(0));
}

#[test]
fn ctrl_c_before_any_watch_does_not_stop_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let (mut console, _) = console(folder.path(), &["--engine", "memory"]);
    console.keys("stats\r");
    console.wait_until_cooked();
    console.keys(CTRL_C);
    console.wait_for("^C");
    console.answer();
    assert_eq!(console.line("ping"), "pong");
    console.keys("half a line");
    console.wait_for("half a line");
    console.keys(CTRL_C);
    console.answer();
    assert_eq!(console.line("ping"), "pong");
}

#[test]
fn sigterm_stops_a_console_and_restores_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let (mut console, _) = console(folder.path(), &[]);
    assert_eq!(console.line("set a b c"), "OK");
    console.keys("get a b");
    console.wait_for("get a b");
    console.signal(Signal::TERM);
    console.wait_for("stopping on SIGTERM");
    assert_eq!(console.wait().code(), Some(0));
    assert!(!folder.path().join("data/akvs.sock").exists());
}

#[test]
fn a_console_that_cannot_start_prints_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &["--engine", "memory"]);
    let mut command = verb(folder.path());
    let ran = crate::common::run(command.args(["console", "--listen", "127.0.0.1:0"]));
    assert_eq!((ran.code, &*ran.stdout), (Some(75), ""), "{ran:?}");
    let last = ran.stderr.lines().last().unwrap();
    assert!(
        last.contains(&format!("process {}", server.pid())),
        "{last}"
    );
}

#[test]
fn a_console_executes_piped_lines_and_stops() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = verb(folder.path());
    command.args(["console", "--listen", "127.0.0.1:0"]);
    let output = output(&mut command, b"set a b c\nget a b\n");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "OK\nc");
    assert!(!folder.path().join("akvs.sock").exists());
}

#[test]
fn logging_of_the_prompt_itself_does_not_block_it() {
    let folder = tempfile::tempdir().unwrap();
    let (mut console, _) = console(folder.path(), &["--engine", "memory"]);
    console.keys("log info,rustyline=trace\r");
    // rustyline logs its keys, and then reads a line.
    console.wait_for("VSUSP");
    console.wait_for("akvs> ");
    console.keys("set a b c\r");
    console.wait_for("OK\n");
    console.wait_for("akvs> ");
    console.keys(CTRL_D);
    assert_eq!(console.wait().code(), Some(0));
}

#[test]
fn a_failed_piped_line_stops_the_server_and_sets_the_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    for (lines, code, expected) in [
        ("set a b c\nget a none\nset a b d\n", 1, "no such key"),
        ("gte a b\n", 2, "unknown command"),
    ] {
        let mut command = verb(folder.path());
        command.args(["console", "--listen", "127.0.0.1:0"]);
        let output = output(&mut command, lines.as_bytes());
        assert_eq!(output.status.code(), Some(code));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            stderr.contains(expected) && stderr.contains("stopped"),
            "{stderr}"
        );
        assert!(!folder.path().join("akvs.sock").exists());
    }
}
