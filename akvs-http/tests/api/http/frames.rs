//! HTTP/2 frames by hand (RFC 9113): known attacks with floods of frames. The attacking connection may be closed; other
//! connections must not be affected.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use akvs_testing::server::TestServer;

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The last ping: its echo shows that all frames before it were read.
const LAST: &[u8; 8] = b"the last";

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a length");
    let mut frame = length.to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The fields of a request (RFC 7541): one of these two methods and the scheme from the static table, the rest as text.
pub(super) fn fields(method: &str, path: &str) -> Vec<u8> {
    let mut fields = vec![if method == "GET" { 0x82 } else { 0x83 }, 0x86, 0x04];
    fields.push(u8::try_from(path.len()).expect("a short path"));
    fields.extend(path.bytes());
    fields.extend(b"\x01\x09localhost");
    fields
}

pub(super) fn get(stream: u32) -> Vec<u8> {
    frame(
        HEADERS,
        END_STREAM | END_HEADERS,
        stream,
        &fields("GET", "/ping"),
    )
}

/// The effect of frames on a connection.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// All frames were read, and the connection is open.
    Alive,
    /// The connection was closed, with this error code if one was sent.
    Ended(Option<u32>),
}

/// Sends frames on a new connection while reading the answers.
fn send(app: &TestServer, frames: Vec<u8>) -> Outcome {
    send_and_ask(app, frames, 0).0
}

/// Sends frames, and reads until this number of requests is answered. Also returns which answers are 200.
fn send_and_ask(app: &TestServer, frames: Vec<u8>, requests: usize) -> (Outcome, Vec<bool>) {
    let mut stream = TcpStream::connect(app.address).expect("a connection");
    let timeout = Some(Duration::from_secs(20));
    stream.set_read_timeout(timeout).expect("a time-out");
    stream.set_write_timeout(timeout).expect("a time-out");
    let mut writer = stream.try_clone().expect("a second handle");
    let sender = std::thread::spawn(move || {
        let all = [
            PREFACE,
            &frame(SETTINGS, 0, 0, b""),
            &frames,
            &frame(PING, 0, 0, LAST),
        ];
        // The server may close the connection before it has read everything.
        let _ = writer.write_all(&all.concat());
    });
    let outcome = read(&mut stream, requests);
    drop(stream);
    sender.join().expect("a sender");
    let alive = app.connect().ask("GET", "/ping", "", b"");
    assert_eq!(alive.text(), "pong");
    outcome
}

fn read(stream: &mut TcpStream, requests: usize) -> (Outcome, Vec<bool>) {
    let (mut code, mut answers, mut echoed) = (None, Vec::new(), false);
    while !echoed || answers.len() < requests {
        let mut head = [0; 9];
        if stream.read_exact(&mut head).is_err() {
            return (Outcome::Ended(code), answers);
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).expect("a length")];
        if stream.read_exact(&mut payload).is_err() {
            return (Outcome::Ended(code), answers);
        }
        match head[3] {
            GOAWAY => code = payload[4..8].try_into().ok().map(u32::from_be_bytes),
            // The status 200 is the eighth entry of the static table.
            HEADERS => answers.push(payload.first() == Some(&0x88)),
            PING => echoed |= payload == LAST,
            _ => {}
        }
    }
    (Outcome::Alive, answers)
}

#[test]
fn requests_that_are_reset_at_once_do_not_accumulate() {
    let app = TestServer::start();
    let mut frames = Vec::new();
    for stream in (1..40_000).step_by(2) {
        frames.extend(get(stream));
        frames.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
    }
    // ENHANCE_YOUR_CALM, once twenty resets wait to be read.
    let outcome = send(&app, frames);
    assert!(
        matches!(outcome, Outcome::Alive | Outcome::Ended(Some(11) | None)),
        "{outcome:?}"
    );
}

#[test]
fn writes_that_are_reset_store_nothing() {
    let app = TestServer::start();
    let mut frames = Vec::new();
    for stream in (1..2_000).step_by(2) {
        let path = format!("/kv/ns/{stream}");
        frames.extend(frame(HEADERS, END_HEADERS, stream, &fields("POST", &path)));
        frames.extend(frame(DATA, 0, stream, b"half"));
        frames.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
    }
    let outcome = send(&app, frames);
    assert!(
        matches!(outcome, Outcome::Alive | Outcome::Ended(Some(11) | None)),
        "{outcome:?}"
    );
    for stream in [1, 3, 39, 41, 999, 1_999] {
        assert_eq!(app.ask("GET", &format!("/kv/ns/{stream}")).status, 404);
    }
}

