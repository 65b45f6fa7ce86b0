//! Requests whose end is ambiguous: they are refused and the connection is closed, so that no request can be hidden
//! from a proxy in front of the server (RFC 9112, section 11.2).

use akvs_testing::server::TestServer;

/// A request that must not be read: it would be if the end of the one before it were misread.
const HIDDEN: &str = "POST /kv/ns/hidden HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx";

/// Sends a head with these fields, then a body, then the hidden request. Returns the status of the only answer, if
/// there is one, and asserts that the connection is closed and that nothing is stored.
fn refusal(app: &TestServer, fields: &str, body: &str) -> Option<u16> {
    let mut connection = app.connect();
    let head = format!("POST /kv/ns/key HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
    connection.send([&*head, body, HIDDEN].concat());
    let answer = connection.try_answer("POST");
    assert!(
        connection.is_ended(),
        "{fields:?} {body:?} leaves the connection open"
    );
    for key in ["key", "hidden"] {
        let status = app.ask("GET", &format!("/kv/ns/{key}")).status;
        assert_eq!(status, 404, "{fields:?} {body:?} stored {key}");
    }
    answer.map(|answer| answer.status)
}

fn assert_refused(app: &TestServer, fields: &str, body: &str) {
    assert_eq!(refusal(app, fields, body), Some(400), "{fields:?} {body:?}");
}

#[test]
fn a_content_length_that_is_not_a_number_is_refused() {
    let app = TestServer::start();
    for length in [
        "abc",
        "-1",
        "+5",
        "5x",
        "0x5",
        "5.0",
        "5 5",
        "\"5\"",
        "",
        "99999999999999999999999",
    ] {
        assert_refused(&app, &format!("Content-Length: {length}\r\n"), "hello");
    }
}

#[test]
fn different_content_lengths_are_refused() {
    let app = TestServer::start();
    assert_refused(&app, "Content-Length: 5\r\nContent-Length: 6\r\n", "hello");
    assert_refused(&app, "Content-Length: 5, 6\r\n", "hello");
}

#[test]
fn a_content_length_with_a_transfer_encoding_is_refused() {
    let app = TestServer::start();
    let chunks = "5\r\nhello\r\n0\r\n\r\n";
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 15\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: Chunked\r\nContent-Length: 0\r\n",
    ] {
        assert_refused(&app, fields, chunks);
    }
}

#[test]
fn a_transfer_encoding_that_does_not_end_in_chunked_is_refused() {
    let app = TestServer::start();
    let chunks = "5\r\nhello\r\n0\r\n\r\n";
    for encoding in [
        "gzip",
        "xchunked",
        "chunked, gzip",
        "chunked, identity",
        "chunked, chunked",
        "identity",
        "\"chunked\"",
        "",
    ] {
        assert_refused(&app, &format!("Transfer-Encoding: {encoding}\r\n"), chunks);
    }
    assert_refused(
        &app,
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        chunks,
    );
}

#[test]
fn a_malformed_field_is_refused() {
    let app = TestServer::start();
    for fields in [
        "Content-Length : 5\r\n",
        " Content-Length: 5\r\n",
        "Content-Length: 5\r\n folded: 6\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Content-Length\r\n",
        "Content\0Length: 5\r\n",
        "Content-Length: 5\0\r\n",
    ] {
        assert_refused(&app, fields, "hello");
    }
}

#[test]
fn a_malformed_chunk_stores_nothing_and_closes_the_connection() {
    let app = TestServer::start();
    for chunks in [
        "x\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
        "5\r\nhelloXX0\r\n\r\n",
        "4\r\nhello\r\n0\r\n\r\n",
        "\r\nhello\r\n0\r\n\r\n",
    ] {
        assert_refused(&app, "Transfer-Encoding: chunked\r\n", chunks);
    }
}

#[test]
fn bytes_that_are_not_http_are_refused() {
    let app = TestServer::start();
    for bytes in [
        &b"\0\0\0\0\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"GET /kv/ns/key\r\n\r\n",
        b"GET /kv/ns/key HTTP/9.9\r\n\r\n",
        b"GET /kv/ns/key XTTP/1.1\r\n\r\n",
        b"GET /kv/ns/a key HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"\xff\xfe\xfd HTTP/1.1\r\n\r\n",
    ] {
        let mut connection = app.connect();
        connection.send(bytes);
        connection.end_sending();
        if let Some(answer) = connection.try_answer("GET") {
            assert!((400..600).contains(&answer.status), "{bytes:?}: {answer:?}");
        }
        assert!(connection.is_ended(), "{bytes:?}");
    }
    assert_eq!(app.post("/kv/ns/key", "alive").status, 201);
}
