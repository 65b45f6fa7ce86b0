//! The log on stderr: its first lines, its formats, and a closed reader.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use crate::common::{Connection, Server, akvs, json};

#[test]
fn the_first_lines_describe_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("a.toml");
    std::fs::write(&config, "").unwrap();
    let data = folder.path().join("data");
    for format in ["text", "json"] {
        let server = Server::start(
            &data,
            &["--log-format", format, "--config", config.to_str().unwrap()],
        );
        let all = server.seen().join("\n");
        for part in [
            concat!("akvs ", env!("CARGO_PKG_VERSION")),
            "engine disk, durability fsync",
            &format!("data directory {} (flag --data-dir)", data.display()),
            &format!("config file {}", config.display()),
            "every client on this machine has full access",
            &format!("listening on http://{}", server.address()),
        ] {
            assert!(all.contains(part), "{part:?} is not in:\n{all}");
        }
        server.stop();
    }
}

#[test]
fn lines_are_json_without_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path(), &["--log", "debug"]);
    server.signal(Signal::TERM);
    server.wait_for("stopped");
    for line in server.seen() {
        let line = json(line);
        let ts = line["ts"].as_str().unwrap();
        assert!(
            ts.len() == 24 && ts.ends_with('Z') && ts.as_bytes()[19] == b'.',
            "{ts}"
        );
        assert!(
            ["info", "debug", "warn"].contains(&line["level"].as_str().unwrap()),
            "{line}"
        );
        assert!(
            line["target"].is_string() && line["msg"].is_string(),
            "{line}"
        );
        assert_eq!(line.as_object().unwrap().len(), 4);
    }
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn the_variables_of_env_logger_apply() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = akvs();
    command
        .args(["--listen", "127.0.0.1:0", "--data-dir"])
        .arg(folder.path());
    // The variable with precedence permits the line that is waited for.
    let server = Server::from_command(command.env("RUST_LOG", "off").env("AKVS_LOG", "info"));
    server.stop();
}

#[test]
fn a_closed_log_does_not_stop_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = akvs();
    command.args([
        "--listen",
        "127.0.0.1:0",
        "--log-format",
        "text",
        "--log",
        "debug",
        "--data-dir",
    ]);
    let mut child = command
        .arg(folder.path())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let address = loop {
        let mut line = String::new();
        assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "it ended");
        if let Some((_, address)) = line.trim_end().split_once("listening on http://") {
            break address.to_owned();
        }
    };
    drop(stderr);
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::HUP).unwrap();
    let mut connection = Connection::to(&address).unwrap();
    assert_eq!(
        connection.ask("POST", "/kv/a/b", b"c").unwrap().plain(),
        (201, "Created")
    );
    kill_process(pid, Signal::TERM).unwrap();
    drop(connection);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn an_invalid_request_is_answered_and_not_logged() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path(), &[]);
    for garbage in [
        "garbage\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET / HTTP/1.1\r\nno colon\r\n\r\n",
    ] {
        let mut connection = server.connect();
        connection.send(garbage).unwrap();
        assert_eq!(connection.answer().unwrap().status, 400, "{garbage}");
    }
    server.signal(Signal::TERM);
    server.wait_for("stopped");
    for line in server.seen() {
        assert_eq!(json(line)["level"], "info", "{line}");
    }
    assert_eq!(server.wait().code(), Some(0));
}
