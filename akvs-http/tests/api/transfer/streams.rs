//! Content codings, slow readers, and senders that stop.

use std::io::{Read, Write};
use std::time::Duration;

use akvs_http::Options;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::{export, file, records, refused};
use akvs_testing::raw::{Answer, request};
use akvs_testing::server::TestServer;

fn coded(coding: &str, text: &[u8]) -> Vec<u8> {
    if coding == "zstd" {
        return zstd::encode_all(text, 3).expect("a frame");
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).expect("a member");
    encoder.finish().expect("a member")
}

fn decoded(coding: &str, bytes: &[u8]) -> Vec<u8> {
    if coding == "zstd" {
        return zstd::decode_all(bytes).expect("a frame");
    }
    let mut text = Vec::new();
    GzDecoder::new(bytes)
        .read_to_end(&mut text)
        .expect("a member");
    text
}

fn post(app: &TestServer, coding: &str, body: &[u8]) -> Answer {
    let header = format!("Content-Encoding: {coding}\r\n");
    app.connect().ask("POST", "/import/to", &header, body)
}

#[test]
fn exports_and_imports_may_be_compressed() {
    let app = TestServer::start();
    let paths = (0..3_000).map(|number| format!("/kv/ns/{number:04}"));
    app.connect().ask_all("POST", paths, &[b'v'; 90]);
    for coding in ["gzip", "zstd"] {
        let plain = export(&app, "/export/ns");
        let mut connection = app.connect();
        let header = format!("Accept-Encoding: {coding}\r\n");
        connection.send(request("GET", "/export/ns", &header, b""));
        let head = connection.head().expect("an answer");
        assert_eq!(head.header("Content-Encoding"), Some(coding));
        assert_eq!(head.header("Vary"), Some("accept-encoding"));
        let body = connection.chunked_body();
        assert!(body.len() < plain.len() / 4, "{coding}: {}", body.len());
        assert_eq!(decoded(coding, &body), plain, "{coding}");
        let answer = post(&app, coding, &body);
        assert_eq!(answer.status, 200, "{coding}: {}", answer.text());
        assert_eq!(records(&export(&app, "/export/to")), records(&plain));
        app.ask("DELETE", "/kv/to?confirm=to");
    }
}

#[test]
fn malformed_compression_is_refused() {
    let app = TestServer::start();
    let text = file(&[json!({"key": "a", "value": "1"})]);
    for coding in ["gzip", "zstd"] {
        let whole = coded(coding, &text);
        for end in 1..whole.len() {
            assert_eq!(
                post(&app, coding, &whole[..end]).status,
                400,
                "{coding} {end}"
            );
        }
        refused(&post(&app, coding, &text), "content-encoding");
        refused(&post(&app, coding, &[&whole[..], b"x"].concat()), "");
        assert_eq!(post(&app, coding, &whole).status, 200);
    }
    for coding in ["br", "deflate", "gzip, gzip", "x"] {
        refused(
            &post(&app, coding, &text),
            "expected gzip, zstd or identity",
        );
    }
    assert_eq!(post(&app, "identity", &text).status, 200);
}

#[test]
fn highly_compressed_files_are_read_in_bounded_memory() {
    let app = TestServer::with(Options {
        max_value_bytes: 1_000,
        max_body_memory_bytes: 4 << 20,
        ..Options::default()
    });
    let zeros = vec![b' '; 16 << 20];
    for coding in ["gzip", "zstd"] {
        let mut text = file(&[]);
        let at = text.iter().position(|byte| *byte == b'\n').expect("a line") + 1;
        text.truncate(at);
        text.extend(&zeros);
        let body = coded(coding, &text);
        assert!(body.len() < 1 << 20);
        refused(&post(&app, coding, &body), "cut off");
    }
}

