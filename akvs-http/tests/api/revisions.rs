//! Section 4.1, revisions: every change has a higher one, and every answer about a key has it.

use akvs_testing::raw::Answer;
use akvs_testing::server::{TestServer, block_on};

/// Returns the revision in the `ETag`, which must be present, strong, and a plain number.
fn tag(answer: &Answer) -> u64 {
    let tag = answer.header("ETag").unwrap_or_else(|| {
        panic!("an ETag: {answer:?}");
    });
    let digits = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
    let digits = digits.unwrap_or_else(|| panic!("a strong tag, not {tag}"));
    assert!(digits.bytes().all(|byte| byte.is_ascii_digit()), "{tag}");
    digits.parse().expect("a number")
}

#[test]
fn every_change_has_a_higher_revision() {
    let app = TestServer::start();
    let mut connection = app.connect();
    let mut last = 0;
    for (method, path, body) in [
        ("POST", "/kv/ns/a", "1"),
        ("POST", "/kv/ns/a", "1"),
        ("POST", "/kv/ns/b", "1"),
        ("POST", "/kv/ns/a?op=add", "1"),
        ("POST", "/kv/ns/a?op=append", "1"),
        ("POST", "/kv/ns/a?op=touch&ttl=60", ""),
        ("POST", "/kv/ns/a?op=touch", ""),
        ("DELETE", "/kv/ns/a", ""),
        ("POST", "/kv/ns/a", "1"),
    ] {
        let answer = connection.ask(method, path, "", body.as_bytes());
        let revision = tag(&answer);
        assert!(revision > last, "{method} {path}: {revision} after {last}");
        last = revision;
    }
}

#[test]
fn every_answer_about_a_key_has_its_current_tag() {
    let app = TestServer::start();
    let mut connection = app.connect();
    let current = tag(&connection.ask("POST", "/kv/ns/key", "", b"hello"));
    let same = format!("If-None-Match: \"{current}\"\r\n");
    for (method, path, headers, status) in [
        ("GET", "/kv/ns/key", "", 200),
        ("HEAD", "/kv/ns/key", "", 200),
        ("GET", "/kv/ns/key", &*same, 304),
        ("HEAD", "/kv/ns/key", &*same, 304),
        ("GET", "/kv/ns/key", "Range: bytes=1-2\r\n", 206),
        ("GET", "/kv/ns/key", "Range: bytes=9-\r\n", 416),
        ("POST", "/kv/ns/key", "If-None-Match: *\r\n", 412),
        ("POST", "/kv/ns/key", "If-Match: \"0\"\r\n", 412),
        ("DELETE", "/kv/ns/key", "If-Match: \"0\"\r\n", 412),
        ("POST", "/kv/ns/key?op=add", "If-None-Match: *\r\n", 412),
        ("POST", "/kv/ns/key?op=touch", "If-Match: \"0\"\r\n", 412),
        ("POST", "/kv/ns/key?op=append", "If-Match: \"0\"\r\n", 412),
    ] {
        let body: &[u8] = if path.ends_with("=touch") { b"" } else { b"1" };
        let body = if method == "POST" { body } else { b"" };
        let answer = connection.ask(method, path, headers, body);
        assert_eq!(answer.status, status, "{method} {path} {headers}");
        assert_eq!(tag(&answer), current, "{method} {path} {headers}");
    }
    assert_eq!(app.value("/kv/ns/key"), b"hello");
}

#[test]
fn a_conflict_has_the_current_tag() {
    let app = TestServer::start();
    let current = tag(&app.post("/kv/ns/key", "word"));
    let answer = app.post("/kv/ns/key?op=add", "1");
    assert_eq!((answer.status, tag(&answer)), (409, current));
}

#[test]
fn a_failed_precondition_has_the_revision_in_its_problem() {
    let app = TestServer::start();
    let current = tag(&app.post("/kv/ns/key", "1"));
    let answer = app
        .connect()
        .ask("POST", "/kv/ns/key", "If-None-Match: *\r\n", b"2");
    assert_eq!(answer.refusal(), (412, "precondition_failed".into()));
    assert_eq!(answer.problem()["revision"], current);
}

