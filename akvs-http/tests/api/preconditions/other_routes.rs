//! Requests that do not concern one key: a precondition is refused, never ignored.

use akvs_http::Options;

use akvs_testing::raw::{Connection, request};
use akvs_testing::server::TestServer;

/// The source of the route table.
const ROUTES: &str = include_str!("../../../src/router.rs");
const PRECONDITIONS: [&str; 8] = [
    "If-Match: \"1\"\r\n",
    "If-Match: *\r\n",
    "If-None-Match: \"1\"\r\n",
    "If-None-Match: *\r\n",
    "If-Unmodified-Since: Sat, 01 Jan 2000 00:00:00 GMT\r\n",
    "If-Modified-Since: Sat, 01 Jan 2000 00:00:00 GMT\r\n",
    "If-Unmodified-Since: yesterday\r\n",
    "Range: bytes=0-1\r\nIf-Range: \"1\"\r\n",
];
const END: &str = "{\"end\":true,\"count\":0,\"sha256\":\"c46a45615b6d76f67cd0a7ac59c0413524d0b213f578e4df6fb1851a1ba2c479\"}\n";
/// Requests that would change or return data.
const REQUESTS: [(&str, &str, &str); 18] = [
    ("DELETE", "/kv/n?confirm=n", ""),
    ("DELETE", "/kv/n?prefix=k", ""),
    ("DELETE", "/kv/n?prefix64=aw", ""),
    ("PUT", "/kv/n", "{\"max_keys\":1}"),
    ("PUT", "/kv/new", ""),
    ("PATCH", "/kv/n", "{\"max_keys\":1}"),
    ("GET", "/settings/n", ""),
    (
        "POST",
        "/txn/n",
        "{\"ops\":[{\"op\":\"delete\",\"key\":\"k\"}]}",
    ),
    ("POST", "/get/n", "{\"keys\":[\"k\"]}"),
    (
        "POST",
        "/import/n?mode=replace",
        "{\"akvs\":1,\"namespace\":\"n\",\"revision\":1}\n",
    ),
    (
        "POST",
        "/import",
        "{\"akvs\":1,\"namespaces\":0,\"revision\":1}\n",
    ),
    ("GET", "/kv", ""),
    ("GET", "/kv/n", ""),
    ("GET", "/export/n", ""),
    ("GET", "/export", ""),
    ("GET", "/watch/n?since=0", ""),
    ("GET", "/metrics", ""),
    ("GET", "/version", ""),
];

#[test]
fn a_precondition_is_refused_and_the_request_not_applied() {
    let app = TestServer::start();
    app.post("/kv/n/k", "v");
    let before = app.ask("GET", "/kv").text().to_owned();
    let mut connection = app.connect();
    for (method, path, body) in REQUESTS {
        let body = [body, if path.starts_with("/import") { END } else { "" }].concat();
        for field in PRECONDITIONS {
            let answer = connection.ask(method, path, field, body.as_bytes());
            let expected = (400, "invalid_request".to_owned());
            assert_eq!(answer.refusal(), expected, "{method} {path} {field}");
            let line = field.lines().last().expect("a line");
            let name = line.split(':').next().expect("a name").to_lowercase();
            assert_eq!(answer.problem()["field"], name, "{method} {path} {field}");
        }
    }
    assert_eq!(app.ask("GET", "/kv").text(), before);
}

#[test]
fn if_range_without_range_is_ignored() {
    let app = TestServer::start();
    app.post("/kv/n/k", "v");
    for field in [
        "If-Range: \"1\"\r\n",
        "If-Range: \"other\"\r\n",
        "If-Range: yesterday\r\n",
    ] {
        for path in [
            "/kv",
            "/kv/n",
            "/kv/n/k",
            "/settings/n",
            "/export/n",
            "/export",
            "/version",
        ] {
            let mut connection = app.connect();
            connection.send(request("GET", path, field, b""));
            let head = connection.head().expect("a head");
            assert_eq!(head.status, 200, "{path} {field}");
        }
        let body = "{\"ops\":[{\"op\":\"set\",\"key\":\"t\",\"value\":\"v\"}]}";
        let answer = app.connect().ask("POST", "/txn/n", field, body.as_bytes());
        assert_eq!(answer.status, 200, "{field}");
        // The other preconditions are not.
        let fields = format!("{field}If-Match: *\r\n");
        let answer = app.connect().ask("GET", "/kv/n", &fields, b"");
        assert_eq!(answer.problem()["field"], "if-match");
    }
}

