//! Tokens that are replaced while the server runs, and tokens that expire.

use std::time::{Duration, UNIX_EPOCH};

use akvs_http::{Options, Right, Token};

use super::{ask, options, token};
use akvs_testing::raw::{Connection, request};
use akvs_testing::server::TestServer;

fn read(secret: &str) -> Token {
    token(secret, &[Right::Read], &["*"])
}

#[test]
fn new_tokens_apply_at_once_and_on_open_connections() {
    let app = TestServer::with(options(vec![read("a")]));
    let mut connection = app.connect();
    let mut status = |secret: &str| {
        let header = format!("Authorization: Bearer {secret}\r\n");
        connection.ask("GET", "/kv", &header, b"").status
    };
    assert_eq!((status("a"), status("bb")), (200, 401));
    app.replace_tokens(vec![read("bb")]);
    assert_eq!((status("a"), status("bb")), (401, 200));
    app.replace_tokens(vec![]);
    assert_eq!((status("a"), status("bb"), status("")), (401, 401, 401));
    app.replace_tokens(vec![read("a")]);
    assert_eq!((status("a"), status("bb")), (200, 401));
}

#[test]
fn the_first_token_closes_an_open_server() {
    let app = TestServer::start();
    assert_eq!(app.post("/kv/n/k", "v").status, 201);
    let watch = request("GET", "/watch/n", "", b"");
    let mut watcher = app.connect();
    watcher.send(watch);
    assert_eq!(watcher.head().expect("a head").status, 200);
    assert!(watcher.chunk().is_some());

    app.replace_tokens(vec![]);
    assert_eq!(app.ask("GET", "/kv/n/k").status, 200);
    app.replace_tokens(vec![token("w", &[Right::Write], &["*"])]);
    assert_eq!(app.ask("GET", "/kv/n/k").status, 401);
    // A watch that was started without a token ends before it sends another change.
    assert_eq!(ask(&app, "w", "POST", "/kv/n/secret", "v").status, 201);
    let rest = rest_of_watch(&mut watcher);
    assert!(!rest.contains("secret"), "{rest}");
}

/// Returns the rest of a watch that ends.
fn rest_of_watch(watcher: &mut Connection) -> String {
    let mut rest = String::new();
    // The watch must end at some time.
    for _ in 0..500 {
        match watcher.chunk() {
            None => return rest,
            Some(chunk) if chunk.is_empty() => return rest,
            Some(chunk) => rest.push_str(&String::from_utf8_lossy(&chunk)),
        }
    }
    panic!("the watch does not end: {rest}");
}

/// Starts a watch with this token, and reads it up to its first wait.
fn watch(app: &TestServer, secret: &str) -> Connection {
    let header = format!("Authorization: Bearer {secret}\r\n");
    let mut connection = app.connect();
    connection.send(request("GET", "/watch/n", &header, b""));
    assert_eq!(connection.head().expect("a head").status, 200);
    assert!(connection.chunk().is_some_and(|chunk| !chunk.is_empty()));
    connection
}

#[test]
fn a_watch_ends_with_its_token_and_no_other() {
    let heartbeat = Duration::from_millis(20);
    let both = vec![read("a"), read("bb"), token("www", &[Right::Write], &["*"])];
    let app = TestServer::with(Options {
        heartbeat,
        ..options(both.clone())
    });
    let (mut one, mut other) = (watch(&app, "a"), watch(&app, "bb"));
    app.replace_tokens(both[1..].to_vec());
    // The watch also ends where nothing changes any more.
    rest_of_watch(&mut one);
    assert_eq!(ask(&app, "www", "POST", "/kv/n/k", "v").status, 201);
    loop {
        let chunk = other.chunk().expect("the watch continues");
        assert!(!chunk.is_empty(), "the watch continues");
        if String::from_utf8_lossy(&chunk).contains("event: set") {
            break;
        }
    }
}

#[test]
fn a_watch_ends_with_its_right() {
    let app = TestServer::with(options(vec![
        read("a"),
        token("ww", &[Right::Write], &["*"]),
    ]));
    let mut watcher = watch(&app, "a");
    app.replace_tokens(vec![
        token("a", &[Right::Read], &["other"]),
        token("ww", &[Right::Write], &["*"]),
    ]);
    assert_eq!(ask(&app, "ww", "POST", "/kv/n/k", "v").status, 201);
    let rest = watcher.chunk().unwrap_or_default();
    assert_eq!(String::from_utf8_lossy(&rest), "");
}

