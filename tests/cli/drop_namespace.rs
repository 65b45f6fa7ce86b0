//! Dropping a namespace over HTTP: it needs the name twice, takes effect at once, and survives a crash.

use std::path::Path;

use crate::common::{Connection, Server, json};

const KEYS: usize = 1_500;

fn start(data: &Path) -> Server {
    Server::start(data, &["--durability", "interval"])
}

/// Writes many keys by pipelined requests; returns the newest revision.
fn fill(connection: &mut Connection, namespace: &str) -> u64 {
    let mut newest = 0;
    for chunk in 0..KEYS / 100 {
        let requests: String = (0..100)
            .map(|key| {
                format!(
                    "POST /kv/{namespace}/key{chunk}-{key} HTTP/1.1\r\nHost: akvs\r\nContent-Length: 5\r\n\r\nvalue"
                )
            })
            .collect();
        connection.send(requests).unwrap();
        for _ in 0..100 {
            let answer = connection.answer().unwrap();
            assert_eq!(answer.status, 201);
            newest = answer.headers["etag"].trim_matches('"').parse().unwrap();
        }
    }
    newest
}

#[test]
fn dropping_a_namespace_needs_its_name_twice() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path());
    assert_eq!(server.ask("POST", "/kv/n%20s/key", b"value").status, 201);
    for path in [
        "/kv/n%20s",
        "/kv/n%20s?confirm=",
        "/kv/n%20s?confirm=ns",
        "/kv/n%20s?confirm",
    ] {
        let refused = server.ask("DELETE", path, b"");
        let problem = json(refused.plain().1);
        assert_eq!(
            (refused.status, &problem["code"]),
            (400, &"confirmation_required".into()),
            "{path}"
        );
    }
    let unknown = server.ask("DELETE", "/kv/n%20s?confirm=n%20s&force=1", b"");
    assert_eq!(
        (unknown.status, &json(unknown.plain().1)["parameter"]),
        (400, &"force".into())
    );
    assert_eq!(
        server.ask("GET", "/kv/n%20s/key", b"").plain(),
        (200, "value")
    );

    assert_eq!(
        server.ask("DELETE", "/kv/n%20s?confirm=n%20s", b"").plain(),
        (200, "OK")
    );
    assert_eq!(server.ask("GET", "/kv/n%20s/key", b"").status, 404);
    assert_eq!(
        server.ask("DELETE", "/kv/n%20s?confirm=n%20s", b"").plain(),
        (404, "Not Found")
    );
    server.stop();
}

#[test]
fn a_dropped_namespace_stays_dropped_after_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let mut newest = 0;
    for round in 0..3 {
        let server = start(folder.path());
        let mut connection = server.connect();
        assert_eq!(
            connection.ask("GET", "/kv/ns/key0-0", b"").unwrap().status,
            404,
            "round {round}"
        );
        newest = newest.max(fill(&mut connection, "ns"));
        assert_eq!(
            connection
                .ask("POST", "/kv/other/key", b"kept")
                .unwrap()
                .status,
            201
        );
        assert_eq!(
            connection
                .ask("DELETE", "/kv/ns?confirm=ns", b"")
                .unwrap()
                .status,
            200
        );
        // During the removal of the rows.
        server.kill();

        let server = start(folder.path());
        let created_again = server.ask("POST", "/kv/ns/new", b"value");
        let revision: u64 = created_again.headers["etag"]
            .trim_matches('"')
            .parse()
            .unwrap();
        assert!(revision > newest, "{revision} after {newest}");
        for key in ["key0-0", "key14-99"] {
            assert_eq!(server.ask("GET", &format!("/kv/ns/{key}"), b"").status, 404);
        }
        assert_eq!(server.ask("GET", "/kv/ns/new", b"").plain(), (200, "value"));
        assert_eq!(
            server.ask("GET", "/kv/other/key", b"").plain(),
            (200, "kept")
        );
        assert_eq!(server.ask("DELETE", "/kv/ns?confirm=ns", b"").status, 200);
        server.stop();
    }
}
