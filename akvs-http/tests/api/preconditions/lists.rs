//! Lists of entity tags (RFC 9110, sections 5.6.1 and 8.8.3), and tags that never match.

use akvs_testing::raw::{Answer, Connection};
use akvs_testing::server::TestServer;

/// Sends a request with a field of any bytes, in which the braces stand for the current tag.
fn ask(connection: &mut Connection, method: &str, path: &str, field: &[u8]) -> Answer {
    let length = if method == "POST" {
        "Content-Length: 1\r\n"
    } else {
        ""
    };
    let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{length}");
    let body: &[u8] = if method == "POST" { b"2" } else { b"" };
    connection.send([head.as_bytes(), field, b"\r\n\r\n", body].concat());
    connection.answer_to(method)
}

/// Returns a field with the current tag in place of `{}`.
fn with_tag(field: &[u8], tag: &str) -> Vec<u8> {
    let at = field.windows(2).position(|pair| pair == b"{}");
    let at = at.expect("a place");
    [&field[..at], tag.as_bytes(), &field[at + 2..]].concat()
}

/// Lists that contain the current revision.
const LISTS: [&[u8]; 12] = [
    b"{}",
    b"\"a,b\", {}",
    b"{},",
    b", {}",
    b"\"x\", , {}",
    b",,{},,",
    b" \t{} ,\t, \"x\"\t",
    b"\"caf\xe9\", {}",
    b"\"\xff\x80\", W/\"x\",{}",
    b"\"\", {}, \"W/\"",
    b"W/\"a,\", \"*\", {}",
    b"\"0\", \"\\\", {}",
];

#[test]
fn a_list_is_valid_in_every_spelling() {
    let app = TestServer::start();
    let mut connection = app.connect();
    for list in LISTS {
        let stored = app.post("/kv/ns/key", "1");
        let list = with_tag(list, stored.header("ETag").expect("a tag"));
        let shown = list.escape_ascii();
        let (matches, none) = (
            [b"If-Match: ", &list[..]].concat(),
            [b"If-None-Match: ", &list[..]].concat(),
        );
        for (method, field, status) in [
            ("GET", &matches, 200),
            ("GET", &none, 304),
            ("HEAD", &none, 304),
            ("POST", &none, 412),
            ("POST", &matches, 201),
            ("POST", &matches, 412),
            ("DELETE", &matches, 412),
            ("GET", &none, 200),
        ] {
            let answer = ask(&mut connection, method, "/kv/ns/key", field);
            assert_eq!(answer.status, status, "{method} {shown}");
        }
    }
}

#[test]
fn a_list_of_tags_may_span_lines() {
    let app = TestServer::start();
    let mut connection = app.connect();
    for lines in [
        &b"If-Match: \"x\",\r\nIf-Match: {}"[..],
        b"If-Match: {}\r\nIf-Match: ",
        b"If-Match: ,\r\nif-match:\"\xe9\"\r\nIF-MATCH: {} ,",
    ] {
        let stored = app.post("/kv/ns/key", "1");
        let lines = with_tag(lines, stored.header("ETag").expect("a tag"));
        let answer = ask(&mut connection, "POST", "/kv/ns/key", &lines);
        assert_eq!(answer.status, 201, "{}", lines.escape_ascii());
    }
}

#[test]
fn an_invalid_list_is_400_and_quoted() {
    let app = TestServer::start();
    app.post("/kv/ns/key", "1");
    let mut connection = app.connect();
    for list in [
        &b""[..],
        b",",
        b"1",
        b"\"1",
        b"\"1\" \"2\"",
        b"\"1\"\"2\"",
        b"*, \"1\"",
        b"\"1\", *",
        b"*\r\nIf-Match: *",
        b"w/\"1\"",
        b"\xe9",
    ] {
        let field = [b"If-Match: ", list].concat();
        for method in ["GET", "POST", "DELETE"] {
            let answer = ask(&mut connection, method, "/kv/ns/key", &field);
            let expected = (400, "invalid_request".to_owned());
            assert_eq!(
                answer.refusal(),
                expected,
                "{method} {}",
                list.escape_ascii()
            );
            let problem = answer.problem();
            let detail = problem["detail"].as_str().expect("a text");
            assert!(detail.starts_with("invalid if-match"), "{detail}");
        }
    }
    assert_eq!(app.value("/kv/ns/key"), b"1");
}

#[test]
fn if_none_match_of_concurrent_writes_is_evaluated_in_their_order() {
    let app = TestServer::start();
    let mut connection = app.connect();
    let tag = app.post("/kv/ns/key", "1");
    let tag = tag.header("ETag").expect("a tag").to_owned();
    for (method, path, field, status) in [
        ("POST", "/kv/ns/key", format!("If-None-Match: {tag}"), 412),
        ("POST", "/kv/ns/key", format!("If-None-Match: W/{tag}"), 412),
        ("DELETE", "/kv/ns/key", format!("If-None-Match: {tag}"), 412),
        ("DELETE", "/kv/ns/key", "If-None-Match: *".into(), 412),
        (
            "POST",
            "/kv/ns/key?op=add",
            format!("If-None-Match: {tag}"),
            412,
        ),
        (
            "POST",
            "/kv/ns/key",
            format!("If-Match: {tag}\r\nIf-None-Match: *"),
            412,
        ),
        (
            "POST",
            "/kv/ns/new",
            "If-Match: *\r\nIf-None-Match: *".into(),
            412,
        ),
        ("DELETE", "/kv/ns/none", "If-None-Match: *".into(), 200),
        ("POST", "/kv/ns/key", "If-None-Match: \"0\"".into(), 201),
        (
            "POST",
            "/kv/ns/key?op=append",
            format!("If-None-Match: {tag}"),
            200,
        ),
    ] {
        let answer = ask(&mut connection, method, path, field.as_bytes());
        assert_eq!(answer.status, status, "{method} {path} {field}");
    }
}

#[test]
fn a_412_explains_that_a_weak_tag_never_matches() {
    let app = TestServer::start();
    let tag = app.post("/kv/ns/key", "1");
    let tag = tag.header("ETag").expect("a tag").to_owned();
    let mut connection = app.connect();
    for (method, path) in [
        ("GET", "/kv/ns/key"),
        ("POST", "/kv/ns/key"),
        ("POST", "/kv/ns/key?op=append"),
        ("DELETE", "/kv/ns/key"),
        ("DELETE", "/kv/nowhere/key"),
    ] {
        for (list, is_explained) in [
            (format!("W/{tag}"), true),
            (format!("\"0\", W/{tag}"), true),
            ("\"0\"".to_owned(), false),
        ] {
            let field = format!("If-Match: {list}");
            let answer = ask(&mut connection, method, path, field.as_bytes());
            assert_eq!(answer.status, 412, "{method} {path} {list}");
            let problem = answer.problem();
            let detail = problem["detail"].as_str().expect("a text");
            assert_eq!(
                detail.contains("weak"),
                is_explained,
                "{method} {path}: {detail}"
            );
            if is_explained {
                assert!(detail.contains(&format!("W/{tag}")), "{detail}");
            }
        }
    }
    assert_eq!(app.value("/kv/ns/key"), b"1");
}
