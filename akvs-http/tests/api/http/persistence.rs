//! Persistent connections and pipelining (RFC 9112, section 9).

use akvs_testing::raw::{ANSWER_TIMEOUT, Answer, Connection, request};
use akvs_testing::server::TestServer;

#[test]
fn a_connection_is_kept_unless_one_side_closes_it() {
    let app = TestServer::start();
    for (version, field, stays) in [
        ("1.1", "", true),
        ("1.1", "Connection: keep-alive\r\n", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "connection: Keep-Alive, CLOSE\r\n", false),
        ("1.0", "", false),
        ("1.0", "Connection: keep-alive\r\n", true),
        ("1.0", "Connection: close\r\n", false),
    ] {
        let mut connection = app.connect();
        let get = format!("GET /ping HTTP/{version}\r\nHost: localhost\r\n{field}\r\n");
        connection.send(&get);
        let first = connection.answer();
        assert_eq!(first.summary(), (200, "pong"), "{version} {field:?}");
        if stays {
            assert_ne!(first.header("Connection"), Some("close"));
            connection.send(&get);
            assert_eq!(connection.answer().text(), "pong", "{version} {field:?}");
        } else {
            assert!(connection.is_ended(), "{version} {field:?}");
        }
    }
}

#[test]
fn a_half_closed_connection_receives_all_its_answers() {
    let app = TestServer::start();
    let mut connection = app.connect();
    let posts: Vec<_> = (0..10)
        .map(|n| request("POST", &format!("/kv/ns/{n}"), "", b"value"))
        .collect();
    connection.send(posts.concat());
    connection.end_sending();
    for _ in 0..10 {
        assert_eq!(connection.answer().status, 201);
    }
    assert!(connection.is_ended());
}

#[test]
fn an_answer_to_head_has_no_body_whatever_its_content_length() {
    let app = TestServer::start();
    app.post("/kv/ns/key", "value");
    let mut connection = app.connect();
    for (path, status, length) in [
        ("/kv/ns/key", 200, "5"),
        ("/kv/ns/missing", 404, "9"),
        ("/ping", 200, "4"),
        ("/nope", 404, "9"),
        ("/kv/ns", 200, ""),
        ("/kv", 200, ""),
        ("/kv/ns/%", 400, ""),
    ] {
        let answer = connection.ask("HEAD", path, "", b"");
        assert_eq!(answer.status, status, "{path}");
        if !length.is_empty() {
            assert_eq!(answer.header("Content-Length"), Some(length), "{path}");
        }
        // If there had been a body, this answer would begin with it.
        let next = connection.ask("GET", "/ping", "", b"");
        assert_eq!(next.text(), "pong", "{path}");
    }
    let heads = request("HEAD", "/kv/ns/key", "", b"").repeat(20);
    connection.send(heads);
    for _ in 0..20 {
        assert_eq!(
            connection.answer_to("HEAD").header("Content-Length"),
            Some("5")
        );
    }
}

#[test]
fn thousands_of_pipelined_reads_are_answered_in_order() {
    let app = TestServer::start();
    for n in 0..50 {
        app.post(&format!("/kv/ns/{n}"), n.to_string());
    }
    let mut connection = app.connect();
    let paths = || (0..2_000).map(|n| format!("/kv/ns/{}", n % 50));
    for (n, answer) in connection.ask_all("GET", paths(), b"").iter().enumerate() {
        assert_eq!(answer.text(), (n % 50).to_string());
    }
    // All requests are sent in one write, whatever fits into which buffer.
    let all: Vec<_> = paths().map(|path| request("GET", &path, "", b"")).collect();
    connection.send(all.concat());
    for n in 0..2_000 {
        assert_eq!(connection.answer().text(), (n % 50).to_string());
    }
}

/// Pipelines writes of this size, and returns the answers until the connection ends.
fn pipelined(connection: &mut Connection, bytes: usize, count: usize) -> Vec<Answer> {
    let writes: Vec<_> = (0..count)
        .map(|n| request("POST", &format!("/kv/{bytes}/{n}"), "", &body(bytes, n)))
        .collect();
    connection.send(writes.concat());
    let mut answers = Vec::new();
    while answers.len() < count
        && let Some(answer) = connection.try_answer("POST")
    {
        answers.push(answer);
    }
    answers
}

fn body(bytes: usize, n: usize) -> Vec<u8> {
    n.to_string().bytes().cycle().take(bytes).collect()
}

#[test]
fn pipelined_writes_are_answered_in_order_and_stored_under_their_keys() {
    let app = TestServer::start();
    for bytes in [1, 1_000, 10_000, 33_000, 100_000, 500_000] {
        let mut connection = app.connect();
        let answers = pipelined(&mut connection, bytes, 8);
        assert_eq!(answers.len(), 8, "{bytes}");
        let mut revision = 0;
        for (n, answer) in answers.iter().enumerate() {
            assert_eq!(answer.summary(), (201, "Created"), "{bytes} {n}");
            assert!(answer.revision() > revision, "{bytes} {n}");
            revision = answer.revision();
            let stored = app.ask("GET", &format!("/kv/{bytes}/{n}"));
            assert_eq!(stored.revision(), revision, "{bytes} {n}");
            assert!(stored.body == body(bytes, n), "{bytes} {n}");
        }
    }
}

