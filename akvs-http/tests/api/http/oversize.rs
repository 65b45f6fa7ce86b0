//! Heads that are too large: they are refused or cut off within a bound, while other requests are served.
//!
//! The bounds: 96 fields, 128 KiB for the whole head, just under 64 KiB for the target.

use super::frames::{CONTINUATION, END_HEADERS, END_STREAM, HEADERS, frame, get};
use super::limits::Raw;
use akvs_testing::raw::Connection;
use akvs_testing::server::TestServer;

fn fields(count: usize) -> String {
    // The `Host` of each request is one more field.
    (1..count).map(|n| format!("X-{n}: y\r\n")).collect()
}

/// Sends without end, and returns the status of the answer, if it could still be read.
fn endless(connection: &mut Connection, begin: &str, more: &str) -> Option<u16> {
    connection.send(begin);
    for _ in 0..64 {
        // Once the server has closed the connection, these bytes are lost.
        connection.send(more.repeat(65_536 / more.len()));
    }
    let status = connection.try_answer("GET").map(|answer| answer.status);
    assert!(connection.is_ended(), "{begin:?} {more:?}");
    status
}

#[test]
fn a_head_has_at_most_96_fields() {
    let app = TestServer::start();
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
fn a_head_has_at_most_128_kib() {
    let app = TestServer::start();
    let field = |bytes: usize| format!("X: {}\r\n", "a".repeat(bytes));
    let answer = app.connect().ask("GET", "/ping", &field(130_000), b"");
    assert_eq!(answer.status, 200);
    // Unread bytes must not make the close overtake the answer.
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
    let app = TestServer::start();
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

/// Encodes `/kv/ns/` and `bytes` times `a` as a string of HTTP/2 (RFC 7541, section 5.2), by the Huffman code or not.
fn target(bytes: usize, is_huffman: bool) -> Vec<u8> {
    let letters = "a".repeat(bytes - 7);
    let mut text = format!("/kv/ns/{letters}").into_bytes();
    if is_huffman {
        let code = |letter: char| match letter {
            '/' => "011000",
            'a' => "00011",
            'k' => "1110101",
            'v' => "1110111",
            'n' => "101010",
            _ => "01000",
        };
        let mut bits: String = text.iter().map(|byte| code(char::from(*byte))).collect();
        bits.push_str(&"1".repeat(bits.len().next_multiple_of(8) - bits.len()));
        let bytes = bits.as_bytes().chunks(8).map(|bits| {
            let bits = std::str::from_utf8(bits).expect("bits");
            u8::from_str_radix(bits, 2).expect("a byte")
        });
        text = bytes.collect();
    }
    let mut length = vec![if is_huffman { 255 } else { 127 }];
    let mut more = text.len() - 127;
    while more >= 128 {
        length.push(u8::try_from(more % 128 + 128).expect("a byte"));
        more /= 128;
    }
    length.push(u8::try_from(more).expect("a byte"));
    [length, text].concat()
}

#[test]
fn a_target_has_less_than_64_kib_over_http_2() {
    let app = TestServer::start();
    // Indexed, not indexed and never indexed in the table of fields; in frames of any length.
    for (name, frame_bytes) in [(0x04, 16_384), (0x44, 16_384), (0x14, 12_000)] {
        for is_huffman in [false, true] {
            let mut raw = Raw::connect(&app, b"");
            for (number, bytes) in (0_u32..).zip([65_000, 65_534, 65_535, 70_000, 100_000]) {
                let stream = 4 * number + 1;
                let fields = [&[0x82, 0x86, name][..], &target(bytes, is_huffman)].concat();
                let fields = [&fields[..], b"\x01\x09localhost\x40\x01x\x01y"].concat();
                let mut parts = fields.chunks(frame_bytes).peekable();
                let first = parts.next().expect("a part");
                raw.send(&frame(HEADERS, END_STREAM, stream, first));
                while let Some(part) = parts.next() {
                    let end = if parts.peek().is_none() {
                        END_HEADERS
                    } else {
                        0
                    };
                    raw.send(&frame(CONTINUATION, end, stream, part));
                }
                let body = raw.data_of(stream);
                let problem: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
                let status = if bytes > 65_534 { 414 } else { 400 };
                assert_eq!(problem["status"], status, "{bytes} {is_huffman}");
                if status == 414 {
                    assert_eq!(problem["limit"], 65_534);
                    assert_eq!(problem["code"], "invalid_request");
                }
                // Both sides have the same table of fields afterwards.
                raw.send(&get(stream + 2));
                assert_eq!(raw.data_of(stream + 2), b"pong");
            }
        }
    }
}

#[test]
fn an_endless_head_is_cut_off_while_others_are_served() {
    let app = TestServer::start();
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
        // Bytes that are still being sent may make the close overtake the answer.
        assert!(
            matches!(status, None | Some(414 | 431)),
            "{begin:?} {more:?}: {status:?}"
        );
        assert_eq!(other.ask("GET", "/ping", "", b"").text(), "pong");
    }
}

#[test]
fn a_field_name_that_is_too_long_closes_only_its_own_connection() {
    let app = TestServer::start();
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