#[test]
fn the_content_encoding_of_a_value_is_exported_unchanged() {
    let app = TestServer::start();
    let mut connection = app.connect();
    connection.ask("POST", "/kv/ns/a", "Content-Encoding: gzip\r\n", b"no gzip");
    let answer = connection.ask("GET", "/kv/ns/a", "Accept-Encoding: zstd\r\n", b"");
    assert_eq!(
        (answer.header("Content-Encoding"), &answer.body[..]),
        (Some("gzip"), &b"no gzip"[..])
    );
    connection.ask("POST", "/kv/ns/b", "", b"plain");
    let answer = connection.ask("GET", "/kv/ns/b", "Accept-Encoding: gzip\r\n", b"");
    assert_eq!(
        (answer.header("Content-Encoding"), &answer.body[..]),
        (None, &b"plain"[..])
    );
}

#[test]
fn a_sender_that_stops_gets_408() {
    let app = TestServer::with(Options {
        request_timeout: Duration::from_millis(200),
        ..Options::default()
    });
    let text = file(&[json!({"key": "a", "value": "1"})]);
    let mut connection = app.connect();
    let head = format!(
        "POST /import/ns HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
        text.len()
    );
    connection.send(head);
    connection.send(&text[..text.len() - 1]);
    let answer = connection.answer();
    let problem = refused(&answer, "no more of the body arrived");
    assert_eq!(problem["setting"], "limits.request_timeout");
}

#[test]
fn a_slow_sender_that_makes_progress_is_not_disconnected() {
    let timeout = Duration::from_secs(2);
    let app = TestServer::with(Options {
        request_timeout: timeout,
        ..Options::default()
    });
    let records: Vec<Value> = (0..4)
        .map(|key| json!({"key": key.to_string(), "value": ""}))
        .collect();
    let text = file(&records);
    let mut connection = app.connect();
    let head = format!(
        "POST /import/ns HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
        text.len()
    );
    connection.send(head);
    // Longer than the timeout in total, but each part well within it: the test needs real time to pass.
    for part in text.chunks(text.len().div_ceil(6)) {
        std::thread::sleep(timeout / 4);
        connection.send(part);
    }
    assert_eq!(connection.answer().status, 200);
}

#[test]
fn an_aborted_import_keeps_what_was_stored() {
    let app = TestServer::start();
    let many: Vec<Value> = (0..2_000)
        .map(|key| json!({"key": format!("{key:04}"), "value": ""}))
        .collect();
    let text = file(&many);
    let mut connection = app.connect();
    connection.send("POST /import/ns HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n");
    connection.send(&text);
    connection.end_sending();
    assert!(connection.is_ended());
    assert!(!records(&export(&app, "/export/ns")).is_empty());
}

#[test]
fn an_export_is_consistent_however_slowly_it_is_read() {
    for app in [TestServer::start(), TestServer::on_disk()] {
        let paths = (0..1_000).map(|number| format!("/kv/ns/{number:04}"));
        let mut connection = app.connect();
        connection.ask_all("POST", paths, b"old");
        app.post("/kv/z/k", "old");
        // More than all buffers between the server and the client hold.
        for number in 0..4 {
            app.post(&format!("/kv/ns/0500-{number}"), vec![b'x'; 4 << 20]);
        }
        for (path, count) in [("/export", 1_005), ("/export/ns", 1_004)] {
            let mut stream = app.connect();
            stream.send(request("GET", path, "", b""));
            assert_eq!(stream.head().expect("an answer").status, 200);
            for key in ["0000", "0999", "9"] {
                assert_eq!(app.post(&format!("/kv/ns/{key}"), "new").status, 201);
            }
            app.post("/kv/z/k", "new");
            app.ask("DELETE", "/kv/ns/0700");
            let body = stream.chunked_body();
            let found = records(&body);
            assert_eq!(found.len(), count, "{path}");
            assert!(
                found.iter().all(|record| record["value"] != "new"),
                "{path}"
            );
            for key in ["0000", "0999", "0700"] {
                app.post(&format!("/kv/ns/{key}"), "old");
            }
            app.post("/kv/z/k", "old");
            app.ask("DELETE", "/kv/ns/9");
        }
    }
}