#[test]
fn every_route_evaluates_or_refuses_preconditions() {
    let (app, sockets) = TestServer::with_sockets(Options::default());
    app.post("/kv/n/k", "v");
    let rows = ROUTES.lines().filter_map(|line| {
        let (_, path) = line.split_once(", \"/")?;
        let (path, _) = path.split_once("\", ")?;
        Some(format!("/{}", path.replace("{namespace}", "n")))
    });
    let paths: Vec<String> = rows.filter(|path| !path.contains("{key")).collect();
    assert!(paths.len() > 18, "{paths:?}");
    for path in paths {
        let connect = || match path.starts_with("/admin/") {
            true => Connection::open_unix(&sockets.owner()),
            false => app.connect(),
        };
        let options = connect().ask("OPTIONS", &path, PRECONDITIONS[0], b"");
        assert_eq!(options.status, 204, "{path}");
        let allow = options.header("Allow").expect("the methods");
        for method in allow.split(", ").filter(|method| *method != "OPTIONS") {
            for field in &PRECONDITIONS[..1] {
                let mut connection = connect();
                connection.send(request(method, &path, field, b""));
                let status = connection.head().expect("a head").status;
                // Routes with a tag of their own evaluate it.
                let expected: &[u16] = match &*path {
                    "/" | "/openapi.json" => &[412],
                    _ => &[400],
                };
                assert!(
                    expected.contains(&status),
                    "{method} {path} {field}: {status}"
                );
            }
        }
        let other = connect().ask("BREW", &path, PRECONDITIONS[0], b"");
        assert_eq!(other.status, 405, "{path}");
    }
}

#[test]
fn another_error_takes_precedence_over_the_precondition() {
    let app = TestServer::with(crate::tokens::options(vec![crate::tokens::token(
        "t",
        &[akvs_http::Right::Read],
        &["n"],
    )]));
    for (method, path, status) in [
        ("GET", "/kv/n", 401),
        ("DELETE", "/kv/n?confirm=n", 401),
        ("POST", "/txn/n", 401),
        ("POST", "/kv/n", 401),
        ("GET", "/nowhere", 401),
        ("POST", "/ping", 405),
    ] {
        let mut connection = app.connect();
        let answer = connection.ask(method, path, PRECONDITIONS[0], b"");
        assert_eq!(answer.status, status, "{method} {path}");
    }
    let app = TestServer::start();
    for (path, status) in [
        ("/nowhere", 404),
        ("/admin/status", 404),
        ("/kv/a/b/c", 404),
    ] {
        let answer = app.connect().ask("GET", path, PRECONDITIONS[0], b"");
        assert_eq!(answer.status, status, "{path}");
    }
}

#[test]
fn preconditions_of_a_document_with_a_tag_are_evaluated() {
    let app = TestServer::start();
    for (path, accept) in [
        ("/openapi.json", ""),
        ("/", ""),
        ("/", "Accept: text/html\r\n"),
    ] {
        let ask = |method: &str, field: &str| {
            let headers = format!("{accept}{field}");
            app.connect().ask(method, path, &headers, b"")
        };
        let first = ask("GET", "");
        let tag = first.header("ETag").expect("a tag");
        for (field, status) in [
            (format!("If-Match: {tag}\r\n"), 200),
            ("If-Match: *\r\n".into(), 200),
            ("If-Match: \"x\"\r\n".into(), 412),
            (format!("If-Match: W/{tag}\r\n"), 412),
            (format!("If-None-Match: {tag}\r\n"), 304),
            (format!("If-None-Match: \"a,b\", , W/{tag},\r\n"), 304),
            ("If-None-Match: \"x\"\r\n".into(), 200),
            (format!("If-Match: \"x\"\r\nIf-None-Match: {tag}\r\n"), 412),
            // The document has no date.
            (
                "If-Modified-Since: Fri, 31 Dec 2060 00:00:00 GMT\r\n".into(),
                200,
            ),
            (
                "If-Unmodified-Since: Sat, 01 Jan 2000 00:00:00 GMT\r\n".into(),
                200,
            ),
        ] {
            for method in ["GET", "HEAD"] {
                assert_eq!(
                    ask(method, &field).status,
                    status,
                    "{method} {path} {field}"
                );
            }
        }
    }
}
