//! A store of an earlier moment reuses no revision, and watchers of later ones are reset.

use std::path::Path;

use super::{back_up, restore};
use crate::common::{Answer, Server};

/// Sends a request with a header field; returns the head of the response.
fn ask(server: &Server, method: &str, path: &str, field: &str) -> Answer {
    let mut connection = server.connect();
    let request =
        format!("{method} {path} HTTP/1.1\r\nHost: akvs\r\nContent-Length: 0\r\n{field}\r\n\r\n");
    connection.send(request).unwrap();
    connection.head().unwrap()
}

fn revision(answer: &Answer) -> u64 {
    answer.headers["etag"].trim_matches('"').parse().unwrap()
}

/// Stores a value; returns its revision.
#[track_caller]
fn set(server: &Server, path: &str) -> u64 {
    let answer = server.ask("POST", path, b"value");
    assert!([200, 201].contains(&answer.status), "{answer:?}");
    revision(&answer)
}

/// Asserts that a revision of another history matches nothing.
#[track_caller]
fn assert_of_another_history(server: &Server, seen: u64) {
    let since = format!("/watch/r?since={seen}");
    for (method, path, field, status) in [
        ("GET", &*since, String::new(), 410),
        ("HEAD", &since, String::new(), 410),
        ("GET", "/watch/r", format!("Last-Event-ID: {seen}"), 410),
        (
            "GET",
            "/watch/r?key=acct&since=1",
            format!("Last-Event-ID: {seen}"),
            410,
        ),
        (
            "GET",
            "/kv/r/acct",
            format!("If-None-Match: \"{seen}\""),
            200,
        ),
        (
            "GET",
            "/kv/r/acct",
            format!("Prefer: wait=60\r\nIf-None-Match: \"{seen}\""),
            200,
        ),
        ("GET", "/kv/r/acct", format!("If-Match: \"{seen}\""), 412),
        ("POST", "/kv/r/acct", format!("If-Match: \"{seen}\""), 412),
        ("DELETE", "/kv/r/acct", format!("If-Match: \"{seen}\""), 412),
    ] {
        let answer = ask(server, method, path, &field);
        assert_eq!(answer.status, status, "{method} {path} {field}");
    }
}

fn restored(file: &Path, data: &Path) -> Server {
    restore(file, data);
    Server::start(data, &[])
}

#[test]
fn a_restored_store_reuses_no_revision() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let server = Server::start(&path("data"), &[]);
    let kept: Vec<u64> = (0..5).map(|_| set(&server, "/kv/r/acct")).collect();
    assert_eq!(kept, [1, 2, 3, 4, 5], "a new store begins at 1");
    back_up(&path("data"), &path("file"));
    let mut seen: Vec<u64> = (0..3).map(|_| set(&server, "/kv/r/acct")).collect();
    server.stop();
    for round in 0..2 {
        let server = restored(&path("file"), &path(&format!("again{round}")));
        let new: Vec<u64> = (0..4).map(|_| set(&server, "/kv/r/acct")).collect();
        for revision in &new {
            assert!(
                !seen.contains(revision) && *revision < 1 << 53,
                "{revision}"
            );
        }
        for revision in &seen {
            assert_of_another_history(&server, *revision);
        }
        assert_eq!(
            ask(&server, "GET", "/watch/r?since=9007199254740991", "").status,
            410
        );
        // A watch from a revision of the backup resumes without a gap.
        for (since, first) in [(4, 5), (5, new[0])] {
            let mut connection = server.connect();
            let request = format!("GET /watch/r?since={since} HTTP/1.1\r\nHost: akvs\r\n\r\n");
            connection.send(request).unwrap();
            assert_eq!(connection.head().unwrap().status, 200);
            let mut events = String::new();
            while !events.contains(&format!("id: {}\n", new[3])) {
                events += std::str::from_utf8(&connection.chunk().unwrap()).unwrap();
            }
            let id = events.lines().find_map(|line| line.strip_prefix("id: "));
            assert_eq!(id, Some(&*first.to_string()), "{events}");
        }
        seen.extend(new);
        server.stop();
    }
}

#[test]
fn a_memory_server_reuses_no_revision() {
    let folder = tempfile::tempdir().unwrap();
    let mut seen = Vec::new();
    for _ in 0..3 {
        let server = Server::start(folder.path(), &["--engine", "memory"]);
        let new: Vec<u64> = (0..4).map(|_| set(&server, "/kv/r/acct")).collect();
        for revision in &new {
            assert!(
                !seen.contains(revision) && *revision < 1 << 53,
                "{revision}"
            );
        }
        for revision in &seen {
            assert_of_another_history(&server, *revision);
        }
        assert_of_another_history(&server, 8);
        seen.extend(new);
        server.stop();
    }
}
