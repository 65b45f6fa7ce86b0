//! Request lines and hosts (RFC 9112, sections 2 and 3): which spellings name a key, and which are malformed.

use akvs_testing::server::TestServer;

/// Returns the statuses of all answers on a connection to these bytes, after which nothing more is sent.
fn statuses(app: &TestServer, bytes: impl AsRef<[u8]>) -> Vec<u16> {
    app.connect().statuses("GET", bytes)
}

fn get(target: &[u8]) -> Vec<u8> {
    [b"GET ", target, b" HTTP/1.1\r\nHost: localhost\r\n\r\n"].concat()
}

#[test]
fn a_target_in_absolute_form_names_the_same_key() {
    let app = TestServer::start();
    app.post("/kv/ns/a%2Fb", "value");
    for target in [
        "http://localhost/kv/ns/a%2Fb",
        "HTTP://other:81/kv/ns/a%2Fb/",
        "https://localhost/kv/ns/~64/YS9i",
    ] {
        assert_eq!(app.value(target), b"value", "{target}");
    }
    assert_eq!(
        app.ask("GET", "http://localhost").status,
        app.ask("GET", "/").status
    );
    let answer = app.ask("POST", "http://localhost/kv/ns/%");
    assert_eq!(answer.refusal(), (400, "invalid_key".into()));
}

#[test]
fn a_path_is_not_normalized() {
    let app = TestServer::start();
    app.post("/kv/ns/key", "value");
    for path in [
        "//kv/ns/key",
        "/kv//key",
        "/kv//ns/key",
        "/kv/ns//key",
        "/kv/ns/./key",
        "/kv/other/../ns/key",
        "/./kv/ns/key",
        "/KV/ns/key",
        "/%6Bv/ns/key",
        "/kv%2Fns%2Fkey",
        "/kv/ns/key;v=1",
        "*",
        "localhost:80",
    ] {
        assert_eq!(app.ask("GET", path).status, 404, "{path}");
    }
}

#[test]
fn dot_segments_are_keys() {
    let app = TestServer::start();
    for (path, same) in [
        ("/kv/ns/.", "/kv/ns/~64/Lg"),
        ("/kv/../..", "/kv/../~64/Li4"),
    ] {
        assert_eq!(app.post(path, path).status, 201);
        assert_eq!(app.value(same), path.as_bytes());
    }
}

#[test]
fn a_fragment_is_not_part_of_the_key() {
    let app = TestServer::start();
    app.post("/kv/ns/key", "value");
    assert_eq!(app.value("/kv/ns/key#part"), b"value");
    assert_eq!(app.ask("GET", "/kv/ns/a%23b").status, 404);
}

#[test]
fn a_target_with_invalid_bytes_is_400() {
    let app = TestServer::start();
    for target in [
        &b"/kv/ns/\xff"[..],
        b"/kv/ns/\xc3\xbc",
        b"/kv/ns/key?\xff",
        b"/kv/ns/a\x01b",
        b"/kv/ns/a\x7fb",
        b"/kv/ns/a\0b",
        b"/kv/ns/a b",
        b"kv/ns/key",
        b"",
    ] {
        assert_eq!(
            statuses(&app, get(target)),
            [400],
            "{}",
            target.escape_ascii()
        );
    }
}

#[test]
fn the_error_of_an_invalid_target_names_the_byte() {
    let app = TestServer::start();
    for (target, why) in [
        (
            &b"/kv/ns/<b>"[..],
            "'<' in the request target: write it as %3C",
        ),
        (
            b"/kv/ns/a?prefix=\"",
            "'\"' in the request target: write it as %22",
        ),
        (b"/kv/ns/a`", "'`' in the request target: write it as %60"),
        (
            b"/kv/ns/\xc3\xbc",
            "0xc3 in the request target: write it as %C3",
        ),
        (b"/kv/ns/a b", "space in the target as %20"),
        (b"kv/ns/key", "\"kv/ns/key\": expected a path"),
    ] {
        let mut connection = app.connect();
        connection.send(get(target));
        let answer = connection.answer();
        assert_eq!(answer.refusal(), (400, "invalid_request".into()));
        let problem = answer.problem();
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(why), "{detail}");
        assert!(connection.is_ended());
    }
}

#[test]
fn a_request_has_exactly_one_host() {
    let app = TestServer::start();
    for (hosts, status) in [
        ("", 400),
        ("Host: a\r\nHost: a\r\n", 400),
        ("Host: a\r\nHost: b\r\n", 400),
        ("host: a\r\n", 200),
        ("Host:\r\n", 200),
        ("Host: [::1]:8080\r\n", 200),
        ("Host: localhost:80\r\n", 200),
        ("Host: a b/c\r\n", 400),
        ("Host: a/c\r\n", 400),
        ("Host: a@b\r\n", 400),
        ("Host: a:b\r\n", 400),
        ("Host: a, b\r\n", 400),
        ("Host: <a>\r\n", 400),
        ("Host: [::1\r\n", 400),
        ("Host: a\r\nhost: b\r\n", 400),
    ] {
        let request = format!("GET /ping HTTP/1.1\r\n{hosts}\r\n");
        assert_eq!(statuses(&app, request), [status], "{hosts:?}");
    }
    assert_eq!(statuses(&app, "GET /ping HTTP/1.0\r\n\r\n"), [200]);
}

