//! Bodies that look like requests (RFC 9112, section 11.2): the length of a body is read in exactly one way or refused,
//! and no part of a body is executed.

use akvs_http::Options;

use akvs_testing::server::TestServer;

/// A request that would store a value if a body were parsed as a request.
const HIDDEN: &str = "POST /kv/ns/hidden HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx";

/// Returns the statuses of all answers to these bytes, after which nothing is sent. Asserts that the hidden request was
/// not executed.
fn statuses(app: &TestServer, bytes: impl AsRef<[u8]>) -> Vec<u16> {
    let bytes = bytes.as_ref();
    let method = if bytes.starts_with(b"HEAD") {
        "HEAD"
    } else {
        "GET"
    };
    let statuses = app.connect().statuses(method, bytes);
    assert_eq!(
        app.ask("GET", "/kv/ns/hidden").status,
        404,
        "it was executed: {}",
        bytes.escape_ascii()
    );
    statuses
}

fn request(method: &str, path: &str, fields: &str, body: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n{body}")
}

fn chunked(body: &str) -> String {
    format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
}

#[test]
fn a_body_that_looks_like_a_request_is_a_body_on_every_method_and_path() {
    let app = TestServer::start();
    let length = format!("Content-Length: {}\r\n", HIDDEN.len());
    for (method, path, status) in [
        ("POST", "/kv/ns/key", 201),
        ("GET", "/kv/ns/key", 200),
        ("HEAD", "/kv/ns/key", 200),
        ("OPTIONS", "/kv/ns/key", 204),
        ("PUT", "/kv/ns/key", 405),
        ("POST", "/kv/ns/key?tll=1", 400),
        ("POST", "/kv/ns/%", 400),
        ("DELETE", "/kv/ns/key", 200),
        ("GET", "/kv/ns", 200),
        ("GET", "/watch/", 404),
        ("POST", "/txn/ns", 400),
        ("POST", "/get/ns", 400),
        ("GET", "/ping", 200),
        ("POST", "/ping", 405),
        ("POST", "/nope", 404),
    ] {
        let by_length = request(method, path, &length, HIDDEN);
        assert_eq!(statuses(&app, by_length), [status], "{method} {path}");
        let in_chunks = request(
            method,
            path,
            "Transfer-Encoding: chunked\r\n",
            &chunked(HIDDEN),
        );
        assert_eq!(
            statuses(&app, in_chunks),
            [status],
            "{method} {path}, chunked"
        );
    }
}

#[test]
fn a_body_that_is_refused_for_its_length_is_not_executed() {
    let app = TestServer::with(Options {
        max_value_bytes: 10,
        ..Options::default()
    });
    for fields in [
        "Content-Length: 99999\r\n",
        "Content-Length: 99999\r\nExpect: 100-continue\r\n",
        "Content-Length: 18446744073709551615\r\n",
        "Content-Length: 9223372036854775808\r\nExpect: 100-continue\r\n",
    ] {
        let sent = request("POST", "/kv/ns/key", fields, HIDDEN);
        assert_eq!(statuses(&app, sent), [413], "{fields:?}");
    }
    let sent = request(
        "POST",
        "/kv/ns/key",
        "Transfer-Encoding: chunked\r\n",
        &chunked(HIDDEN),
    );
    assert_eq!(statuses(&app, sent), [413]);
}

#[test]
fn valid_spellings_of_a_length_mean_the_same_number() {
    let app = TestServer::start();
    for length in [
        "5",
        " 5",
        "\t5",
        "5 ",
        "5\t ",
        "05",
        "0000000000000000000000005",
    ] {
        let sent = request(
            "POST",
            "/kv/ns/key",
            &format!("Content-Length:{length}\r\n"),
            "hello",
        );
        let next = request("GET", "/kv/ns/key", "", "");
        assert_eq!(statuses(&app, sent + &next), [201, 200], "{length:?}");
        assert_eq!(app.value("/kv/ns/key"), b"hello");
        app.ask("DELETE", "/kv/ns/key");
    }
}