#[test]
fn small_pipelined_writes_are_all_answered() {
    let app = TestServer::start();
    let mut connection = app.connect();
    assert_eq!(pipelined(&mut connection, 100, 100).len(), 100);
}

#[test]
fn an_answer_with_close_is_the_last() {
    let app = TestServer::start();
    app.post("/kv/ns/key", "value");
    let large = vec![b'x'; 200_000];
    for (method, path) in [("POST", "/nope"), ("PUT", "/kv/ns/key"), ("GET", "/ping")] {
        let mut connection = app.connect();
        let answer = connection.ask(method, path, "", &large);
        if answer.header("Connection") == Some("close") {
            connection.send(request("POST", "/kv/ns/late", "", b"x"));
            connection.end_sending();
            assert!(connection.try_answer("POST").is_none(), "{method} {path}");
            assert_eq!(app.ask("GET", "/kv/ns/late").status, 404);
        }
    }
}

#[test]
fn each_pipelined_request_gets_its_own_answer() {
    let app = TestServer::start();
    app.post("/kv/ns/key", "value");
    let old = "GET /kv/ns/key HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".as_bytes();
    let new = request("GET", "/kv/ns/key", "", b"");
    let close = request("GET", "/kv/ns/key", "Connection: close\r\n", b"");
    let write = request("POST", "/kv/ns/late", "", b"late");
    for first in [
        old.to_vec(),
        new.clone(),
        request("DELETE", "/kv/ns/none", "", b""),
    ] {
        let mut connection = app.connect();
        connection.send([&first[..], old, &new, &close, &write, &new].concat());
        for (number, closes) in [false, false, false, true].into_iter().enumerate() {
            let answer = connection.answer();
            assert_eq!(answer.status, 200, "{number}");
            let said = answer.header("Connection");
            assert_eq!(said == Some("close"), closes, "{number}: {said:?}");
        }
        assert!(connection.is_ended());
        assert_eq!(app.ask("GET", "/kv/ns/late").status, 404);
    }
}

#[test]
fn no_request_is_executed_after_one_that_closes_the_connection() {
    let app = TestServer::start();
    let late = request("POST", "/kv/ns/late", "", b"late");
    for last in [
        request("POST", "/kv/ns/key", "Connection: close\r\n", b"value"),
        request("DELETE", "/kv/ns/key", "connection: x, Close\r\n", b""),
        b"GET /ping HTTP/1.0\r\n\r\n".to_vec(),
        b"POST /kv/ns/key HTTP/1.0\r\nContent-Length: 5\r\n\r\nvalue".to_vec(),
        b"GET /ping HTTP/1.1\r\n\r\n".to_vec(),
    ] {
        // The requests are sent in one write, and with a pause between them.
        for waits in [false, true] {
            let mut connection = app.connect();
            connection.send(&last);
            if waits {
                assert!(connection.has_input(ANSWER_TIMEOUT));
            }
            connection.send(&late);
            assert!(connection.try_answer("GET").is_some());
            assert!(connection.is_ended());
            assert_eq!(app.ask("GET", "/kv/ns/late").status, 404);
        }
    }
}

#[test]
fn an_http_1_0_client_gets_no_chunks() {
    for keep in ["", "Connection: keep-alive\r\n"] {
        let app = TestServer::start();
        for n in 0..10 {
            app.post(&format!("/kv/ns/{n}"), n.to_string());
        }
        for path in [
            "/export",
            "/export/ns",
            "/kv/ns",
            "/kv/ns?values=true",
            "/watch/ns?since=0",
        ] {
            let mut connection = app.connect();
            let accept = match path {
                "/kv/ns" | "/kv/ns?values=true" => "Accept: application/x-ndjson\r\n",
                _ => "",
            };
            connection.send(format!("GET {path} HTTP/1.0\r\n{keep}{accept}\r\n"));
            let head = connection.head().expect("an answer");
            assert_eq!(head.status, 200, "{path}");
            assert_eq!(head.header("Transfer-Encoding"), None, "{path}");
            if path.starts_with("/watch") {
                app.end_watches();
            }
            let body = connection.rest();
            // A chunk size would precede the bytes.
            let begin = match path.starts_with("/watch") {
                true => {
                    body.starts_with(b":")
                        || body.starts_with(b"event:")
                        || body.starts_with(b"id:")
                        || body.starts_with(b"retry:")
                }
                false => body.starts_with(b"{"),
            };
            assert!(begin, "{path}: {}", body.escape_ascii());
            assert!(!body.ends_with(b"0\r\n\r\n"), "{path}");
        }
    }
}
