//! The memory of encoders and decoders counts: above the limit for bodies and answers a request is refused.

use std::io::Write;
use std::time::Duration;

use akvs_http::Options;
use flate2::Compression;
use flate2::write::GzEncoder;
use zstd::stream::write::Encoder as ZstdEncoder;

use super::{export, file, records};
use akvs_testing::raw::{Connection, request};
use akvs_testing::server::TestServer;

/// The window of the compressed bodies here, as a power of two.
const WINDOW_LOG: u32 = 22;
/// Far more imports than may be in progress.
const MANY: usize = 40;

/// Returns the beginning of a body, from which a decoder can read one line.
fn beginning(coding: &str, namespace: &str) -> Vec<u8> {
    let text = format!("{{\"akvs\":1,\"namespace\":\"{namespace}\",\"revision\":1}}\n");
    if coding == "zstd" {
        let mut encoder = ZstdEncoder::new(Vec::new(), 1).expect("an encoder");
        encoder.window_log(WINDOW_LOG).expect("a window");
        encoder.write_all(text.as_bytes()).expect("a frame");
        encoder.flush().expect("a frame");
        return encoder.get_ref().clone();
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).expect("a member");
    encoder.flush().expect("a member");
    encoder.get_ref().clone()
}

/// Starts an import, whose body is not complete yet.
fn begin(app: &TestServer, coding: &str, body: &[u8]) -> Connection {
    let mut connection = app.connect();
    connection.send(format!(
        "POST /import HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: {coding}\r\nContent-Length: 1000000\r\n\r\n"
    ));
    connection.send(body);
    connection
}

/// Returns whether an import is in progress; otherwise it was refused for lack of memory.
fn is_in_progress(app: &TestServer, connection: &mut Connection, namespace: &str) -> bool {
    loop {
        if app.namespaces().iter().any(|name| name == namespace) {
            return true;
        }
        if connection.has_input(Duration::from_millis(5)) {
            let answer = connection.answer();
            assert_eq!(answer.refusal(), (503, "overloaded".to_owned()));
            assert_eq!(answer.header("Retry-After"), Some("1"));
            assert_eq!(answer.problem()["setting"], "limits.max_body_memory_bytes");
            return false;
        }
    }
}

/// Returns how many imports are in progress at once before one is refused.
fn imports_at_once(app: &TestServer, coding: &str) -> usize {
    let mut open = Vec::new();
    for number in 0..MANY {
        let name = format!("{coding}-{number:02}");
        let mut connection = begin(app, coding, &beginning(coding, &name));
        if !is_in_progress(app, &mut connection, &name) {
            // Other requests are served meanwhile, and where an import has ended another may start.
            assert_eq!(app.post("/kv/ns/small", "v").status, 201);
            return open.len();
        }
        open.push(connection);
    }
    panic!("{MANY} imports hold no memory");
}

#[test]
fn the_windows_of_all_imports_are_counted() {
    for (coding, memory, at_once) in [("zstd", 16 << 20, 2..=3), ("gzip", 1 << 20, 3..=10)] {
        let app = TestServer::with(Options {
            max_body_memory_bytes: memory,
            max_value_bytes: 1_000,
            ..Options::default()
        });
        let count = imports_at_once(&app, coding);
        assert!(at_once.contains(&count), "{coding}: {count}");
        // Their clients have closed the connections; they no longer count once the server has noticed that.
        let text = file(&[]);
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&text).expect("a member");
        let whole = match coding {
            "zstd" => zstd::encode_all(&text[..], 1).expect("a frame"),
            _ => encoder.finish().expect("a member"),
        };
        let header = format!("Content-Encoding: {coding}\r\n");
        let is_done = (0..1_000).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            app.connect()
                .ask("POST", "/import/ns", &header, &whole)
                .status
                == 200
        });
        assert!(is_done, "{coding}");
    }
}

#[test]
fn a_too_large_window_is_distinguished_from_damage() {
    for (memory, window_log, setting) in [
        (512 << 20, 24, None),
        (8 << 20, 23, Some("limits.max_body_memory_bytes")),
    ] {
        let app = TestServer::with(Options {
            max_body_memory_bytes: memory,
            max_value_bytes: 1_000,
            ..Options::default()
        });
        let mut encoder = ZstdEncoder::new(Vec::new(), 1).expect("an encoder");
        encoder.window_log(window_log).expect("a window");
        encoder.write_all(&file(&[])).expect("a frame");
        let body = encoder.finish().expect("a frame");
        let header = "Content-Encoding: zstd\r\n";
        let answer = app.connect().ask("POST", "/import/ns", header, &body);
        assert_eq!(answer.refusal(), (413, "too_large".to_owned()));
        let problem = answer.problem();
        let detail = problem["detail"].as_str().expect("a text");
        assert!(
            detail.contains("window") && detail.contains("--long"),
            "{detail}"
        );
        assert_eq!(
            problem.get("setting").and_then(|name| name.as_str()),
            setting
        );
    }
}

#[test]
fn the_encoders_of_all_exports_are_counted() {
    for (coding, at_once) in [("zstd", 2..=4), ("gzip", 8..=16)] {
        let app = TestServer::with(Options {
            max_response_memory_bytes: 32 << 20,
            ..Options::default()
        });
        // More than fits into the buffers between the server and a client that does not read.
        for key in 0..16_u8 {
            let noise: Vec<u8> = (0..1_u32 << 20)
                .map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8 ^ key)
                .collect();
            app.post(&format!("/kv/ns/{key}"), noise);
        }
        let header = format!("Accept-Encoding: {coding}\r\n");
        let mut unread = Vec::new();
        let refused = (0..MANY).find_map(|_| {
            let mut connection = app.connect();
            connection.send(request("GET", "/export/ns", &header, b""));
            let head = connection.head().expect("a head");
            if head.status != 200 {
                return Some(
                    connection.bytes(
                        head.header("Content-Length")
                            .expect("a length")
                            .parse()
                            .expect("a number"),
                    ),
                );
            }
            unread.push(connection);
            None
        });
        let body = refused.expect("a refusal");
        let problem: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(problem["code"], "overloaded");
        assert_eq!(problem["setting"], "limits.max_response_memory_bytes");
        assert!(
            at_once.contains(&unread.len()),
            "{coding}: {}",
            unread.len()
        );
        // Without compression there is memory.
        assert_eq!(records(&export(&app, "/export/ns")).len(), 16);
    }
}
