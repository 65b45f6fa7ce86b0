//! The limits of an HTTP/2 connection, as its client sees them, and a timeout for each way to keep the server waiting.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use akvs_http::Options;

use super::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PREFACE, RST_STREAM,
    SETTINGS, fields, frame, get,
};
use akvs_testing::raw::ANSWER_TIMEOUT;
use akvs_testing::server::TestServer;

/// Long enough for a correct request.
const SOON: Duration = Duration::from_millis(700);
const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;
pub(super) const ENHANCE_YOUR_CALM: u32 = 11;
pub(super) const INITIAL_WINDOW_SIZE: u16 = 4;

/// A received frame.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) kind: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Frame {
    /// Returns the error code: the last four bytes of a reset, and those after the stream id of a GOAWAY.
    pub(super) fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        let code = self.payload[at..at + 4].try_into();
        u32::from_be_bytes(code.expect("a code"))
    }
}

/// A client that follows no rule of HTTP/2 except for frames.
pub(super) struct Raw(TcpStream);

impl Raw {
    pub(super) fn connect(app: &TestServer, settings: &[u8]) -> Raw {
        let stream = TcpStream::connect(app.address).expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        stream
            .set_read_timeout(Some(ANSWER_TIMEOUT))
            .expect("a time-out");
        let mut raw = Raw(stream);
        raw.send(PREFACE);
        raw.send(&frame(SETTINGS, 0, 0, settings));
        raw
    }

    /// Sends bytes. A closed connection is detected when reading.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes);
    }

    /// Returns the next frame; none where the connection has ended. Answers pings.
    pub(super) fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).expect("a length")];
        self.0.read_exact(&mut payload).ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        if head[3] == PING && head[4] == 0 {
            self.send(&frame(PING, 1, 0, &payload));
        }
        Some(Frame {
            kind: head[3],
            stream,
            payload,
        })
    }

    /// Returns the next frame of this kind.
    pub(super) fn next_frame(&mut self, kind: u8) -> Option<Frame> {
        std::iter::from_fn(|| self.next()).find(|frame| frame.kind == kind)
    }

    /// Returns the next data of a stream.
    pub(super) fn data_of(&mut self, stream: u32) -> Vec<u8> {
        let is_wanted = |frame: &Frame| {
            (frame.kind, frame.stream) == (DATA, stream) && !frame.payload.is_empty()
        };
        let found = std::iter::from_fn(|| self.next()).find(is_wanted);
        found.expect("data").payload
    }

    /// Waits until everything that was sent is read, and returns whether the connection is still open.
    pub(super) fn is_read(&mut self) -> bool {
        self.send(&frame(PING, 0, 0, b"are you?"));
        std::iter::from_fn(|| self.next())
            .any(|frame| frame.kind == PING && frame.payload == b"are you?")
    }
}

fn post(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &fields("POST", "/kv/ns/key"))
}

pub(super) fn setting(name: u16, value: u32) -> Vec<u8> {
    [&name.to_be_bytes()[..], &value.to_be_bytes()].concat()
}

#[test]
fn the_settings_have_the_limits() {
    let app = TestServer::start();
    let settings = Raw::connect(&app, b"")
        .next_frame(SETTINGS)
        .expect("settings");
    let setting_value = |name: u16| {
        let found = settings
            .payload
            .chunks(6)
            .find(|entry| entry[..2] == name.to_be_bytes());
        found.map(|entry| u32::from_be_bytes([entry[2], entry[3], entry[4], entry[5]]))
    };
    // The maximum number of concurrent streams, and the maximum size of a head.
    assert_eq!(
        (setting_value(3), setting_value(6)),
        (Some(128), Some(131_072))
    );
    assert_eq!(setting_value(INITIAL_WINDOW_SIZE), Some(256 << 10));
}

#[test]
fn a_head_with_too_many_fields_is_refused() {
    let app = TestServer::start();
    for (count, status) in [(80, "200"), (200, "431"), (25_000, "431"), (100_000, "")] {
        let mut raw = Raw::connect(&app, b"");
        raw.send(&frame(HEADERS, END_STREAM, 1, &fields("GET", "/ping")));
        let all = b"\x00\x01a\x01b".repeat(count);
        for part in all.chunks(15_000) {
            raw.send(&frame(CONTINUATION, 0, 1, part));
        }
        raw.send(&frame(CONTINUATION, END_HEADERS, 1, b""));
        let answer = raw.next_frame(HEADERS);
        let has = |text: &str| {
            // A status that is not in the static table is sent as text, by the Huffman code or not.
            answer.as_ref().is_some_and(|answer| match text {
                "200" => answer.payload.first() == Some(&0x88),
                _ => answer.payload.first() != Some(&0x88),
            })
        };
        assert!(status.is_empty() || has(status), "{count}: {answer:?}");
        assert_eq!(app.ask("GET", "/ping").text(), "pong");
    }
}

