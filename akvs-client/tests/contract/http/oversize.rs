//! Heads that are too large: they are refused or cut off within a bound, and others are served meanwhile.
//!
//! The bounds: 96 fields, 128 KiB for the whole head, just under 64 KiB for the target.

use crate::app::TestApp;
use crate::raw::Connection;

fn fields(count: usize) -> String {
    // With the `Host` of each request.
    (1..count).map(|n| format!("X-{n}: y\r\n")).collect()
}

/// Sends without an end, and gives the status of the answer, if it could still be read.
fn endless(connection: &mut Connection, begin: &str, more: &str) -> Option<u16> {
    connection.send(begin);
    for _ in 0..64 {
        // Once the server has closed, this goes nowhere.
        connection.send(more.repeat(65_536 / more.len()));
    }
    let status = connection.try_answer("GET").map(|answer| answer.status);
    assert!(connection.is_ended(), "{begin:?} {more:?}");
    status
}

#[test]
fn a_head_has_96_fields_at_most() {
    let app = TestApp::start();
    let mut connection = app.connect();
    for count in [1, 95, 96] {
        let answer = connection.ask("GET", "/ping", &fields(count), b"");
        assert_eq!(answer.status, 200, "{count}");
    }
    let answer = connection.ask("GET", "/ping", &fields(97), b"");
    assert_eq!(answer.refusal(), (431, "invalid_request".into()));
    assert_eq!(answer.problem()["limit"], 131_072);
    assert!(connection.is_ended());
}

#[test]
fn a_head_has_128_kib_at_most() {
    let app = TestApp::start();
    let field = |bytes: usize| format!("X: {}\r\n", "a".repeat(bytes));
    let answer = app.connect().ask("GET", "/ping", &field(130_000), b"");
    assert_eq!(answer.status, 200);
    // What is not read does not make the end of the connection overtake the answer.
    for more in [0, 1, 100_000] {
        let mut connection = app.connect();
        let begin = "GET /ping HTTP/1.1\r\nX: ";
        connection.send([begin, &"a".repeat(131_072 - begin.len() + more)].concat());
        assert_eq!(connection.answer().status, 431, "{more}");
        assert!(connection.is_ended());
    }
}

#[test]
fn a_target_has_less_than_64_kib() {
    let app = TestApp::start();
    let long = |bytes: usize| format!("/kv/ns/{}", "a".repeat(bytes));
    let mut connection = app.connect();
    let answer = connection.ask("GET", &long(65_000), "", b"");
    assert_eq!(answer.refusal(), (400, "invalid_key".into()));
    for bytes in [65_528, 65_536, 100_000] {
        let mut connection = app.connect();
        let answer = connection.ask("GET", &long(bytes), "", b"");
        assert_eq!(answer.refusal(), (414, "invalid_request".into()), "{bytes}");
        assert_eq!(answer.problem()["limit"], 65_534);
        assert!(connection.is_ended());
    }
}

#[test]
fn a_head_without_an_end_is_cut_off_while_others_are_served() {
    let app = TestApp::start();
    let mut other = app.connect();
    for (begin, more) in [
        ("GET /ping HTTP/1.1\r\nHost: localhost\r\nX: ", "a"),
        ("GET /ping HTTP/1.1\r\nHost: localhost\r\n", "X: y\r\n"),
        ("GET /", "a"),
        ("", "A"),
        ("", "\r\n"),
        ("GET /ping HTTP/1.1\r\nHost: localhost\r\n", "A"),
    ] {
        let status = endless(&mut app.connect(), begin, more);
        // What is still on its way makes the end overtake the answer.
        assert!(
            matches!(status, None | Some(414 | 431)),
            "{begin:?} {more:?}: {status:?}"
        );
        assert_eq!(other.ask("GET", "/ping", "", b"").text(), "pong");
    }
}

#[test]
fn a_field_name_that_is_too_long_ends_its_own_connection_alone() {
    let app = TestApp::start();
    let mut other = app.connect();
    for _ in 0..10 {
        let mut connection = app.connect();
        let field = format!("{}: y\r\n", "X".repeat(65_536));
        connection.send(format!(
            "GET /ping HTTP/1.1\r\nHost: localhost\r\n{field}\r\n"
        ));
        let status = connection.try_answer("GET").map(|answer| answer.status);
        assert!(matches!(status, None | Some(400 | 431)), "{status:?}");
        assert!(connection.is_ended());
        assert_eq!(other.ask("GET", "/ping", "", b"").text(), "pong");
    }
    assert_eq!(app.post("/kv/ns/key", "alive").status, 201);
}