#[test]
fn invalid_spellings_of_a_length_close_the_connection() {
    let app = TestServer::start();
    for fields in [
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 0\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\ncontent-length: 0\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: 5,\r\n",
        "Content-Length: 5;\r\n",
        "Content-Length: 1_0\r\n",
        "Content-Length: 5\x0b\r\n",
        "Content-Length: 5e0\r\n",
        "Content-Length: \u{665}\r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Content-Length: 18446744073709551621\r\n",
    ] {
        let sent = request("POST", "/kv/ns/key", fields, "hello");
        assert_eq!(statuses(&app, sent + HIDDEN), [400], "{fields:?}");
        assert_eq!(app.ask("GET", "/kv/ns/key").status, 404, "{fields:?}");
    }
}

#[test]
fn valid_spellings_of_chunked_mean_chunked() {
    let app = TestServer::start();
    for encoding in [
        "chunked",
        " chunked",
        "\tchunked",
        "chunked \t",
        "CHUNKED",
        "cHuNkEd",
    ] {
        let fields = format!("Transfer-Encoding:{encoding}\r\n");
        let sent = request("POST", "/kv/ns/key", &fields, &chunked(HIDDEN));
        let next = request("GET", "/kv/ns/key", "", "");
        assert_eq!(statuses(&app, sent + &next), [201, 200], "{encoding:?}");
        assert_eq!(app.value("/kv/ns/key"), HIDDEN.as_bytes());
    }
}

#[test]
fn invalid_spellings_of_chunked_close_the_connection() {
    let app = TestServer::start();
    for fields in [
        "Transfer-Encoding: \x0bchunked\r\n",
        "Transfer-Encoding: \x0cchunked\r\n",
        "Transfer-Encoding: chunked\x0b\r\n",
        "Transfer-Encoding: \u{a0}chunked\r\n",
        "Transfer-Encoding: chun\u{212a}ed\r\n",
        "Transfer-Encoding: chunked;a=b\r\n",
        "Transfer-Encoding: ,chunked\r\n",
        "Transfer-Encoding: chunked,\r\n",
        "Transfer-Encoding: identity, chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: identity\r\nContent-Length: 5\r\n",
        "Transfer-Encoding:\r\n chunked\r\n",
        "Transfer-Encoding\x0b: chunked\r\n",
        "Transfer-Encoding\t: chunked\r\nContent-Length: 5\r\n",
        "X: a\rTransfer-Encoding: chunked\r\n",
    ] {
        let sent = request("POST", "/kv/ns/key", fields, "5\r\nhello\r\n0\r\n\r\n");
        assert_eq!(statuses(&app, sent + HIDDEN), [400], "{fields:?}");
        assert_eq!(app.ask("GET", "/kv/ns/key").status, 404, "{fields:?}");
    }
}

#[test]
fn a_field_that_resembles_transfer_encoding_is_ignored() {
    let app = TestServer::start();
    let body = chunked(HIDDEN);
    for name in [
        "Transfer_Encoding",
        "TransferEncoding",
        "X-Transfer-Encoding",
        "TE",
    ] {
        let fields = format!("{name}: chunked\r\nContent-Length: {}\r\n", body.len());
        let sent = request("POST", "/kv/ns/key", &fields, &body);
        assert_eq!(statuses(&app, sent), [201], "{name}");
        assert_eq!(app.value("/kv/ns/key"), body.as_bytes(), "{name}");
    }
}