#[test]
fn a_failed_precondition_of_a_missing_key_has_no_tag() {
    let app = TestServer::start();
    let answer = app
        .connect()
        .ask("POST", "/kv/ns/key", "If-Match: *\r\n", b"1");
    assert_eq!(answer.refusal(), (412, "precondition_failed".into()));
    assert_eq!(answer.header("ETag"), None);
    assert_eq!(answer.problem().get("revision"), None);
}

#[test]
fn writes_without_effect_use_no_revision() {
    let app = TestServer::start();
    let mut connection = app.connect();
    let current = tag(&connection.ask("POST", "/kv/ns/key", "", b"word"));
    for (method, path, headers, body, status) in [
        ("DELETE", "/kv/ns/missing", "", "", 200),
        ("POST", "/kv/ns/key", "If-None-Match: *\r\n", "x", 412),
        ("DELETE", "/kv/ns/key", "If-Match: \"0\"\r\n", "", 412),
        ("POST", "/kv/ns/key?op=add", "", "1", 409),
        ("POST", "/kv/ns/missing?op=touch", "", "", 404),
    ] {
        let answer = connection.ask(method, path, headers, body.as_bytes());
        assert_eq!(answer.status, status, "{method} {path} {headers}");
    }
    let answer = connection.ask("GET", "/kv/ns/key", "", b"");
    assert_eq!((tag(&answer), answer.text()), (current, "word"));
}

#[test]
fn a_recreated_key_never_reuses_a_revision() {
    let app = TestServer::start();
    block_on(async {
        let namespace = app.namespace("ns");
        let mut last = None;
        for round in 0..5 {
            let revision = namespace.set("key", &round).await.unwrap().revision;
            assert!(revision > last, "{revision:?} after {last:?}");
            last = revision;
            assert!(namespace.del("key").await.unwrap());
        }
    });
}

#[test]
fn every_write_has_akvs_existed() {
    let app = TestServer::start();
    let mut connection = app.connect();
    for (method, path, body, existed) in [
        ("DELETE", "/kv/ns/key", "", "?0"),
        ("POST", "/kv/ns/key", "1", "?0"),
        ("POST", "/kv/ns/key", "1", "?1"),
        ("POST", "/kv/ns/key?op=add", "1", "?1"),
        ("POST", "/kv/ns/key?op=append", "1", "?1"),
        ("POST", "/kv/ns/key?op=touch", "", "?1"),
        ("DELETE", "/kv/ns/key", "", "?1"),
        ("DELETE", "/kv/ns/key", "", "?0"),
        ("POST", "/kv/ns/key?op=add", "1", "?0"),
        ("DELETE", "/kv/ns/key", "", "?1"),
        ("POST", "/kv/ns/key?op=append", "1", "?0"),
    ] {
        let answer = connection.ask(method, path, "", body.as_bytes());
        assert_eq!(
            answer.header("AKVS-Existed"),
            Some(existed),
            "{method} {path}: {answer:?}"
        );
    }
}

#[test]
fn reads_have_last_modified_and_accept_ranges() {
    let (app, clock) = TestServer::with_clock();
    let mut connection = app.connect();
    connection.ask("POST", "/kv/ns/key", "", b"1");
    for method in ["GET", "HEAD"] {
        let answer = connection.ask(method, "/kv/ns/key", "", b"");
        let modified = answer.header("Last-Modified");
        assert_eq!(modified, Some("Tue, 14 Nov 2023 22:13:20 GMT"), "{method}");
        assert_eq!(answer.header("Accept-Ranges"), Some("bytes"), "{method}");
    }
    clock.advance(211);
    connection.ask("POST", "/kv/ns/key", "", b"2");
    let answer = connection.ask("GET", "/kv/ns/key", "", b"");
    let modified = answer.header("Last-Modified");
    assert_eq!(modified, Some("Tue, 14 Nov 2023 22:13:21 GMT"));
    let entry = block_on(app.namespace("ns").get_bytes("key")).unwrap();
    let modified = entry.unwrap().modified.unwrap();
    assert_eq!(modified, clock.after(0));
}
