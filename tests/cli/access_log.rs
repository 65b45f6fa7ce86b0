//! The access log, and the build information over HTTP.

use crate::common::{Server, json};

/// The access lines among these.
fn lines(server: &Server) -> Vec<String> {
    let lines = server.seen().iter().map(|line| json(line));
    let lines = lines.filter(|line| line["target"] == "akvs_http::access");
    lines
        .map(|line| {
            assert_eq!(line["level"], "debug");
            line["msg"].as_str().unwrap().to_owned()
        })
        .collect()
}

#[test]
fn access_lines_contain_no_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let flags = [
        "--engine",
        "memory",
        "--log",
        "info,akvs_http::access=debug",
    ];
    let mut server = Server::start(folder.path(), &flags);
    let mut connection = server.connect();
    let head = "Host: localhost\r\nAuthorization: Bearer secret\r\nX-Request-Id: mine\r\n";
    for request in [
        format!("POST /kv/ns/k%20ey?ttl=5m HTTP/1.1\r\n{head}Content-Length: 6\r\n\r\nhidden"),
        format!("GET /kv/ns/k%20ey HTTP/1.1\r\n{head}\r\n"),
    ] {
        connection.send(request).unwrap();
        connection.answer().unwrap();
    }
    assert_eq!(server.ask("GET", "/nope?secret", b"").status, 404);
    server.wait_for("path=/nope ");
    let lines = lines(&server);
    let parts = |line: &String| -> Vec<String> { line.split(' ').map(str::to_owned).collect() };
    let [post, get, nope] = lines
        .iter()
        .map(parts)
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    let is_micros = |part: &String| {
        let micros = part.strip_prefix("micros=").map(str::parse::<u64>);
        assert!(micros.is_some_and(|micros| micros.is_ok()), "{part}");
    };
    for line in [&post, &get, &nope] {
        is_micros(&line[4]);
    }
    assert_eq!(
        post[..4],
        ["method=POST", "path=/kv/ns/k%20ey", "status=201", "bytes=7"]
    );
    assert_eq!(
        get[..4],
        ["method=GET", "path=/kv/ns/k%20ey", "status=200", "bytes=6"]
    );
    assert_eq!(
        nope[..4],
        ["method=GET", "path=/nope", "status=404", "bytes=9"]
    );
    assert_eq!((&*post[5], &*get[5]), ("id=mine", "id=mine"));
    assert_eq!(nope[5].len(), "id=".len() + 16);
    for secret in ["secret", "hidden", "ttl"] {
        assert!(!server.seen().join("\n").contains(secret), "{secret}");
    }
    server.stop();
}

#[test]
fn access_lines_are_off_by_default() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path(), &["--engine", "memory"]);
    assert_eq!(server.ask("GET", "/ping", b"").status, 200);
    server.signal(rustix::process::Signal::TERM);
    server.wait_for("stopped");
    assert!(lines(&server).is_empty());
    server.wait();
}

#[test]
fn the_version_names_the_engine_and_the_commit() {
    for engine in ["disk", "memory"] {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path(), &["--engine", engine]);
        let answer = server.ask("GET", "/version", b"");
        let document = json(answer.plain().1);
        assert_eq!(document["engine"], engine);
        assert_eq!(document["version"], env!("CARGO_PKG_VERSION"));
        // The build has a commit of AKVS_COMMIT, of git, or none.
        assert_eq!(document["commit"], env!("BUILT_COMMIT"));
        server.stop();
    }
}
