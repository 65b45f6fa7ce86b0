//! Header fields of every answer: `Cache-Control`, `Vary`, and the fields that keep other sites from loading it.

use akvs_http::{Options, Right};

use crate::tokens::{options, token};
use akvs_testing::raw::{Answer, Connection, request};
use akvs_testing::server::TestServer;

/// Returns the head of the answer to a request, whose body may have no end.
fn head(mut connection: Connection, method: &str, path: &str, headers: &str) -> Answer {
    connection.send(request(method, path, headers, b""));
    connection.head().expect("a head")
}

const JSON: &str = "Accept: application/json\r\n";
const LINES: &str = "Accept: application/x-ndjson\r\n";
const HTML: &str = "Accept: text/html\r\n";
/// A request, the status of its answer, its `Cache-Control`, and its `Vary`.
const ANSWERS: [(&str, &str, u16, &str, Option<&str>); 39] = [
    ("/kv/n/k", "", 200, "no-cache", None),
    ("/kv/n/~64/aw", "", 200, "no-cache", None),
    ("/kv/n/k", "If-None-Match: *\r\n", 304, "no-cache", None),
    (
        "/kv/n/k",
        "If-Modified-Since: Fri, 31 Dec 2060 00:00:00 GMT\r\n",
        304,
        "no-cache",
        None,
    ),
    ("/kv/n/k", "Range: bytes=0-0\r\n", 206, "no-cache", None),
    ("/kv/n/k", "Range: bytes=9-\r\n", 416, "no-cache", None),
    ("/kv/n/k", "If-Match: \"0\"\r\n", 412, "no-cache", None),
    ("/kv/n/k", "If-Match: x\r\n", 400, "no-cache", None),
    ("/kv/n/none", "", 404, "no-cache", Some("accept")),
    ("/kv/n/none", JSON, 404, "no-cache", Some("accept")),
    ("/kv/n/", "", 404, "no-cache", Some("accept")),
    ("/kv/n", "", 200, "no-cache", Some("accept")),
    ("/kv/n", JSON, 200, "no-cache", Some("accept")),
    ("/kv/n", LINES, 200, "no-cache", Some("accept")),
    ("/kv/none", "", 404, "no-cache", Some("accept")),
    ("/kv/n?limit=0", "", 400, "no-cache", None),
    ("/kv", "", 200, "no-cache", None),
    ("/settings/n", "", 200, "no-cache", None),
    ("/settings/none", "", 404, "no-cache", Some("accept")),
    ("/version", "", 200, "no-cache", None),
    ("/whoami", "", 200, "no-store", None),
    ("/openapi.json", "", 200, "no-cache", None),
    (
        "/openapi.json",
        "If-None-Match: *\r\n",
        304,
        "no-cache",
        None,
    ),
    ("/", "", 200, "no-cache", Some("accept")),
    ("/", "If-None-Match: *\r\n", 304, "no-cache", Some("accept")),
    ("/", HTML, 200, "no-cache", Some("accept")),
    (
        "/",
        "Accept: text/html\r\nIf-None-Match: *\r\n",
        304,
        "no-cache",
        Some("accept"),
    ),
    ("/", "If-Match: \"x\"\r\n", 412, "no-cache", Some("accept")),
    ("/nowhere", "", 404, "no-cache", Some("accept")),
    ("/txn/n", "", 405, "no-cache", Some("accept")),
    ("/ping", "", 200, "no-cache", None),
    ("/livez", "", 200, "no-cache", None),
    ("/readyz", "", 200, "no-cache", None),
    ("/metrics", "", 200, "no-store", Some("accept")),
    ("/export", "", 200, "no-store", Some("accept-encoding")),
    ("/export/n", "", 200, "no-store", Some("accept-encoding")),
    ("/export/none", "", 404, "no-cache", Some("accept")),
    ("/watch/n", "", 200, "no-store", None),
    ("/watch/", "", 404, "no-cache", Some("accept")),
];

#[test]
fn every_answer_has_cache_control_and_vary() {
    let app = TestServer::start();
    app.post("/kv/n/k", "v");
    for (path, headers, status, cache, vary) in ANSWERS {
        for method in ["GET", "HEAD"] {
            // A range is ignored here.
            if method == "HEAD" && headers.starts_with("Range") {
                continue;
            }
            let answer = head(app.connect(), method, path, headers);
            let shown = format!("{method} {path} {headers:?}: {answer:?}");
            assert_eq!(answer.status, status, "{shown}");
            assert_eq!(answer.header("Cache-Control"), Some(cache), "{shown}");
            assert_eq!(answer.header("Vary"), vary, "{shown}");
            let policy = answer.header("Cross-Origin-Resource-Policy");
            assert_eq!(policy, Some("same-origin"), "{shown}");
        }
    }
}