#[test]
fn a_malformed_field_line_is_refused_with_the_reason() {
    let app = TestServer::start();
    let get = |fields: &str| request("GET", "/ping", fields, "");
    for (line, reason) in [
        ("foo", "invalid field name"),
        ("foo : x", "invalid field name"),
        ("foo\t: x", "invalid field name"),
        (": x", "invalid field name"),
        ("(x): y", "invalid field name"),
        ("x: a\0b", "invalid character in a field value"),
        (
            "x: a value of some length\0",
            "invalid character in a field value",
        ),
        (
            "x: a value of some length\x7f",
            "invalid character in a field value",
        ),
    ] {
        let malformed = get(&format!("{line}\r\n"));
        for before in ["", &get(""), &get("").repeat(3)] {
            let mut connection = app.connect();
            connection.send(before.to_owned() + &malformed + HIDDEN);
            for _ in 0..before.matches("/ping").count() {
                assert_eq!(connection.answer().text(), "pong", "{line:?}");
            }
            let answer = connection.answer();
            assert_eq!(
                answer.refusal(),
                (400, "invalid_request".into()),
                "{line:?}"
            );
            let detail = answer.problem()["detail"].to_string();
            assert!(detail.contains(reason), "{line:?}: {detail}");
            assert!(connection.is_ended(), "{line:?}");
        }
    }
    for line in ["x:", "x:y", "x: a\tb", "x: \u{e9}", "!#$%&'*+-.^_`|~09: y"] {
        let same = get(&format!("{line}\r\n")).repeat(2);
        assert_eq!(statuses(&app, same), [200, 200], "{line:?}");
    }
}

#[test]
fn http_1_0_requires_a_content_length_and_has_no_chunks() {
    let app = TestServer::start();
    for fields in [
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: identity\r\nContent-Length: 5\r\n",
        "",
    ] {
        let head = format!("POST /kv/ns/key HTTP/1.0\r\n{fields}\r\n");
        let sent = [&*head, "5\r\nhello\r\n0\r\n\r\n", HIDDEN].concat();
        assert_eq!(statuses(&app, sent), [400], "{fields:?}");
        assert_eq!(app.ask("GET", "/kv/ns/key").status, 404, "{fields:?}");
    }
}

#[test]
fn a_request_among_the_trailers_is_not_executed() {
    let app = TestServer::start();
    let chunks = "5\r\nhello\r\n0\r\n";
    // Without the empty line that ends the chunks, its first line is a malformed trailer.
    let sent = request(
        "POST",
        "/kv/ns/key",
        "Transfer-Encoding: chunked\r\n",
        chunks,
    );
    assert_eq!(statuses(&app, sent + HIDDEN), [400]);
    // An empty line must end in both bytes.
    let sent = request(
        "POST",
        "/kv/ns/key",
        "Transfer-Encoding: chunked\r\n",
        chunks,
    );
    assert_eq!(statuses(&app, sent + "X: y\n\n" + HIDDEN), [400]);
    let sent = request(
        "POST",
        "/kv/ns/key",
        "Transfer-Encoding: chunked\r\n",
        chunks,
    );
    assert_eq!(statuses(&app, sent + "\n\n" + HIDDEN), [400]);
}

#[test]
fn an_upgrade_header_does_not_change_how_the_body_is_read() {
    let app = TestServer::start();
    for upgrade in [
        "Connection: Upgrade\r\nUpgrade: websocket\r\n",
        "Upgrade: websocket\r\n",
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
        "connection: keep-alive\r\nconnection: upgrade\r\nupgrade: h2c, websocket\r\n",
    ] {
        let length = format!("{upgrade}Content-Length: {}\r\n", HIDDEN.len());
        let chunks = format!("{upgrade}Transfer-Encoding: chunked\r\n");
        for (method, status) in [("POST", 201), ("GET", 200), ("PUT", 405)] {
            for (fields, body) in [(&length, HIDDEN.to_owned()), (&chunks, chunked(HIDDEN))] {
                // The connection stays open after either request.
                let first = request(method, "/kv/ns/key", fields, &body);
                let next = request("GET", "/ping", upgrade, "");
                assert_eq!(
                    statuses(&app, first + &next + &request("GET", "/ping", "", "")),
                    [status, 200, 200],
                    "{method} {fields:?}"
                );
            }
        }
        assert_eq!(app.value("/kv/ns/key"), HIDDEN.as_bytes());
    }
    // A request with both lengths is refused nevertheless.
    let fields = "Upgrade: websocket\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n";
    let sent = request("POST", "/kv/ns/other", fields, "5\r\nhello\r\n0\r\n\r\n");
    assert_eq!(statuses(&app, sent + HIDDEN), [400]);
}