#[test]
fn a_request_line_has_three_parts_and_a_supported_version() {
    let app = TestServer::start();
    let rest = "\r\nHost: localhost\r\n\r\n";
    for line in [
        "GET /ping HTTP/1.2",
        "GET /ping HTTP/2.0",
        "GET /ping HTTP/0.9",
        "GET /ping HTTP/1.1x",
        "GET /ping HTTP/01.1",
        "GET /ping http/1.1",
        "GET /ping",
        "GET  /ping HTTP/1.1",
        "GET /ping  HTTP/1.1",
        "GET /ping HTTP/1.1 ",
        " GET /ping HTTP/1.1",
        "GET\t/ping\tHTTP/1.1",
        "GET /ping HTTP/1.1\r",
        "G\u{e9}T /ping HTTP/1.1",
        "GE(T /ping HTTP/1.1",
    ] {
        let request = format!("{line}{rest}POST /kv/ns/hidden HTTP/1.1{rest}");
        assert_eq!(statuses(&app, request), [400], "{line:?}");
    }
    assert_eq!(app.ask("GET", "/kv/ns/hidden").status, 404);
}

#[test]
fn lines_before_a_request_are_skipped_and_a_bare_line_feed_ends_a_line() {
    let app = TestServer::start();
    for request in [
        "\r\nGET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "\r\n\r\n\nGET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /ping HTTP/1.1\nHost: localhost\n\n",
    ] {
        assert_eq!(statuses(&app, request), [200], "{request:?}");
    }
    assert_eq!(
        statuses(&app, "GET /ping HTTP/1.1\rHost: localhost\r\r"),
        [400]
    );
}

#[test]
fn methods_are_case_sensitive() {
    let app = TestServer::start();
    app.post("/kv/ns/key", "value");
    for method in [
        "get", "Get", "post", "delete", "BREW", "TRACE", "CONNECT", "PRI",
    ] {
        let answer = app.ask(method, "/kv/ns/key");
        let summary = (405, "Method Not Allowed");
        assert_eq!(answer.summary(), summary, "{method}");
        let allow = answer.header("Allow");
        assert_eq!(allow, Some("GET, HEAD, POST, DELETE, OPTIONS"), "{method}");
    }
    assert_eq!(app.value("/kv/ns/key"), b"value");
}

#[test]
fn connect_opens_no_tunnel() {
    let app = TestServer::start();
    let hidden = "POST /kv/ns/hidden HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx";
    for (head, status) in [
        (
            "CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80\r\n\r\n",
            404,
        ),
        (
            "CONNECT /kv/ns/key HTTP/1.1\r\nHost: localhost\r\n\r\n",
            405,
        ),
    ] {
        assert_eq!(
            statuses(&app, [head, hidden].concat()),
            [status],
            "{head:?}"
        );
    }
    assert_eq!(app.ask("GET", "/kv/ns/hidden").status, 404);
}

#[test]
fn an_upgrade_is_refused() {
    let app = TestServer::start();
    app.post("/kv/ns/key", "value");
    for upgrade in ["websocket", "h2c", "TLS/1.0"] {
        let fields = format!("Connection: Upgrade\r\nUpgrade: {upgrade}\r\n");
        let answer = app.connect().ask("GET", "/kv/ns/key", &fields, b"");
        assert_eq!(answer.summary(), (200, "value"), "{upgrade}");
        assert_eq!(answer.header("Upgrade"), None, "{upgrade}");
    }
}

#[test]
fn a_malformed_request_is_400() {
    let app = TestServer::start();
    // The result is the same on a connection that has had an answer.
    for first in [false, true] {
        let mut connection = app.connect();
        if first {
            assert_eq!(connection.ask("GET", "/ping", "", b"").text(), "pong");
        }
        connection.send("not a request\r\n\r\n");
        let answer = connection.answer();
        assert_eq!(answer.refusal(), (400, "invalid_request".into()));
        assert_eq!(answer.header("Connection"), Some("close"));
        assert!(connection.is_ended());
    }
}

#[test]
fn a_value_that_looks_like_an_error_is_returned_unchanged() {
    let app = TestServer::start();
    let value = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(app.post("/kv/ns/key", value).status, 201);
    let mut connection = app.connect();
    for _ in 0..3 {
        let answer = connection.ask("GET", "/kv/ns/key", "", b"");
        assert_eq!(answer.summary(), (200, value));
    }
    let paths = std::iter::repeat_n("/kv/ns/key".to_owned(), 20);
    for answer in connection.ask_all("GET", paths, b"") {
        assert_eq!(answer.summary(), (200, value));
    }
}