#[test]
fn a_token_is_valid_until_its_expiry_date() {
    let (app, clock) = TestServer::with_clock_and_options(|now| {
        let end = UNIX_EPOCH + Duration::from_millis(now.as_millis() + 1_000);
        options(vec![Token {
            expires: Some(end),
            ..read("a")
        }])
    });
    let mut watcher = watch(&app, "a");
    assert_eq!(ask(&app, "a", "GET", "/kv", "").status, 200);
    clock.advance(999);
    assert_eq!(ask(&app, "a", "GET", "/kv", "").status, 200);
    clock.advance(1);
    let answer = ask(&app, "a", "GET", "/kv", "");
    assert_eq!(answer.refusal(), (401, "unauthorized".into()));
    assert!(answer.text().contains("expired"), "{}", answer.text());
    app.end_watches();
    assert!(watcher.chunk().is_none_or(|chunk| chunk.is_empty()));
}

#[test]
fn a_long_poll_ends_with_its_token() {
    let app = TestServer::with(options(vec![
        read("a"),
        token("ww", &[Right::Write], &["*"]),
    ]));
    assert_eq!(ask(&app, "ww", "POST", "/kv/n/k", "v").status, 201);
    let headers = "Authorization: Bearer a\r\nIf-None-Match: \"1\"\r\nPrefer: wait=60\r\n";
    let mut poll = app.connect();
    poll.send(request("GET", "/kv/n/k", headers, b""));
    // The long poll is authorized before it waits, so its head is not sent yet.
    assert!(!poll.has_input(Duration::from_millis(200)));
    app.replace_tokens(vec![token("ww", &[Right::Write], &["*"])]);
    assert_eq!(ask(&app, "ww", "POST", "/kv/n/k", "new").status, 201);
    assert_eq!(poll.answer().refusal(), (401, "unauthorized".into()));
}

/// Starts a server with this token and more data than all buffers between server and client hold.
fn app_with_much(reader: Token) -> TestServer {
    let writer = token("www", &[Right::Write], &["*"]);
    let app = TestServer::with(options(vec![reader, writer]));
    let value = "v".repeat(1 << 20);
    for number in 0..64 {
        assert_eq!(
            ask(&app, "www", "POST", &format!("/kv/n/{number}"), &value).status,
            201
        );
    }
    app
}

#[test]
fn an_export_and_a_list_end_with_their_token() {
    for (path, accept) in [
        ("/export", ""),
        ("/export/n", ""),
        ("/kv/n?values=true", "Accept: application/x-ndjson\r\n"),
    ] {
        let app = app_with_much(read("a"));
        let headers = format!("Authorization: Bearer a\r\n{accept}");
        let mut connection = app.connect();
        connection.send(request("GET", path, &headers, b""));
        assert_eq!(connection.head().expect("a head").status, 200, "{path}");
        assert!(connection.chunk().is_some(), "{path}");
        app.replace_tokens(vec![token("www", &[Right::Write], &["*"])]);
        let mut bytes = 0;
        let is_whole = loop {
            match connection.chunk() {
                None => break false,
                Some(chunk) if chunk.is_empty() => break true,
                Some(chunk) => bytes += chunk.len(),
            }
        };
        assert!(!is_whole, "{path}: the body is complete");
        assert!(bytes < 64 << 20, "{path}: {bytes}");
    }
}

#[test]
fn an_import_ends_with_its_token() {
    let app = TestServer::with(options(vec![token("ww", &[Right::Write], &["*"])]));
    let mut connection = app.connect();
    let send = |connection: &mut Connection, line: &str| {
        connection.send(format!("{:x}\r\n{line}\n\r\n", line.len() + 1));
    };
    connection.send("POST /import/n HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ww\r\nTransfer-Encoding: chunked\r\n\r\n");
    send(
        &mut connection,
        r#"{"akvs":1,"namespace":"n","revision":1}"#,
    );
    send(&mut connection, r#"{"key":"before","value":"v"}"#);
    // The import is authorized, and continues.
    while ask(&app, "ww", "DELETE", "/kv/n?prefix=none", "").status == 404 {
        std::thread::yield_now();
    }
    app.replace_tokens(vec![read("a")]);
    send(&mut connection, r#"{"key":"after","value":"v"}"#);
    let answer = connection.answer();
    assert_eq!(answer.refusal(), (401, "unauthorized".into()));
    assert_eq!(ask(&app, "a", "GET", "/kv/n/after", "").status, 404);
}
