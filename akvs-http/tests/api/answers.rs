//! Unread answers use at most the configured memory, and a large value is held once.

mod unread;

use std::collections::BTreeSet;

use akvs_http::Options;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use akvs_testing::raw::{Answer, Connection, request};
use akvs_testing::server::TestServer;

/// More than fits into the buffers between the server and a client that does not read.
const LARGE: usize = 15 << 20;

fn with(max_response_memory_bytes: usize) -> TestServer {
    TestServer::with(Options {
        max_response_memory_bytes,
        ..Options::default()
    })
}

/// Sends a request, and reads only the head of its answer.
fn begin(app: &TestServer, method: &str, path: &str, body: &[u8]) -> (Connection, Answer) {
    let mut connection = app.connect();
    let head = connection.ask_head(method, path, "", body);
    (connection, head)
}

fn is_refused(app: &TestServer, method: &str, path: &str, body: &[u8]) {
    let answer = app.connect().ask(method, path, "", body);
    assert_eq!(answer.refusal(), (503, "overloaded".to_owned()), "{path}");
    assert_eq!(answer.header("Retry-After"), Some("1"));
    let problem = answer.problem();
    assert_eq!(problem["setting"], "limits.max_response_memory_bytes");
}

#[test]
fn answers_beyond_the_memory_limit_are_refused_until_others_are_read() {
    let app = with(40 << 20);
    let value = |key: u8| vec![key; LARGE];
    for key in b'a'..=b'd' {
        app.post(&format!("/kv/ns/{}", char::from(key)), value(key));
    }
    app.post("/kv/ns/small", "v");
    let mut readers: Vec<_> = ["/kv/ns/a", "/kv/ns/b"]
        .iter()
        .map(|path| begin(&app, "GET", path, b""))
        .collect();
    assert!(readers.iter().all(|(_, head)| head.status == 200));
    for path in ["/kv/ns/c", "/kv/ns/d", "/kv/ns?values=true"] {
        is_refused(&app, "GET", path, b"");
    }
    is_refused(&app, "POST", "/get/ns", br#"{"keys":["c"]}"#);
    // A value that is being sent already costs little more, and small ones cost nothing.
    for _ in 0..20 {
        readers.push(begin(&app, "GET", "/kv/ns/a", b""));
    }
    assert!(readers.iter().all(|(_, head)| head.status == 200));
    let part = "Range: bytes=7-9\r\n";
    let answer = app.connect().ask("GET", "/kv/ns/c", part, b"");
    assert_eq!(answer.summary(), (206, "ccc"));
    assert_eq!(app.ask("GET", "/kv/ns/small").summary(), (200, "v"));
    assert_eq!(app.ask("HEAD", "/kv/ns/c").status, 200);
    assert_eq!(app.ask("GET", "/kv/ns").status, 200);
    assert_eq!(app.post("/kv/ns/e", value(b'e')).status, 201);
    let whole = |connection: &mut Connection, head: &Answer| {
        let length = head.header("Content-Length").expect("a length");
        connection.bytes(length.parse().expect("a number"))
    };
    for (connection, head) in &mut readers {
        let body = whole(connection, head);
        assert!(body == value(b'a') || body == value(b'b'));
    }
    drop(readers);
    assert!(app.value("/kv/ns/c") == value(b'c'));
}

#[test]
fn a_single_answer_may_exceed_the_memory_limit() {
    let app = with(1 << 20);
    app.post("/kv/ns/a", vec![b'a'; LARGE]);
    assert!(app.value("/kv/ns/a") == vec![b'a'; LARGE]);
    let list = app.ask("GET", "/kv/ns?values=true");
    assert_eq!(list.status, 200);
    assert!(list.body.len() > LARGE);
    let lines = app.connect().ask_streamed("/export/ns");
    assert!(lines.len() > LARGE);
}

#[test]
fn a_key_requested_many_times_is_held_once() {
    let app = with(32 << 20);
    let value = vec![1; 48 << 10];
    app.post("/kv/ns/k", &value);
    // With this copy, further ones would exceed the limit.
    app.post("/kv/ns/large", vec![b'x'; LARGE]);
    let _unread = begin(&app, "GET", "/kv/ns/large", b"");
    let keys: Value = (0..300).map(|_| json!("k")).collect();
    let body = json!({ "keys": keys }).to_string();
    let answer = app.connect().ask("POST", "/get/ns", "", body.as_bytes());
    assert_eq!(answer.status, 200);
    let body: Value = serde_json::from_slice(&answer.body).expect("JSON");
    let items = body["items"].as_array().expect("a list");
    assert_eq!(items.len(), 300);
    let expected = URL_SAFE_NO_PAD.encode(&value);
    assert!(items.iter().all(|item| item["value64"] == expected));
}

#[test]
fn a_page_is_bounded_by_its_own_size() {
    let app = TestServer::start();
    for key in 0..40 {
        app.post(&format!("/kv/ns/{key:02}"), vec![key; 100 << 10]);
    }
    let (mut cursor, mut listed) = (String::new(), BTreeSet::new());
    loop {
        let answer = app.ask("GET", &format!("/kv/ns?values=true{cursor}"));
        assert!(answer.body.len() < 1_200 << 10, "{}", answer.body.len());
        let page: Value = serde_json::from_slice(&answer.body).expect("JSON");
        for item in page["items"].as_array().expect("a list") {
            let key: u8 = item["key"]
                .as_str()
                .and_then(|key| key.parse().ok())
                .unwrap();
            let value = match item["value64"].as_str() {
                Some(text) => URL_SAFE_NO_PAD.decode(text).expect("base64"),
                None => item["value"].as_str().expect("a value").into(),
            };
            assert!(value == vec![key; 100 << 10] && listed.insert(key));
            // The shorter of both encodings.
            assert_eq!(item["value64"].is_string(), key < b' ' || key == b'"');
        }
        match page["cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(listed.len(), 40);
}

#[test]
fn unread_exports_block_no_other_request() {
    let app = with(64 << 20);
    for key in 0..16 {
        app.post(&format!("/kv/ns/{key}"), vec![b'x'; LARGE / 16]);
    }
    let unread: Vec<_> = (0..30)
        .map(|_| begin(&app, "GET", "/export/ns", b""))
        .collect();
    let lists: Vec<_> = (0..10)
        .map(|_| {
            let mut connection = app.connect();
            let accept = "Accept: application/x-ndjson\r\n";
            connection.send(request("GET", "/kv/ns?values=true", accept, b""));
            let head = connection.head().expect("a head");
            (connection, head)
        })
        .collect();
    assert!(
        unread
            .iter()
            .chain(&lists)
            .all(|(_, head)| head.status == 200)
    );
    assert_eq!(app.ask("GET", "/ping").summary(), (200, "pong"));
    assert_eq!(app.ask("GET", "/kv/ns?limit=2").status, 200);
    assert_eq!(app.ask("GET", "/metrics").status, 200);
    drop(unread);
    drop(lists);
    assert!(app.connect().ask_streamed("/export/ns").len() > LARGE);
}