#[test]
fn admin_answers_are_not_cached() {
    let (_app, sockets) = TestServer::with_sockets(Options::default());
    let connect = || Connection::open_unix(&sockets.owner());
    let answer = head(connect(), "GET", "/admin/status", "");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("Cache-Control"), Some("no-store"));
    assert_eq!(
        answer.header("Cross-Origin-Resource-Policy"),
        Some("same-origin")
    );
}

#[test]
fn no_answer_may_be_loaded_by_a_page_of_another_site() {
    let app = TestServer::with(options(vec![token("t", &[Right::Read], &["n"])]));
    let bearer = "Authorization: Bearer t\r\n";
    for (method, path, headers, status) in [
        ("GET", "/kv/n/k", "", 401),
        ("GET", "/kv/other/k", bearer, 403),
        ("POST", "/kv/n/k", bearer, 403),
        ("POST", "/kv/n/k", "", 401),
        ("OPTIONS", "/kv/n/k", bearer, 204),
        ("PUT", "/kv/n/k", bearer, 405),
        ("GET", "/", "", 401),
        ("POST", "/kv/n/k", "Content-Range: bytes 0-0/1\r\n", 401),
    ] {
        let answer = head(app.connect(), method, path, headers);
        assert_eq!(answer.status, status, "{method} {path}");
        let policy = answer.header("Cross-Origin-Resource-Policy");
        assert_eq!(policy, Some("same-origin"), "{method} {path}");
    }
    let app = TestServer::start();
    for (method, path, status) in [
        ("POST", "/kv/n/k", 201),
        ("DELETE", "/kv/n/k", 200),
        ("PUT", "/kv/new", 201),
        ("POST", "/txn/n", 400),
    ] {
        let answer = app.connect().ask(method, path, "", b"");
        assert_eq!(answer.status, status, "{method} {path}");
        let policy = answer.header("Cross-Origin-Resource-Policy");
        assert_eq!(policy, Some("same-origin"), "{method} {path}");
    }
}

/// Asserts the header fields that every answer has.
fn assert_standing_fields(answer: &Answer, shown: &str) {
    for (name, value) in [
        ("Cross-Origin-Resource-Policy", "same-origin"),
        ("X-Content-Type-Options", "nosniff"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{shown}: {name}");
    }
}

#[test]
fn every_answer_has_the_standing_fields() {
    let app = TestServer::with(Options {
        max_value_bytes: 10,
        ..Options::default()
    });
    app.post("/kv/n/k", "v");
    for (path, headers, status, _, _) in ANSWERS {
        let answer = head(app.connect(), "GET", path, headers);
        assert_eq!(answer.status, status, "{path} {headers:?}");
        assert_standing_fields(&answer, &format!("{path} {headers:?}"));
    }
    for (method, path, body, status) in [
        ("POST", "/kv/n/k", "v", 201),
        ("POST", "/kv/n/k?op=touch", "", 200),
        ("OPTIONS", "/kv/n/k", "", 204),
        ("POST", "/txn/n", "{\"ops\":[]}", 200),
        ("POST", "/txn/n", "", 400),
        ("PUT", "/kv/n/k", "", 405),
        ("DELETE", "/kv/n/k", "", 200),
    ] {
        let answer = app.connect().ask(method, path, "", body.as_bytes());
        assert_eq!(answer.status, status, "{method} {path}");
        assert_standing_fields(&answer, &format!("{method} {path}"));
    }
    // Answers that never reach a handler: refused content, and bytes that are not a request.
    for (bytes, status) in [
        (
            "POST /kv/n/k HTTP/1.1\r\nHost: h\r\nX-Request-Id: 7\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n",
            413,
        ),
        ("GET /kv/n/k HTTP/1.1\r\n\r\n", 400),
    ] {
        let mut connection = app.connect();
        connection.send(bytes);
        let answer = connection.answer();
        assert_eq!(answer.status, status, "{bytes}");
        assert_standing_fields(&answer, bytes);
        if bytes.contains("Request-Id") {
            assert_eq!(answer.header("X-Request-Id"), Some("7"));
        }
    }
}