#[test]
fn streams_beyond_the_maximum_are_refused_and_then_end_the_connection() {
    let app = TestServer::start();
    let mut raw = Raw::connect(&app, b"");
    for stream in 0..129 {
        raw.send(&post(2 * stream + 1));
    }
    let refused = raw.next_frame(RST_STREAM).expect("a refusal");
    assert_eq!((refused.stream, refused.code()), (257, REFUSED_STREAM));
    for stream in 129..4_000 {
        raw.send(&post(2 * stream + 1));
    }
    let end = raw.next_frame(GOAWAY).expect("a GOAWAY");
    assert_eq!(end.code(), ENHANCE_YOUR_CALM);
    assert!(raw.next().is_none());
    assert_eq!(app.ask("GET", "/ping").text(), "pong");
}

#[test]
fn resets_are_limited() {
    let app = TestServer::start();
    let mut raw = Raw::connect(&app, b"");
    let mut taken_back = 0;
    loop {
        let stream = 2 * taken_back + 1;
        raw.send(&post(stream));
        if !raw.is_read() {
            break;
        }
        raw.send(&frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes()));
        taken_back += 1;
        assert!(taken_back < 1_000);
    }
    assert!(taken_back > 100);
    // A client that resets some requests and reads the answers of others may continue.
    let mut raw = Raw::connect(&app, b"");
    for round in 0..500 {
        raw.send(&get(4 * round + 1));
        raw.next_frame(HEADERS).expect("an answer");
        raw.send(&post(4 * round + 3));
        assert!(raw.is_read(), "{round}");
        raw.send(&frame(RST_STREAM, 0, 4 * round + 3, &CANCEL.to_be_bytes()));
    }
}

#[test]
fn a_slow_head_times_out() {
    let app = TestServer::with(Options {
        header_timeout: SOON,
        ..Options::default()
    });
    for begin in [
        frame(HEADERS, END_STREAM, 3, &fields("GET", "/ping")),
        post(3)[..12].to_vec(),
        b"\0".to_vec(),
    ] {
        let mut raw = Raw::connect(&app, b"");
        // A request in progress does not extend the time.
        raw.send(&frame(
            HEADERS,
            END_HEADERS | END_STREAM,
            1,
            &fields("GET", "/watch/ns"),
        ));
        raw.next_frame(HEADERS).expect("an answer");
        raw.send(&begin);
        while let Some(frame) = raw.next() {
            assert_ne!(frame.stream, 3, "{frame:?}");
        }
    }
}

#[test]
fn an_idle_connection_is_closed_even_if_it_answers_pings() {
    let app = TestServer::with(Options {
        keep_alive: SOON,
        ..Options::default()
    });
    for asks in [false, true] {
        let mut raw = Raw::connect(&app, b"");
        if asks {
            raw.send(&get(1));
            raw.next_frame(HEADERS).expect("an answer");
        }
        let end = raw.next_frame(GOAWAY).expect("a GOAWAY");
        assert_eq!(end.code(), 0);
        while raw.next().is_some() {}
    }
}

#[test]
fn an_unread_answer_is_aborted() {
    let app = TestServer::with(Options {
        stall_timeout: SOON,
        keep_alive: SOON,
        ..Options::default()
    });
    app.post("/kv/ns/key", vec![b'x'; 1 << 20]);
    for path in ["/ping", "/kv/ns/key", "/kv/ns?values=true", "/export"] {
        let mut raw = Raw::connect(&app, &setting(INITIAL_WINDOW_SIZE, 0));
        let head = frame(HEADERS, END_HEADERS | END_STREAM, 1, &fields("GET", path));
        raw.send(&head);
        raw.next_frame(HEADERS).expect("a head");
        let end = raw.next_frame(RST_STREAM).expect("an end");
        assert_eq!((end.stream, end.code()), (1, CANCEL), "{path}");
        // Then the connection is idle, and is closed.
        while raw.next().is_some() {}
    }
}

#[test]
fn a_stopping_server_answers_closing() {
    let app = TestServer::start();
    let mut raw = Raw::connect(&app, b"");
    raw.send(&get(1));
    raw.next_frame(HEADERS).expect("an answer");
    let handle = app.handle().clone();
    let stop = std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(handle.stop(true));
    });
    let end = raw.next_frame(GOAWAY).expect("a GOAWAY");
    assert_eq!(end.code(), 0);
    while raw.next().is_some() {}
    stop.join().expect("a stop");
}
