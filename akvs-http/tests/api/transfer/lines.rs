//! Invalid lines among valid ones: each is reported, and the others are imported.

use akvs_http::Options;
use serde_json::{Value, json};

use super::{file, import, refused};
use akvs_testing::server::TestServer;

fn details(report: &Value) -> Vec<(u64, &str)> {
    let errors = report["errors"].as_array().expect("a list").iter();
    let errors = errors.map(|error| (error["line"].as_u64(), error["detail"].as_str()));
    errors
        .map(|(line, detail)| (line.expect("a line"), detail.expect("a detail")))
        .collect()
}

/// Invalid lines, each with the beginning of its error.
fn bad_lines() -> [(Value, &'static str); 17] {
    [
        (json!({"value": "v"}), "key: missing"),
        (
            json!({"key": "", "value": "v"}),
            "key: the key is empty: expected 1 to 1024 bytes",
        ),
        (json!({"key": "k", "key64": "aw", "value": "v"}), "key64: "),
        (json!({"key64": "=", "value": "v"}), "key64: "),
        (json!({"key": "k".repeat(1_025), "value": "v"}), "key: "),
        (json!({"key": "k"}), "value: missing"),
        (
            json!({"key": "k", "value": 1}),
            "value: invalid number 1: expected a string",
        ),
        (json!({"key": "k", "value64": "a"}), "value64: "),
        (
            json!({"key": "k", "value": "v", "ttl": 5}),
            "ttl: unknown member",
        ),
        (
            json!({"key": "k", "value": "v", "count": 5}),
            "count: unexpected member of a record",
        ),
        (
            json!({"key": "k", "value": "v", "content_type": "a\nb"}),
            "content_type: ",
        ),
        (
            json!({"key": "k", "value": "v", "content_encoding": ""}),
            "content_encoding: ",
        ),
        (
            json!({"key": "k", "value": "v", "expires": "tomorrow"}),
            "expires: ",
        ),
        (
            json!({"key": "k", "value": "v", "expires": "2030-01-01T00:00:00ü"}),
            "expires: ",
        ),
        (
            json!({"key": "k", "value": "v", "expires": null}),
            "expires: invalid null: expected a string",
        ),
        (json!([1]), "the line: "),
        (json!(""), "the line: "),
    ]
}

#[test]
fn each_invalid_line_is_reported_and_the_others_are_imported() {
    let app = TestServer::start();
    let good = |key: &str| json!({"key": key, "value": "v"});
    let bad = bad_lines();
    let mut records = vec![good("first")];
    for (number, (line, _)) in bad.iter().enumerate() {
        records.extend([line.clone(), good(&format!("{number}"))]);
    }
    let report = import(&app, "/import/ns", &file(&records));
    assert_eq!(report["imported"], bad.len() + 1);
    let found = details(&report);
    assert_eq!(found.len(), bad.len());
    for (number, ((line, detail), (text, expected))) in found.into_iter().zip(&bad).enumerate() {
        assert_eq!(line, 3 + 2 * number as u64, "{text}");
        assert!(detail.starts_with(expected), "{text}: {detail}");
    }
    assert_eq!(app.ask("GET", "/kv/ns/k").status, 404);
    assert_eq!(app.value("/kv/ns/16"), b"v");
}

#[test]
fn quotas_and_limits_hold_as_for_any_write() {
    for mode in ["merge", "create"] {
        let app = TestServer::start();
        let settings = br#"{"max_keys":2,"max_value_bytes":4}"#;
        app.connect().ask("PUT", "/kv/ns", "", settings);
        let records = [
            json!({"key": "a", "value": "12345"}),
            json!({"key": "b", "value": "1"}),
            json!({"key": "c", "value": "1"}),
            json!({"key": "d", "value": "1"}),
        ];
        let report = import(&app, &format!("/import/ns?mode={mode}"), &file(&records));
        assert_eq!(report["imported"], 2);
        let found = details(&report);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].0, found[1].0), (2, 5), "{mode}");
        assert!(found[0].1.contains("at most 4"), "{found:?}");
        assert!(found[1].1.contains("2 keys"), "{found:?}");
    }
}

#[test]
fn a_line_or_value_that_is_too_long_does_not_affect_the_next_line() {
    let app = TestServer::with(Options {
        max_value_bytes: 1_000,
        max_body_memory_bytes: 1 << 20,
        ..Options::default()
    });
    let records = [
        json!({"key": "a", "value": "v".repeat(1_001)}),
        json!({"key": "b", "value": "v".repeat(4 << 20)}),
        json!({"key": "c", "value": "v".repeat(1_000)}),
    ];
    let report = import(&app, "/import/ns", &file(&records));
    assert_eq!(report["imported"], 1);
    let found = details(&report);
    assert_eq!((found[0].0, found[1].0), (2, 3));
    for (_, detail) in found {
        assert!(detail.contains("limits.max_value_bytes"), "{detail}");
    }
    // A first line that is too long is refused as well.
    refused_or_too_large(&app, &"x".repeat(4 << 20));
}

fn refused_or_too_large(app: &TestServer, text: &str) {
    let answer = app.post("/import/ns", text);
    assert_eq!(answer.refusal(), (413, "too_large".to_owned()));
    refused(&app.post("/import/ns", "{\"akvs\":1}\n"), "namespace");
}

#[test]
fn the_longest_value_of_any_bytes_is_exported_and_imported() {
    let from = TestServer::with(Options {
        max_value_bytes: 1 << 20,
        ..Options::default()
    });
    for (key, byte) in [
        ("a", b'a'),
        ("b", b'"'),
        ("c", 1),
        ("d", 0xff),
        ("e", b'\n'),
    ] {
        from.post(&format!("/kv/ns/{key}"), vec![byte; 1 << 20]);
    }
    let report = import(&from, "/import/to", &super::export(&from, "/export/ns"));
    assert_eq!(report["imported"], 5);
    assert_eq!(from.value("/kv/to/c"), vec![1; 1 << 20]);
}
