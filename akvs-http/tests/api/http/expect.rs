//! `Expect: 100-continue` (RFC 9110, section 10.1.1): the client sends a head, and its body after 100.

use akvs_http::{Options, Right};

use crate::tokens::{options, token};
use akvs_testing::raw::Connection;
use akvs_testing::server::TestServer;

fn head(path: &str, length: u64, more: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n{more}\r\n"
    )
}

fn assert_ended_unharmed(app: &TestServer, connection: &mut Connection) {
    // A client that does not wait sends the body after the refusal; it is not parsed as a request.
    connection.send("POST /kv/ns/hidden HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx");
    connection.end_sending();
    assert!(connection.try_answer("POST").is_none());
    assert_eq!(app.ask("GET", "/kv/ns/hidden").status, 404);
}

#[test]
fn bodies_of_many_sizes_get_100_continue_and_are_stored() {
    let app = TestServer::start();
    let mut connection = app.connect();
    for length in [1, 100, 100_000, 1 << 20] {
        connection.send(head("/kv/ns/key", length, ""));
        assert_eq!(connection.answer().status, 100, "{length}");
        let body = vec![b'x'; usize::try_from(length).expect("a length")];
        connection.send(&body);
        assert_eq!(connection.answer().status, 201, "{length}");
        assert!(app.value("/kv/ns/key") == body);
    }
}

#[test]
fn a_body_that_is_too_large_is_refused_instead_of_100_continue() {
    let app = TestServer::with(Options {
        max_value_bytes: 10,
        ..Options::default()
    });
    for length in [11, u64::MAX] {
        let mut connection = app.connect();
        connection.send(head("/kv/ns/key", length, ""));
        // The first answer: no 100 was sent before it.
        let answer = connection.answer();
        assert_eq!(answer.refusal(), (413, "too_large".into()));
        assert_eq!(answer.header("Connection"), Some("close"));
        assert_ended_unharmed(&app, &mut connection);
    }
}

#[test]
fn a_body_is_authorized_by_its_operations() {
    let app = TestServer::with(Options {
        max_value_bytes: 10,
        ..Options::default()
    });
    for (path, length, status) in [
        ("/import/ns", 1 << 40, 100),
        ("/import", 1 << 40, 100),
        ("/txn/ns", 16 << 20, 100),
        ("/get/ns", (16 << 20) + 1, 413),
        ("/txn/ns", (16 << 20) + 1, 413),
        ("/kv/ns/key", 11, 413),
    ] {
        let mut connection = app.connect();
        connection.send(head(path, length, ""));
        assert_eq!(connection.answer().status, status, "{path} {length}");
    }
}

#[test]
fn a_request_without_a_token_gets_no_100_continue() {
    let secret = token("secret", &[Right::Write], &["*"]);
    let app = TestServer::with(options(vec![secret]));
    for path in ["/kv/ns/key", "/import/ns", "/txn/ns"] {
        let mut connection = app.connect();
        connection.send(head(path, 5, ""));
        let answer = connection.answer();
        assert_eq!(answer.refusal(), (401, "unauthorized".into()), "{path}");
        assert!(answer.header("WWW-Authenticate").is_some(), "{path}");
        assert!(connection.is_ended(), "{path}");
    }
    let mut connection = app.connect();
    connection.send(head("/kv/ns/key", 5, "Authorization: Bearer secret\r\n"));
    assert_eq!(connection.answer().status, 100);
    connection.send("hello");
    assert_eq!(connection.answer().status, 201);
}

#[test]
fn a_chunked_body_gets_100_continue() {
    let app = TestServer::start();
    let mut connection = app.connect();
    connection.send(
        "POST /kv/ns/key HTTP/1.1\r\nHost: localhost\r\nExpect: 100-Continue\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    assert_eq!(connection.answer().status, 100);
    connection.send("5\r\nhello\r\n0\r\n\r\n");
    assert_eq!(connection.answer().status, 201);
    assert_eq!(app.value("/kv/ns/key"), b"hello");
}

#[test]
fn a_request_that_fails_is_answered_without_its_body() {
    let app = TestServer::start();
    for (path, more, status) in [
        ("/nope", "", 404),
        ("/kv/ns/key?tll=1", "", 400),
        ("/kv/ns/key", "If-Match: 7\r\n", 400),
    ] {
        let mut connection = app.connect();
        connection.send(head(path, 1_000_000, more));
        assert_eq!(connection.final_answer().status, status, "{path}");
        assert_ended_unharmed(&app, &mut connection);
    }
}

#[test]
fn an_unknown_expectation_is_ignored() {
    let app = TestServer::start();
    let answer = app
        .connect()
        .ask("POST", "/kv/ns/key", "Expect: miracles\r\n", b"hello");
    assert_eq!(answer.status, 201);
}

#[test]
fn a_client_of_http_1_0_gets_no_100_continue() {
    let app = TestServer::start();
    let mut connection = app.connect();
    connection
        .send("POST /kv/ns/key HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(connection.answer().status, 201);
    assert!(connection.is_ended());
}
