//! Damaged export files: damage anywhere is detected.

use serde_json::{Value, json};

use super::{ended, export, file, import, refused};
use akvs_testing::server::TestServer;

fn small() -> Vec<u8> {
    file(&[
        json!({"key": "a", "value": "1"}),
        json!({"key": "b", "value64": "_w"}),
    ])
}

#[test]
fn truncation_at_every_byte_is_detected() {
    let app = TestServer::start();
    let whole = small();
    let mut connection = app.connect();
    // Without its last newline the file is complete, see `text.rs`.
    for end in 0..whole.len() - 1 {
        let answer = connection.ask("POST", "/import/ns", "", &whole[..end]);
        let expected = if end
            < whole
                .iter()
                .position(|byte| *byte == b'\n')
                .expect("a line")
                + 1
        {
            "no first line"
        } else {
            "cut off"
        };
        refused(&answer, expected);
    }
    assert_eq!(connection.ask("POST", "/import/ns", "", &whole).status, 200);
}

#[test]
fn a_change_of_any_byte_is_detected() {
    let app = TestServer::start();
    let whole = small();
    let mut connection = app.connect();
    for at in 0..whole.len() {
        for bit in [1, 0x20] {
            let mut changed = whole.clone();
            changed[at] ^= bit;
            let answer = connection.ask("POST", "/import/ns", "", &changed);
            assert!(answer.status >= 400, "{at} {bit}: {}", answer.text());
        }
    }
}

#[test]
fn missing_added_and_moved_lines_are_detected() {
    let whole = String::from_utf8(small()).expect("text");
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let [first, a, b, end] = lines[..] else {
        panic!("{lines:?}")
    };
    for (text, detail) in [
        ([first, b, end].concat(), "1 records of 2"),
        ([first, b, a, end].concat(), "sha256"),
        ([first, a, b, b, end].concat(), "3 records of 2"),
        (
            [first, a, b, end, "\n\nx"].concat(),
            "trailing data after the last line",
        ),
        (
            [first, a, b, end, "x"].concat(),
            "trailing data after the last line",
        ),
        (
            [first, a, b, end, end].concat(),
            "trailing data after the last line",
        ),
        (
            [first, a, b, end, first].concat(),
            "trailing data after the last line",
        ),
        // All bytes of a line count, including whitespace.
        ([first, " ", a, b, end].concat(), "sha256"),
        ([first, "\n", b, end].concat(), "1 records of 2"),
        ([first, first, a, b, end].concat(), "another export"),
        ([a, b, end].concat(), "does not begin"),
        ([end].concat(), "does not begin"),
        (String::new(), "no first line"),
    ] {
        refused(&TestServer::start().post("/import/ns", text), detail);
    }
}

#[test]
fn a_file_of_another_version_or_kind_changes_nothing() {
    let app = TestServer::start();
    for (first, detail) in [
        (
            json!({"akvs": 2, "namespace": "ns", "revision": 1}),
            "akvs: unknown version 2: expected 1",
        ),
        (json!({"akvs": 1}), "namespace: missing member"),
        (
            json!({"akvs": 1, "namespace": "ns", "x": 1}),
            "x: unknown member",
        ),
        (json!({"akvs": 1, "namespace": "ns", "count": 1}), "count: "),
        (
            json!({"akvs": 1, "namespace": "ns", "settings": {"ttl": "x"}}),
            "settings.ttl: ",
        ),
        (
            json!({"akvs": 1, "namespace": "ns", "settings": {"x": 1}}),
            "settings.x: ",
        ),
        (json!([]), "line 1: "),
    ] {
        let text = format!("{first}\n{}\n", json!({"key": "a", "value": "1"}));
        refused(&app.post("/import/ns", ended(text.into_bytes(), 1)), detail);
    }
    assert_eq!(app.namespaces(), [""; 0]);
}

#[test]
fn a_damaged_namespace_line_stops_the_import() {
    let from = TestServer::start();
    from.post("/kv/a/k", "of a");
    from.post("/kv/b/k", "of b");
    let whole = String::from_utf8(export(&from, "/export")).expect("text");
    let app = TestServer::start();
    let problem = refused(
        &app.post(
            "/import",
            whole.replace("{\"namespace\":\"b\"", "{\"namespac:\"b\""),
        ),
        "line 4: ",
    );
    assert_eq!(problem["imported"], 1);
    assert_eq!(app.value("/kv/a/k"), b"of a");
    let less = whole.replace("\"namespaces\":2", "\"namespaces\":3");
    refused(
        &TestServer::start().post("/import", less),
        "2 namespaces of 3",
    );
}

#[test]
fn records_before_the_damage_are_reported() {
    let app = TestServer::start();
    let mut records: Vec<Value> = (0..2_500)
        .map(|number| json!({"key": format!("{number:04}"), "value": "v"}))
        .collect();
    records[1] = json!({"key": "", "value": "v"});
    let mut text = file(&records);
    text.truncate(text.len() - 2);
    let problem = refused(&app.post("/import/ns", &text), "cut off");
    let imported = problem["imported"].as_u64().expect("a number");
    let there = import(&app, "/import/copy", &export(&app, "/export/ns"));
    assert_eq!(there["imported"], imported);
    assert!(imported >= 1_000, "{imported}");
    assert_eq!(problem["errors"][0]["line"], 3);
}
