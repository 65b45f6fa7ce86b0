//! Section 8.2, a whole list as a stream of lines: of one snapshot, however slowly it is read.

use serde_json::{Value, json};

use akvs_testing::raw::{Answer, Connection, request};
use akvs_testing::server::TestServer;

const ACCEPT: &str = "Accept: application/x-ndjson\r\n";

fn begin(app: &TestServer, path: &str) -> (Connection, Answer) {
    let mut connection = app.connect();
    let head = connection.ask_head("GET", path, ACCEPT, b"");
    (connection, head)
}

/// Returns the rest of a body, parsed line by line.
fn rest(connection: &mut Connection) -> Vec<Value> {
    let text = String::from_utf8(connection.chunked_body()).expect("text");
    assert!(text.is_empty() || text.ends_with('\n'), "whole lines");
    let lines = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line"));
    lines.collect()
}

fn lines(app: &TestServer, path: &str) -> Vec<Value> {
    let (mut connection, head) = begin(app, path);
    assert_eq!(head.status, 200, "{path}");
    assert_eq!(head.header("Content-Type"), Some("application/x-ndjson"));
    assert_eq!(head.header("Content-Length"), None);
    rest(&mut connection)
}

fn keys(lines: &[Value]) -> Vec<&str> {
    let keys = lines
        .iter()
        .map(|line| line["key"].as_str().expect("a key"));
    keys.collect()
}

#[test]
fn a_line_is_an_item_as_in_a_list() {
    let app = TestServer::start();
    for key in ["b", "a", "%FF"] {
        app.post(&format!("/kv/ns/{key}"), "1");
    }
    for query in [
        "",
        "?values=true",
        "?reverse=true",
        "?prefix=a",
        "?start=b&values=true",
        "?end=a",
    ] {
        let path = format!("/kv/ns{query}");
        let listed = crate::listing::document(&app, &path);
        assert_eq!(Value::Array(lines(&app, &path)), listed["items"], "{query}");
    }
}

#[test]
fn a_stream_has_the_whole_range_of_one_snapshot() {
    for (app, reverse) in [(TestServer::start(), false), (TestServer::on_disk(), true)] {
        let paths = (0..1_000).map(|number| format!("/kv/ns/{number:04}"));
        let mut connection = app.connect();
        let value = "old".repeat(10);
        connection.ask_all("POST", paths, value.as_bytes());
        // More than all buffers between the server and the client hold.
        for number in 0..4 {
            app.post(&format!("/kv/ns/0500-{number}"), vec![b'x'; 4 << 20]);
        }
        let path = format!("/kv/ns?values=true&reverse={reverse}");
        let (mut stream, head) = begin(&app, &path);
        assert_eq!(head.status, 200);
        // A client that does not read does not block writers.
        for number in [0, 600, 999] {
            assert_eq!(
                connection
                    .ask("POST", &format!("/kv/ns/{number:04}"), "", b"new")
                    .status,
                201
            );
        }
        connection.ask("POST", "/kv/ns/5000", "", b"new");
        connection.ask("DELETE", "/kv/ns/0700", "", b"");
        connection.ask("DELETE", "/kv/ns?confirm=ns", "", b"");
        let lines = rest(&mut stream);
        let mut names = keys(&lines);
        assert!(names.is_sorted() != reverse);
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 1_004);
        let news = lines.iter().filter(|line| line["value"] == "new");
        assert_eq!(news.count(), 0);
        assert_eq!(stream.ask("GET", "/ping", "", b"").text(), "pong");
    }
}

#[test]
fn expired_keys_are_never_returned() {
    let (app, clock) = TestServer::with_clock();
    let paths = (0..1_200).map(|number| format!("/kv/ns/{number:04}?ttl=1"));
    app.connect().ask_all("POST", paths, b"v");
    app.post("/kv/ns/9", "v");
    clock.advance(1_000);
    assert_eq!(keys(&lines(&app, "/kv/ns")), ["9"]);
    assert_eq!(lines(&app, "/kv/ns?end=9"), [Value::Null; 0]);
}

#[test]
fn parameters_of_pages_are_refused() {
    let app = TestServer::start();
    app.post("/kv/ns/a", "v");
    for name in ["limit", "cursor", "delimiter", "x"] {
        let answer = app
            .connect()
            .ask("GET", &format!("/kv/ns?{name}=1"), ACCEPT, b"");
        assert_eq!(answer.refusal(), (400, "invalid_request".into()), "{name}");
        assert_eq!(answer.problem()["parameter"], name);
    }
    let missing = app.connect().ask("GET", "/kv/nope", ACCEPT, b"");
    assert_eq!(missing.summary(), (404, "Not Found"));
}

#[test]
fn lines_are_sent_only_on_request() {
    let app = TestServer::start();
    app.post("/kv/ns/a", "v");
    for (accept, expected) in [
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("application/json", "application/json"),
        ("application/x-ndjson;q=0", "application/json"),
        (
            "application/json, application/x-ndjson;q=0.5",
            "application/json",
        ),
        (
            "application/json;q=0.5, application/x-ndjson",
            "application/x-ndjson",
        ),
    ] {
        for method in ["GET", "HEAD"] {
            let mut connection = app.connect();
            connection.send(request(
                method,
                "/kv/ns",
                &format!("Accept: {accept}\r\n"),
                b"",
            ));
            let head = connection.head().expect("an answer");
            assert_eq!(
                (head.status, head.header("Content-Type")),
                (200, Some(expected)),
                "{accept}"
            );
        }
    }
    let first = lines(&app, "/kv/ns");
    assert_eq!((first.len(), &first[0]["size"]), (1, &json!(1)));
}
