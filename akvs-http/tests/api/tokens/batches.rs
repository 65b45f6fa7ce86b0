//! Requests that work in several batches: each batch is authorized by the rights that the token has then.

use std::time::Duration;

use akvs_http::{Right, Token};
use serde_json::json;

use super::{ask, options, token};
use crate::stepping::{SteppingEngine, Stop};
use akvs_testing::raw::{Connection, request};
use akvs_testing::server::TestServer;

/// More than one batch.
const MANY: usize = 3_000;

const BOTH: [Right; 2] = [Right::Read, Right::Write];

/// Starts a server with many keys that a token may write, whose engine pauses at the first commit that deletes.
fn with_many() -> (TestServer, Stop) {
    let (engine, stop) = SteppingEngine::new();
    let tokens = vec![
        token("ww", &BOTH, &["*"]),
        token("reader", &[Right::Read], &["*"]),
    ];
    let app = TestServer::with_engine(engine, options(tokens));
    let old: Vec<_> = (0..MANY)
        .map(|number| json!({"key": format!("old-{number:04}"), "value": ""}))
        .collect();
    let file = crate::transfer::file(&old);
    let text = std::str::from_utf8(&file).expect("text");
    assert_eq!(ask(&app, "ww", "POST", "/import/ns", text).status, 200);
    (app, stop)
}

/// Starts a request that deletes, and replaces the tokens during its first commit.
fn meanwhile(app: &TestServer, stop: Stop, request: Vec<u8>, tokens: Vec<Token>) -> Connection {
    let mut connection = app.connect();
    connection.send(request);
    stop.meanwhile(|| app.replace_tokens(tokens));
    connection
}

/// Returns the number of remaining keys.
fn left(app: &TestServer) -> usize {
    let listed = app.database.namespaces(None, 10).expect("a list");
    let keys = listed.first().map(|info| info.counts.keys);
    usize::try_from(keys.unwrap_or_default()).expect("a count")
}

#[test]
fn a_batched_deletion_ends_with_its_token_or_right() {
    let file = crate::transfer::file(&[json!({"key": "new", "value": ""})]);
    let reader = token("reader", &[Right::Read], &["*"]);
    for (tokens, refusal) in [
        (vec![reader.clone()], (401, "unauthorized".to_owned())),
        (
            vec![token("ww", &[Right::Write], &["*"])],
            (403, "forbidden".to_owned()),
        ),
        (
            vec![token("ww", &BOTH, &["other"])],
            (403, "forbidden".to_owned()),
        ),
    ] {
        for (method, path, body) in [
            ("POST", "/import/ns?mode=replace", &file[..]),
            ("POST", "/import?mode=replace", &file[..]),
            ("DELETE", "/kv/ns?prefix=old", b""),
        ] {
            let (app, stop) = with_many();
            let request = request(method, path, "Authorization: Bearer ww\r\n", body);
            let answer = meanwhile(&app, stop, request, tokens.clone()).answer();
            assert_eq!(answer.refusal(), refusal, "{path}");
            // The batch in progress is applied and reported; no other follows.
            let deleted = answer.problem()["deleted"].as_u64().expect("a count");
            assert!((1..=1_000).contains(&deleted), "{path}: {deleted}");
            let new = usize::from(method == "POST");
            assert_eq!(left(&app), MANY + new - deleted as usize, "{path}");
        }
    }
}

#[test]
fn a_batched_deletion_continues_while_its_right_is_kept() {
    for (method, path) in [
        ("POST", "/import/ns?mode=replace"),
        ("DELETE", "/kv/ns?prefix=old"),
    ] {
        let file = crate::transfer::file(&[json!({"key": "new", "value": ""})]);
        let body = if method == "POST" { &file[..] } else { b"" };
        let (app, stop) = with_many();
        let request = request(method, path, "Authorization: Bearer ww\r\n", body);
        let kept = vec![token("ww", &BOTH, &["ns"])];
        let answer = meanwhile(&app, stop, request, kept).answer();
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert_eq!(left(&app), usize::from(method == "POST"), "{path}");
    }
}

#[test]
fn a_create_import_needs_the_right_to_read_until_its_end() {
    let app = TestServer::with(options(vec![token("ww", &BOTH, &["*"])]));
    let mut connection = app.connect();
    let send = |connection: &mut Connection, line: &str| {
        connection.send(format!("{:x}\r\n{line}\n\r\n", line.len() + 1));
    };
    connection.send("POST /import/n?mode=create HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ww\r\nTransfer-Encoding: chunked\r\n\r\n");
    send(
        &mut connection,
        r#"{"akvs":1,"namespace":"n","revision":1}"#,
    );
    // The import has started.
    while app.namespaces().is_empty() {
        std::thread::yield_now();
    }
    app.replace_tokens(vec![token("ww", &[Right::Write], &["*"])]);
    send(&mut connection, r#"{"key":"after","value":"v"}"#);
    assert_eq!(connection.answer().refusal(), (403, "forbidden".into()));
    assert_eq!(left(&app), 0);
}

#[test]
fn a_slow_body_is_authorized_again_when_it_is_complete() {
    let all = [Right::Read, Right::Write, Right::Admin];
    let transaction = r#"{"ops":[{"op":"set","key":"k","value":"v"}]}"#;
    for (method, path, body) in [
        ("POST", "/kv/ns/k", "v"),
        ("POST", "/txn/ns", transaction),
        ("POST", "/get/ns", r#"{"keys":["k"]}"#),
        ("PUT", "/kv/ns", "{}"),
        ("PATCH", "/kv/ns", "{}"),
    ] {
        for (tokens, refusal) in [
            (
                vec![token("reader", &all, &["*"])],
                (401, "unauthorized".to_owned()),
            ),
            (
                vec![token("aaa", &all, &["other"])],
                (403, "forbidden".to_owned()),
            ),
            (vec![token("aaa", &all, &["ns"])], (0, String::new())),
        ] {
            let app = TestServer::with(options(vec![token("aaa", &all, &["*"])]));
            let mut connection = app.connect();
            let length = body.len();
            connection.send(format!(
                "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer aaa\r\n\
                 Expect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
            ));
            // The request is authorized at first.
            assert_eq!(connection.head().expect("a head").status, 100);
            app.replace_tokens(tokens);
            connection.send(body);
            let answer = connection.answer();
            if refusal.0 == 0 {
                let is_missing = answer.status == 404 && path == "/get/ns";
                assert!(
                    answer.status < 300 || is_missing,
                    "{method} {path}: {answer:?}"
                );
                continue;
            }
            assert_eq!(answer.refusal(), refusal, "{method} {path}");
            assert_eq!(app.namespaces(), [""; 0], "{method} {path}");
        }
    }
}

#[test]
fn a_long_poll_without_changes_ends_with_its_token() {
    let options = akvs_http::Options {
        heartbeat: Duration::from_millis(20),
        ..options(vec![token("ww", &BOTH, &["*"])])
    };
    let app = TestServer::with(options);
    let stored = ask(&app, "ww", "POST", "/kv/n/k", "v");
    let tag = stored.header("ETag").expect("a tag");
    let headers =
        format!("Authorization: Bearer ww\r\nIf-None-Match: {tag}\r\nPrefer: wait=3600\r\n");
    let mut poll = app.connect();
    poll.send(request("GET", "/kv/n/k", &headers, b""));
    // The long poll waits over some heartbeats.
    assert!(!poll.has_input(Duration::from_millis(200)));
    app.replace_tokens(vec![token("reader", &[Right::Read], &["*"])]);
    assert_eq!(poll.answer().refusal(), (401, "unauthorized".into()));
}
