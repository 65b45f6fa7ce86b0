//! Answers of every operation, each with a status and a media type that the description has for it.

use std::collections::BTreeSet;

use super::{Operation, document, operations};
use akvs_testing::server::TestServer;

/// A request, and the status of its answer.
type Exchange = (&'static str, &'static str, &'static str, &'static str, u16);

const PROBLEM: &str = "Accept: application/problem+json\r\n";
const LINES: &str = "Accept: application/x-ndjson\r\n";
const HTML: &str = "Accept: text/html\r\n";
const HTML_AGAIN: &str = "Accept: text/html\r\nIf-None-Match: *\r\n";
const NEWER: &str = "If-Match: \"99\"\r\n";

/// All requests, in this order, on an empty server.
const REQUESTS: [Exchange; 72] = [
    ("GET", "/kv/n/k", "", "", 404),
    ("GET", "/kv/n/k", PROBLEM, "", 404),
    ("HEAD", "/kv/n/k", "", "", 404),
    ("GET", "/kv/n", "", "", 404),
    ("POST", "/kv/n/k", "Content-Type: text/plain\r\n", "v", 201),
    ("POST", "/kv/n/k", "If-None-Match: *\r\n", "v", 412),
    ("POST", "/kv/n/k?tll=1", "", "v", 400),
    ("POST", "/kv/n/k?op=add", "", "1", 409),
    ("POST", "/kv/n/sum?op=add", "", "1", 200),
    ("POST", "/kv/n/k?op=touch&ttl=1h", "", "", 200),
    ("POST", "/kv/n/none?op=touch", "", "", 404),
    ("POST", "/kv/n/~64/aw", "", "v", 201),
    ("POST", "/kv/n/~64/aw?op=append", "", "w", 200),
    ("POST", "/kv/n/~64/a", "", "w", 400),
    ("GET", "/kv/n/k", "", "", 200),
    ("GET", "/kv/n/~64/aw", "", "", 200),
    ("HEAD", "/kv/n/~64/aw", "", "", 200),
    ("GET", "/kv/n/k", "Range: bytes=0-0\r\n", "", 206),
    ("GET", "/kv/n/k", "Range: bytes=9-\r\n", "", 416),
    ("GET", "/kv/n/k", "If-None-Match: *\r\n", "", 304),
    ("HEAD", "/kv/n/k", "If-None-Match: *\r\n", "", 304),
    ("GET", "/kv/n/k", NEWER, "", 412),
    ("HEAD", "/kv/n/k", NEWER, "", 412),
    ("GET", "/kv/n/k", "If-Match: x\r\n", "", 400),
    ("DELETE", "/kv/n/k", NEWER, "", 412),
    ("DELETE", "/kv/n/~64/aw", NEWER, "", 412),
    ("DELETE", "/kv/n/sum", "", "", 200),
    ("DELETE", "/kv/n/~64/bm9uZQ", "", "", 200),
    ("GET", "/kv", "", "", 200),
    ("GET", "/kv?limit=0", "", "", 400),
    ("HEAD", "/kv", "", "", 200),
    ("GET", "/kv/n", "", "", 200),
    ("GET", "/kv/n", LINES, "", 200),
    ("HEAD", "/kv/n", LINES, "", 200),
    ("GET", "/kv/n?limit=1&limit=1", "", "", 400),
    ("PUT", "/kv/new", "", "", 201),
    ("PUT", "/kv/new", "", r#"{"ttl":"1h"}"#, 200),
    ("PUT", "/kv/new", "", r#"{"tll":"1h"}"#, 400),
    ("PATCH", "/kv/new", "", r#"{"ttl":null}"#, 200),
    ("PATCH", "/kv/new", "", r#"{"ttl":0}"#, 400),
    ("PATCH", "/kv/newer", "", r#"{"max_keys":1}"#, 201),
    ("GET", "/settings/new", "", "", 200),
    ("GET", "/settings/new?x", "", "", 400),
    ("GET", "/settings/none", "", "", 404),
    ("HEAD", "/settings/new", "", "", 200),
    ("PUT", "/kv/full", "", r#"{"max_keys":0}"#, 201),
    ("POST", "/kv/full/k", "", "v", 507),
    ("DELETE", "/kv/new", "", "", 400),
    ("DELETE", "/kv/new?confirm=new", "", "", 200),
    ("DELETE", "/kv/n?prefix=zzz", "", "", 200),
    ("DELETE", "/kv/none?confirm=none", "", "", 404),
    (
        "POST",
        "/txn/n",
        "",
        r#"{"ops":[{"op":"set","key":"t","value":"v"}]}"#,
        200,
    ),
    (
        "POST",
        "/txn/n",
        "",
        r#"{"checks":[{"key":"t","absent":true}],"ops":[]}"#,
        412,
    ),
    ("POST", "/txn/n", "", "{}", 400),
    ("POST", "/get/n", "", r#"{"keys":["k","none"]}"#, 200),
    ("POST", "/get/none", "", r#"{"keys":["k"]}"#, 404),
    ("GET", "/watch/n", "", "", 200),
    ("HEAD", "/watch/n", "", "", 200),
    ("GET", "/watch/n?since=x", "", "", 400),
    ("GET", "/export/n", "", "", 200),
    ("GET", "/export/none", "", "", 404),
    ("GET", "/export", "Accept-Encoding: gzip\r\n", "", 200),
    ("POST", "/import/n", "", EXPORT, 200),
    ("POST", "/import/n", "", "", 400),
    ("POST", "/import", "", EXPORT_ALL, 200),
    ("POST", "/import", "", "x", 400),
    ("GET", "/", "", "", 200),
    ("GET", "/", HTML, "", 200),
    ("GET", "/", HTML_AGAIN, "", 304),
    ("HEAD", "/", HTML_AGAIN, "", 304),
    ("GET", "/readyz", "", "", 200),
    (
        "GET",
        "/metrics",
        "Accept: application/openmetrics-text\r\n",
        "",
        200,
    ),
];
/// An export of a namespace without keys.
const EXPORT: &str = concat!(
    "{\"akvs\":1,\"namespace\":\"n\",\"revision\":1}\n",
    "{\"end\":true,\"count\":0,\"sha256\":\"c46a45615b6d76f67cd0a7ac59c0413524d0b213f578e4df6fb1851a1ba2c479\"}\n"
);
/// An export without namespaces.
const EXPORT_ALL: &str = concat!(
    "{\"akvs\":1,\"namespaces\":0,\"revision\":1}\n",
    "{\"end\":true,\"count\":0,\"sha256\":\"b76dfdd2371f66286037d1497677d95dca2838c4ac31052ffc695b738ec6b7da\"}\n"
);

/// The statuses that only GET requests can have (RFC 9110, section 14.2).
const OF_GET: [u16; 2] = [206, 416];

/// Returns whether a path matches this template.
fn fits(template: &str, path: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default();
    let segments = |text: &str| text.split('/').map(str::to_owned).collect::<Vec<_>>();
    let (template, path) = (segments(template), segments(path));
    template.len() == path.len()
        && template
            .iter()
            .zip(&path)
            .all(|(one, other)| one == other || one.starts_with('{'))
}

/// Sends a request, and compares the head of the answer with the description.
fn check(
    app: &TestServer,
    documented: &serde_json::Value,
    operation: &Operation<'_>,
    asked: Exchange,
) {
    let (method, path, headers, body, status) = asked;
    let mut connection = app.connect();
    connection.send(akvs_testing::raw::request(
        method,
        path,
        headers,
        body.as_bytes(),
    ));
    let answer = connection.head().expect("an answer");
    let shown = format!("{method} {path} {headers:?}: {answer:?}");
    assert_eq!(answer.status, status, "{shown}");
    let answered = operation
        .answer(documented, status)
        .unwrap_or_else(|| panic!("not described: {shown}"));
    let content = answered
        .get("content")
        .and_then(|content| content.as_object());
    let types: Vec<&str> = content
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
        .collect();
    let is_head = method == "HEAD";
    assert!(!is_head || !OF_GET.contains(&status), "{shown}");
    let has_body = status != 304;
    assert_eq!(has_body, !types.is_empty(), "{shown}");
    if has_body && !is_head {
        let found = answer.header("Content-Type").expect("a type");
        let text = operation.description["description"]
            .as_str()
            .unwrap_or_default();
        assert!(
            types.contains(&found) || types.contains(&"*/*") || text.contains(found),
            "{types:?}: {shown}"
        );
    }
    // The documented values of a field are those that it has.
    let fields = answered["headers"].as_object().into_iter().flatten();
    for (name, field) in fields {
        let (Some(value), Some(values)) = (answer.header(name), field["schema"]["enum"].as_array())
        else {
            continue;
        };
        assert!(values.iter().any(|one| one == value), "{name}: {shown}");
    }
}

#[test]
fn every_operation_answers_as_documented() {
    let app = TestServer::start();
    let document = document(&app);
    let all = operations(&document);
    let mut seen = BTreeSet::new();
    let find = |method: &str, path: &str| {
        // HEAD is described by GET.
        let method = if method == "HEAD" { "GET" } else { method };
        let mut fitting: Vec<&Operation<'_>> = all
            .iter()
            .filter(|one| one.method == method && fits(one.path, path))
            .collect();
        // A template without braces takes precedence.
        fitting.sort_by_key(|one| one.path.matches('{').count());
        fitting
            .into_iter()
            .next()
            .unwrap_or_else(|| panic!("{method} {path}"))
    };
    for asked in REQUESTS {
        let operation = find(asked.0, asked.1);
        seen.insert((operation.method.clone(), operation.path));
        check(&app, &document, operation, asked);
    }
    // All other operations are answered the same way, without preparation.
    for operation in &all {
        let method = operation.method.as_str();
        if seen.contains(&(operation.method.clone(), operation.path)) {
            continue;
        }
        assert_eq!(method, "GET", "{} has no recorded answer", operation.path);
        let path: &'static str = operation.example().leak();
        for method in ["GET", "HEAD"] {
            check(&app, &document, operation, (method, path, "", "", 200));
        }
    }
}
