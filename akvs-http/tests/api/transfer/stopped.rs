//! Imports that stop early: after the client has disconnected, and after too many invalid lines.

use std::time::Duration;

use akvs_client::Code;
use akvs_http::Options;
use serde_json::{Value, json};

use super::{file, import, refused};
use akvs_testing::raw::Connection;
use akvs_testing::server::{TestServer, block_on};

/// This number of records of one key takes minutes, since each is a change of its own; their text has a few KiB.
const MANY: usize = 4_000_000;

/// More than the server reads ahead (about 160 KiB), by less than what the system keeps for it.
const UNREAD_BYTES: u32 = 200 << 10;

/// A frame that a zstd decoder skips (RFC 8878, section 3.1.2).
fn skippable_frame(bytes: u32) -> Vec<u8> {
    let mut frame = 0x184d_2a50_u32.to_le_bytes().to_vec();
    frame.extend(bytes.to_le_bytes());
    frame.resize(frame.len() + bytes as usize, 0);
    frame
}

fn packed(line: &str, count: usize) -> Vec<u8> {
    let first = "{\"akvs\":1,\"namespace\":\"ns\",\"revision\":1}\n";
    let text = [first, &line.repeat(count)].concat();
    zstd::encode_all(text.as_bytes(), 1).expect("a frame")
}

/// Sends a request over a connection, without the last `more` bytes of its body.
fn begin(mut connection: Connection, path: &str, body: &[u8], more: usize) -> Connection {
    let length = body.len() + more;
    connection.send(format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: zstd\r\nContent-Length: {length}\r\n\r\n"
    ));
    connection.send(body);
    connection
}

/// Polls until the condition holds, with a pause before each try.
fn holds_eventually(pause: Duration, mut holds: impl FnMut() -> bool) -> bool {
    (0..1_000).any(|_| {
        std::thread::sleep(pause);
        holds()
    })
}

/// Waits until no more records are imported; all of them would take far longer.
fn has_stopped(app: &TestServer) -> bool {
    let mut before = app.database.revision();
    (0..60).any(|_| {
        std::thread::sleep(Duration::from_millis(500));
        let now = app.database.revision();
        std::mem::replace(&mut before, now) == now
    })
}

/// Disconnects once an import has begun, and checks that it ends.
fn assert_ends_without(app: &TestServer, connection: Connection, case: &str) {
    let has_begun = || app.namespaces() == ["ns"];
    assert!(
        holds_eventually(Duration::from_millis(20), has_begun),
        "{case}"
    );
    drop(connection);
    assert!(has_stopped(app), "{case}");
}

#[test]
fn an_import_ends_soon_after_its_client_has_gone() {
    let line = "{\"key\":\"k\",\"value\":\"v\"}\n";
    let body = packed(line, MANY);
    // The client disconnects after the complete body, and before its end.
    for (mode, more) in [("merge", 0), ("create", 1_000_000), ("replace", 0)] {
        let app = TestServer::start();
        let path = format!("/import/ns?mode={mode}");
        let connection = begin(app.connect(), &path, &body, more);
        assert_ends_without(&app, connection, &format!("{mode}, {more} bytes missing"));
    }
}

#[test]
fn an_import_ends_while_bytes_of_its_client_are_unread() {
    let line = "{\"key\":\"k\",\"value\":\"v\"}\n";
    // The server reads only a part of the second frame before it has imported the records.
    let frame = skippable_frame(UNREAD_BYTES);
    let body = [packed(line, MANY), frame].concat();
    for is_unix in [false, true] {
        let (app, sockets) = TestServer::with_sockets(Options::default());
        let connection = match is_unix {
            true => Connection::open_unix(&sockets.unix()),
            false => app.connect(),
        };
        let connection = begin(connection, "/import/ns", &body, 0);
        assert_ends_without(&app, connection, &format!("Unix: {is_unix}"));
    }
}

#[test]
fn an_import_over_a_half_closed_connection_is_answered() {
    let app = TestServer::start();
    let text = file(&[json!({"key": "a", "value": "1"})]);
    let mut connection = app.connect();
    connection.send(akvs_testing::raw::request("POST", "/import/ns", "", &text));
    connection.end_sending();
    assert_eq!(connection.answer().status, 200);
    // An import that takes too long is stopped, and reports the reason and the imported records.
    let body = packed("{\"key\":\"k\",\"value\":\"v\"}\n", MANY);
    let mut connection = begin(app.connect(), "/import/ns", &body, 0);
    connection.end_sending();
    let problem = refused(&connection.answer(), "closed its side");
    assert!(
        problem["imported"]
            .as_u64()
            .is_some_and(|imported| imported > 0),
        "{problem:?}"
    );
}

#[test]
fn an_import_stops_at_ten_thousand_invalid_lines() {
    let app = TestServer::start();
    let wrong = "{\"key\":\"wrong\"}\n";
    let good = "{\"key\":\"good\",\"value\":\"v\"}\n";
    let body = packed(&[&wrong.repeat(100), good].concat(), MANY / 100);
    let mut connection = begin(app.connect(), "/import/ns", &body, 0);
    let answer = connection.answer();
    let problem = refused(&answer, "too many wrong lines: 10000");
    let errors = problem["errors"].as_array().expect("a list");
    assert_eq!(
        (errors.len(), errors[0]["line"].as_u64()),
        (10_000, Some(2))
    );
    assert_eq!(problem.get("more_errors"), None);
    let detail = problem["detail"].as_str().expect("a text");
    assert!(detail.contains("line 10100"), "{detail}");
    assert_eq!(
        (&problem["imported"], &problem["line"]),
        (&json!(99), &json!(10_100))
    );
    assert_eq!(app.value("/kv/ns/good"), b"v");
    // One invalid line less does not stop the import.
    let records = |count| -> Vec<Value> { (0..count).map(|_| json!({"key": "k"})).collect() };
    let report = import(&app, "/import/ns", &file(&records(9_999)));
    assert_eq!(report["errors"].as_array().map(Vec::len), Some(9_999));
}

#[test]
fn an_import_stops_at_ten_thousand_refused_records() {
    let app = TestServer::start();
    let settings = br#"{"max_keys":1}"#;
    assert_eq!(app.connect().ask("PUT", "/kv/ns", "", settings).status, 201);
    let records: Vec<Value> = (0..30_000)
        .map(|key| json!({"key": format!("{key:05}"), "value": ""}))
        .collect();
    let problem = refused(
        &app.post("/import/ns", file(&records)),
        "too many wrong lines: 10000",
    );
    assert_eq!(problem["errors"].as_array().map(Vec::len), Some(10_000));
    assert_eq!(problem["imported"], 1);
    assert!(
        problem["line"].as_u64().is_some_and(|line| line < 20_000),
        "{:?}",
        problem["line"]
    );
}

#[test]
fn a_stopped_import_reports_all_its_lines() {
    let app = TestServer::start();
    block_on(async {
        let records: Vec<Value> = (0..20_000).map(|_| json!({"key": "k"})).collect();
        let import = app.namespace("ns").import().body(file(&records)).await;
        let error = import.unwrap_err();
        assert_eq!(error.code(), Some(Code::InvalidRequest));
        let report = error.imported().expect("a report");
        assert_eq!((report.imported, report.errors.len()), (0, 10_000));
    });
}
