//! Files that are not exports, or that have the wrong header fields: the problem states what the file is and how to
//! proceed.

use std::io::Write;

use akvs_http::Options;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use super::{file, refused};
use akvs_testing::server::TestServer;

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).expect("a member");
    encoder.finish().expect("a member")
}

fn zstd(text: &[u8]) -> Vec<u8> {
    zstd::encode_all(text, 3).expect("a frame")
}

fn whole() -> Vec<u8> {
    let records = (0..50).map(|number| json!({"key": format!("{number}"), "value": "a value"}));
    file(&records.collect::<Vec<_>>())
}

/// Returns the body that `curl -d @FILE` sends.
fn as_curl_sends_it(file: &[u8]) -> Vec<u8> {
    let mut sent = file.to_vec();
    sent.retain(|byte| !matches!(byte, b'\r' | b'\n' | 0));
    sent
}

#[test]
fn a_file_without_newlines_by_curl_is_explained() {
    let app = TestServer::with(Options {
        max_value_bytes: 1_000,
        ..Options::default()
    });
    let long = file(&[json!({"key": "a", "value": "v".repeat(100_000)})]);
    let returns = String::from_utf8(whole())
        .expect("text")
        .replace('\n', "\r\n");
    for (name, text) in [
        ("small", whole()),
        ("a line that is too long", long),
        ("CRLF", returns.into_bytes()),
    ] {
        for headers in [FORM, "", "Content-Type: application/x-ndjson\r\n"] {
            let sent = as_curl_sends_it(&text);
            let answer = app.connect().ask("POST", "/import/ns", headers, &sent);
            let problem = refused(&answer, "--data-binary");
            let detail = problem["detail"].as_str().expect("a text");
            assert!(detail.contains("newlines"), "{name}: {detail}");
        }
    }
    // The type alone is not an error: `--data-binary` sends it as well.
    let answer = app.connect().ask("POST", "/import/ns", FORM, &whole());
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[test]
fn a_compressed_file_without_its_header_is_explained() {
    let app = TestServer::start();
    for (name, packed) in [("gzip", gzip(&whole())), ("zstd", zstd(&whole()))] {
        let expected = format!("Content-Encoding: {name}");
        for sent in [
            packed.clone(),
            as_curl_sends_it(&packed),
            packed[..12].to_vec(),
        ] {
            refused(&app.post("/import/ns", &sent), &expected);
        }
        let header = "Content-Encoding: gzip\r\n";
        let twice = app
            .connect()
            .ask("POST", "/import/ns", header, &gzip(&packed));
        refused(&twice, &format!("twice: with {name}"));
    }
    // A file that is declared as compressed and is not is refused as well.
    let header = format!("Content-Encoding: gzip\r\n{FORM}");
    let sent = as_curl_sends_it(&gzip(&whole()));
    refused(
        &app.connect().ask("POST", "/import/ns", &header, &sent),
        "--data-binary",
    );
    refused(
        &app.connect().ask("POST", "/import/ns", &header, &whole()),
        "content-encoding",
    );
}

#[test]
fn other_files_are_recognized_and_refused() {
    let app = TestServer::start();
    let utf16: Vec<u8> = String::from_utf8(whole())
        .expect("text")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let marked = [&[0xff, 0xfe][..], &utf16].concat();
    let form = "--b\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\n";
    for (sent, expected) in [
        (
            b"akvs-bak\x01\0\0\0\x2a\0\0\0 and more\n".to_vec(),
            "akvs restore",
        ),
        (b"PK\x03\x04\x14\0\0\0".to_vec(), "zip"),
        (utf16, "UTF-16"),
        (marked, "UTF-16"),
        ([form.as_bytes(), &whole()].concat(), "--data-binary"),
        (b"%7B%22akvs%22%3A1".to_vec(), "--data-binary"),
        // A forgotten `@`.
        (b"all.ndjson".to_vec(), "\"all.ndjson\""),
    ] {
        for path in ["/import/ns", "/import"] {
            refused(&app.connect().ask("POST", path, FORM, &sent), expected);
        }
    }
    assert_eq!(app.namespaces(), [""; 0]);
}
