//! Clients that send without end, as fast as they can: the server reads a bounded number of useless bytes.

use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::time::Duration;

use akvs_http::{Options, Right};

use crate::tokens;
use akvs_testing::raw::Connection;
use akvs_testing::server::TestServer;

/// More than the server reads, with the buffers between it and the client.
const BOUND: usize = 256 << 20;

/// Opens a connection, as a writer and a reader.
fn connect(app: &TestServer) -> (TcpStream, Connection) {
    let stream = TcpStream::connect(app.address).expect("a connection");
    let timeout = Some(Duration::from_secs(20));
    stream.set_write_timeout(timeout).expect("a time-out");
    let reader = stream.try_clone().expect("a second handle");
    (stream, Connection::from_stream(reader))
}

/// Sends this text repeatedly until the server has closed the connection.
fn flood(stream: TcpStream, text: &str) {
    assert!(is_closed(stream, text));
}

/// Sends this text repeatedly. Returns true once the server has closed the connection, and false once it stops reading.
fn is_closed(mut stream: TcpStream, text: &str) -> bool {
    let text = text.repeat((256 << 10) / text.len());
    let mut sent = 0;
    loop {
        match stream.write_all(text.as_bytes()) {
            Ok(()) => sent += text.len(),
            Err(error) => {
                let closed = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset];
                return closed.contains(&error.kind());
            }
        }
        assert!(sent < BOUND, "{sent} bytes were taken");
    }
}

#[test]
fn bytes_after_an_answer_are_limited() {
    let open = TestServer::start();
    let impatient = TestServer::with(Options {
        header_timeout: Duration::from_millis(700),
        ..Options::default()
    });
    let shut = TestServer::with(tokens::options(vec![tokens::token(
        "t",
        &[Right::Read],
        &["*"],
    )]));
    let chunked = "Transfer-Encoding: chunked\r\n";
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let long = "Content-Length: 1000000000000000\r\n";
    for (line, fields, text, status) in [
        ("POST /kv/ns/key", chunked, &*chunk, 401),
        ("POST /nope", chunked, &chunk, 404),
        ("PUT /kv/ns/key", chunked, &chunk, 405),
        ("POST /kv/ns/key?op=nope", chunked, &chunk, 400),
        ("POST /nope", chunked, "1\r\nx\r\n", 404),
        ("POST /nope", long, "x", 404),
        ("POST /kv/ns/key", long, "x", 413),
        ("GET /watch/ns", chunked, &chunk, 200),
        ("GET /watch/ns", "Connection: close\r\n", "x", 200),
        ("GET /ping", "Connection: close\r\n", "x", 200),
    ] {
        let app = match (status, text.len()) {
            (401, _) => &shut,
            // The values are so small that reading them takes long.
            (_, 2..10) => &impatient,
            _ => &open,
        };
        let (mut stream, mut connection) = connect(app);
        let head = format!("{line} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
        stream.write_all(head.as_bytes()).expect("a head");
        let answer = connection.head().expect("an answer");
        assert_eq!(answer.status, status, "{line} {fields}");
        if line.contains("watch") {
            // The answer continues, and no more input is read.
            let short = Some(Duration::from_secs(1));
            stream.set_write_timeout(short).expect("a time-out");
            is_closed(stream, text);
        } else {
            flood(stream, text);
        }
        assert_eq!(app.ask("GET", "/ping").text(), "pong");
    }
}

#[test]
fn empty_frames_within_a_body_are_limited() {
    let app = TestServer::start();
    let post = "POST /kv/ns/key HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (begin, text) in [
        ("5;", "a"),
        ("5", " "),
        ("0", "0"),
        ("0\r\n", "a"),
        ("0\r\n", "a: b\r\n"),
        ("1;a\r\nx\r\n", "1;aaaaaaaaaaaaaaaaaaaa\r\nx\r\n"),
    ] {
        let (mut stream, mut connection) = connect(&app);
        stream.write_all(post.as_bytes()).expect("a head");
        stream.write_all(begin.as_bytes()).expect("a beginning");
        stream.write_all(text.repeat(20_000).as_bytes()).ok();
        let answer = connection.answer();
        assert_eq!(answer.refusal(), (400, "invalid_request".into()), "{begin}");
        assert!(answer.text().contains("16384 bytes"), "{}", answer.text());
        flood(stream, text);
    }
    assert_eq!(app.ask("GET", "/kv/ns/key").status, 404);
    // A client may have a use for this number of empty frames.
    let body = format!("5;{}\r\nhello\r\n0\r\na: b\r\n\r\n", "a".repeat(8_000));
    let mut connection = app.connect();
    connection.send([post, &body].concat());
    assert_eq!(connection.answer().status, 201);
}

#[test]
fn empty_lines_before_a_request_are_limited() {
    let app = TestServer::start();
    for line in ["\r\n", "\n"] {
        for first in ["", "GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n"] {
            let (mut stream, mut connection) = connect(&app);
            stream.write_all(first.as_bytes()).expect("a request");
            if !first.is_empty() {
                assert_eq!(connection.answer().text(), "pong");
            }
            stream.write_all(line.repeat(5_000).as_bytes()).ok();
            let answer = connection.answer();
            assert_eq!(answer.refusal(), (431, "invalid_request".into()));
            flood(stream, line);
        }
        let mut connection = app.connect();
        for _ in 0..3 {
            connection.send(line.repeat(100));
            assert_eq!(connection.ask("GET", "/ping", "", b"").text(), "pong");
        }
    }
}
