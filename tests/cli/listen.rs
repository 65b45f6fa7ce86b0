//! The addresses of a server, and their exposure.

use std::net::TcpListener;

use crate::common::{Connection, Server, akvs, run};

#[test]
fn exposed_addresses_need_tokens_or_consent() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    for address in ["0.0.0.0:0", "[::]:0"] {
        let ran = run(akvs()
            .args(["--listen", "127.0.0.1:0", "--listen", address, "--data-dir"])
            .arg(&data));
        ran.assert_refused(78, &["http.listen", address, "--unauthenticated"]);
    }
    assert!(!data.exists(), "refused before anything was made");

    let mut command = akvs();
    command.args(["--listen", "0.0.0.0:0", "--unauthenticated", "--data-dir"]);
    let server = Server::from_command(command.arg(&data));
    assert!(
        server
            .seen()
            .iter()
            .any(|line| line.contains("every client that can connect has full access"))
    );
    let port = server.address().rsplit(':').next().unwrap().to_owned();
    let answer = Connection::to(&format!("127.0.0.1:{port}"))
        .unwrap()
        .ask("GET", "/kv/a/b", b"");
    assert_eq!(answer.unwrap().plain(), (404, "Not Found"));
    server.stop();
}

#[test]
fn an_address_in_use_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ran = run(akvs()
        .args(["--listen", &address, "--data-dir"])
        .arg(folder.path()));
    ran.assert_refused(1, &[&address, "another program is listening on it"]);
}

#[test]
fn an_unknown_name_is_reported() {
    let ran = run(akvs().args(["--listen", "no-such-name.invalid:8080"]));
    ran.assert_refused(78, &["http.listen", "no-such-name.invalid:8080"]);
}

#[test]
fn the_server_listens_on_each_address_and_logs_the_ports() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path(), &["--listen", "localhost:0"]);
    let line = server.wait_for("listening on http://");
    let second = line
        .split("http://")
        .nth(1)
        .unwrap()
        .trim_end_matches("\"}")
        .to_owned();
    assert_ne!(second, server.address());
    server.ask("POST", "/kv/a/b", b"c");
    let answer = Connection::to(&second)
        .unwrap()
        .ask("GET", "/kv/a/b", b"")
        .unwrap();
    assert_eq!(answer.plain(), (200, "c"));
    server.stop();
}
