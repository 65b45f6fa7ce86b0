//! Where the server listens, and who may.

use std::net::TcpListener;

use crate::common::{Connection, Server, akvs, run};

#[test]
fn addresses_that_others_can_reach_want_to_be_meant() {
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
    let server = Server::of(command.arg(&data));
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
fn an_address_in_use_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ran = run(akvs()
        .args(["--listen", &address, "--data-dir"])
        .arg(folder.path()));
    ran.assert_refused(1, &[&address, "another program is listening on it"]);
}

#[test]
fn a_name_that_is_not_found_is_named() {
    let ran = run(akvs().args(["--listen", "no-such-name.invalid:8080"]));
    ran.assert_refused(78, &["http.listen", "no-such-name.invalid:8080"]);
}

#[test]
fn it_listens_on_each_address_and_says_the_real_ports() {
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
