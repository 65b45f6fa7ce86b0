//! Chunked bodies (RFC 9112, section 7.1): split anywhere, with extensions and trailers, and malformed.

use akvs_testing::server::TestServer;

const HEAD: &str =
    "POST /kv/ns/key HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Sends these chunks, then another request on the same connection, and asserts that the value is stored.
fn assert_stored(app: &TestServer, chunks: &str, value: &str) {
    let mut connection = app.connect();
    connection.send([HEAD, chunks].concat());
    let answer = connection.answer();
    assert_eq!(answer.summary(), (201, "Created"), "{chunks:?}");
    let next = connection.ask("GET", "/kv/ns/key", "", b"");
    assert_eq!(next.summary(), (200, value), "{chunks:?}");
}

#[test]
fn a_body_split_anywhere_is_reassembled() {
    let app = TestServer::start();
    let chunks = "3;x=\"y\"\r\nhel\r\n02\r\nlo\r\n0\r\nX-Sum: 1\r\n\r\n";
    let whole = [HEAD, chunks].concat();
    for at in HEAD.len() - 5..whole.len() {
        let mut connection = app.connect();
        let path = format!("/kv/ns/{at:03}");
        let whole = whole.replace("/kv/ns/key", &path);
        let (first, second) = whole.split_at(at);
        connection.send(first);
        // After the answer to another connection's request, the server has had time to read the first part.
        assert_eq!(app.ask("GET", "/ping").status, 200);
        connection.send(second);
        assert_eq!(connection.answer().status, 201, "split at {at}");
        assert_eq!(app.value(&path), b"hello", "split at {at}");
    }
}

#[test]
fn one_chunk_for_each_byte_is_reassembled() {
    let app = TestServer::start();
    let value: String = ('a'..='z').cycle().take(5_000).collect();
    let chunks: String = value.chars().map(|c| format!("1\r\n{c}\r\n")).collect();
    assert_stored(&app, &(chunks + "0\r\n\r\n"), &value);
}

#[test]
fn chunk_extensions_and_trailers_are_ignored() {
    let app = TestServer::start();
    for chunks in [
        "5\r\nhello\r\n0\r\n\r\n",
        "0000000000000005\r\nhello\r\n000\r\n\r\n",
        "5;name=value\r\nhello\r\n0;last\r\n\r\n",
        "5;name=\"a;b\"\r\nhello\r\n0\r\n\r\n",
        "5 \t\r\nhello\r\n0\r\n\r\n",
        "5 ; name\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n",
        // `Content-Length` in a trailer is ignored.
        "5\r\nhello\r\n0\r\nContent-Length: 3\r\nTransfer-Encoding: gzip\r\n\r\n",
    ] {
        assert_stored(&app, chunks, "hello");
    }
    assert_stored(
        &app,
        "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n",
        "01234567890123456789",
    );
    assert_stored(&app, "0\r\n\r\n", "");
}

#[test]
fn malformed_chunks_store_nothing() {
    let app = TestServer::start();
    for chunks in [
        "5\nhello\r\n0\r\n\r\n",
        "5;a\nhello\r\n0\r\n\r\n",
        "5;a\0b\r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "5 5\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\r\nhello\r\n0\r\n\r\n",
        "5,\r\nhello\r\n0\r\n\r\n",
        "5_0\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\nX: y\r\r\n\r\n",
        "5\r\nhello\r\n0\r\nX-Sum\r\n\r\n",
        "5\r\nhello\r\n0\r\nX-Sum : 1\r\n\r\n",
        "5\r\nhello\r\n0\r\nX: y\r\n z\r\n\r\n",
        "5\r\nhello\r\n0\r\nX: \0\r\n\r\n",
        "5\r\nhello\r\n0\r\nX: y\n\r\n",
        // The greatest possible size; its bytes are never sent.
        "ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n",
        "5\r\nhello\r\n0\r\n",
        "5\r\nhello\r\n0\r\nX: y\r\n",
    ] {
        let mut connection = app.connect();
        connection.send([HEAD, chunks].concat());
        connection.end_sending();
        let status = connection.try_answer("POST").map(|answer| answer.status);
        assert_eq!(status, Some(400), "{chunks:?}");
        assert_eq!(app.ask("GET", "/kv/ns/key").status, 404, "{chunks:?}");
    }
}

#[test]
fn malformed_chunks_are_400_on_every_route_with_a_body() {
    let app = TestServer::start();
    for path in ["/kv/ns/key", "/txn/ns", "/get/ns", "/import/ns", "/import"] {
        for (chunks, why) in [
            ("zz\r\n", "chunk size"),
            ("2\r\n{}}}\r\n0\r\n\r\n", "longer than its size"),
            ("2\r\n{}\r\n1;\0\r\n", "extension"),
        ] {
            let mut connection = app.connect();
            let head = HEAD.replace("/kv/ns/key", path);
            // More bytes, which the server does not read.
            connection.send([&*head, chunks, &"x".repeat(100_000)].concat());
            let answer = connection.answer();
            assert_eq!(answer.refusal(), (400, "invalid_request".into()), "{path}");
            let problem = answer.problem();
            let detail = problem["detail"].as_str().unwrap_or_default();
            assert!(detail.contains(why), "{path}: {detail}");
            assert_eq!(answer.header("Connection"), Some("close"), "{path}");
            assert!(connection.is_ended(), "{path}");
        }
    }
    assert_eq!(app.ask("GET", "/kv/ns/key").status, 404);
}

#[test]
fn an_unread_chunked_body_does_not_affect_the_next_request() {
    let app = TestServer::start();
    app.post("/kv/ns/key", "value");
    let body = format!("{:x}\r\n{}\r\n0\r\n\r\n", 200_000, "x".repeat(200_000));
    for (method, path, status) in [
        ("GET", "/kv/ns/key", 200),
        ("PUT", "/kv/ns/key", 405),
        ("POST", "/nope", 404),
        ("GET", "/ping", 200),
    ] {
        let mut connection = app.connect();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
        connection.send([&*head, &body].concat());
        assert_eq!(connection.answer().status, status, "{method} {path}");
        let next = connection.ask("GET", "/kv/ns/key", "", b"");
        assert_eq!(next.text(), "value", "{method} {path}");
    }
}