#[test]
fn a_head_without_end_is_cut_off() {
    let app = TestServer::start();
    // A field that is never complete: its name has a megabyte.
    let begin = [
        frame(HEADERS, END_STREAM, 1, &fields("GET", "/ping")),
        frame(CONTINUATION, 0, 1, b"\x00\x7f\x81\xff\x3f"),
    ];
    let empty = frame(CONTINUATION, 0, 1, b"").repeat(3_000);
    let outcome = send(&app, [&*begin.concat(), &empty].concat());
    // ENHANCE_YOUR_CALM, before the ping within the head becomes an error of its own.
    let calmed = matches!(outcome, Outcome::Ended(Some(11) | None));
    assert!(calmed, "{outcome:?}");
    let full = frame(CONTINUATION, 0, 1, &[b'x'; 16_000]).repeat(3_000);
    let outcome = send(&app, [&*begin.concat(), &full].concat());
    assert!(matches!(outcome, Outcome::Ended(_)), "{outcome:?}");
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let app = TestServer::start();
    // A field of this size fills a frame.
    let field = [b"\x00\x01x\x7f\x81\x7c".as_slice(), &[b'a'; 16_000]].concat();
    for (count, served) in [(1, true), (1_100, false)] {
        let mut frames = frame(HEADERS, END_STREAM, 1, &fields("GET", "/ping"));
        frames.extend(frame(CONTINUATION, 0, 1, &field).repeat(count));
        frames.extend(frame(CONTINUATION, END_HEADERS, 1, b""));
        let (outcome, answers) = send_and_ask(&app, frames, 1);
        assert_eq!(answers.contains(&true), served, "{outcome:?}");
    }
}

#[test]
fn pings_and_settings_are_answered_only_as_fast_as_answers_are_read() {
    let app = TestServer::start();
    for one in [
        frame(PING, 0, 0, b"12345678"),
        frame(SETTINGS, 0, 0, b""),
        frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100]),
    ] {
        assert_eq!(send(&app, one.repeat(50_000)), Outcome::Alive);
    }
}

#[test]
fn frames_without_effect_are_ignored() {
    let app = TestServer::start();
    let open = frame(HEADERS, END_HEADERS, 1, &fields("POST", "/kv/ns/key"));
    let empty = frame(DATA, 0, 1, b"").repeat(50_000);
    let outcome = send(&app, [open, empty].concat());
    assert!(
        matches!(outcome, Outcome::Alive | Outcome::Ended(_)),
        "{outcome:?}"
    );
    assert_eq!(app.ask("GET", "/kv/ns/key").status, 404);
    let unknown = frame(0xee, 0xff, 0, b"whatever").repeat(50_000);
    assert_eq!(send(&app, unknown), Outcome::Alive);
}

#[test]
fn invalid_frames_close_the_connection() {
    let app = TestServer::start();
    let widest = 0x7fff_ffff_u32.to_be_bytes();
    for (what, frames) in [
        ("a body before its head", frame(DATA, 0, 1, b"x")),
        ("a stream of the server's", get(2)),
        ("the stream 0", get(0)),
        ("a stream after a later one", [get(3), get(1)].concat()),
        ("a ping of seven bytes", frame(PING, 0, 0, b"1234567")),
        ("settings of five bytes", frame(SETTINGS, 0, 0, b"12345")),
        (
            "a window above the maximum",
            frame(WINDOW_UPDATE, 0, 0, &widest).repeat(2),
        ),
        (
            "a window update of zero",
            frame(WINDOW_UPDATE, 0, 0, &[0; 4]),
        ),
        (
            "another frame within a head",
            [frame(HEADERS, 0, 1, &fields("GET", "/ping")), get(3)].concat(),
        ),
        (
            "a continuation without a head",
            frame(CONTINUATION, END_HEADERS, 1, b""),
        ),
        (
            "malformed fields",
            frame(HEADERS, END_STREAM | END_HEADERS, 1, &[0xff; 20]),
        ),
        ("a frame that is too long", frame(DATA, 0, 1, &[0; 20_000])),
    ] {
        let outcome = send(&app, frames);
        assert!(matches!(outcome, Outcome::Ended(_)), "{what}: {outcome:?}");
    }
}

#[test]
fn a_preface_in_several_segments_is_recognized() {
    let app = TestServer::start();
    for cut in [1, 3, 11, 12, 23] {
        let mut stream = TcpStream::connect(app.address).expect("a connection");
        stream.set_nodelay(true).expect("segments at once");
        let patience = Some(Duration::from_secs(20));
        stream.set_read_timeout(patience).expect("a time-out");
        stream.write_all(&PREFACE[..cut]).expect("the first part");
        // Each worker has a turn meanwhile, so that it sees the first part alone.
        for _ in 0..8 {
            assert_eq!(app.connect().ask("GET", "/ping", "", b"").text(), "pong");
        }
        let rest = [&PREFACE[cut..], &frame(SETTINGS, 0, 0, b""), &get(1)];
        let rest = [&rest.concat(), &frame(PING, 0, 0, LAST)[..]].concat();
        stream.write_all(&rest).expect("the rest");
        let read = read(&mut stream, 1);
        assert_eq!(read, (Outcome::Alive, vec![true]), "cut after {cut}");
    }
}
