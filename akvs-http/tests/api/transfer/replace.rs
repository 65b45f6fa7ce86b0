//! `mode=replace`: afterwards only the keys of the file exist, and nothing is deleted before the file is known to be
//! complete.

use serde_json::json;

use super::{ended, export, file, import, records, refused};
use akvs_testing::server::TestServer;

fn with_old(keys: &[&str]) -> TestServer {
    let app = TestServer::start();
    for key in keys {
        app.post(&format!("/kv/ns/{key}"), "old");
    }
    app
}

#[test]
fn keys_that_are_not_in_the_file_are_deleted() {
    let app = with_old(&["a", "b", "c", "%FF"]);
    let paths = (0..1_500).map(|number| format!("/kv/ns/old-{number}"));
    app.connect().ask_all("POST", paths, b"old");
    app.post("/kv/other/k", "v");
    // The records are in no order, and one is a duplicate.
    let records_of_file = [
        json!({"key": "d", "value": "new"}),
        json!({"key": "b", "value": "new"}),
        json!({"key": "b", "value": "newest"}),
        json!({"key": "c", "value": "", "expires": "2001-01-01T00:00:00.000Z"}),
    ];
    let report = import(&app, "/import/ns?mode=replace", &file(&records_of_file));
    let expected = json!({"imported": 3, "skipped": 1, "deleted": 1_503, "errors": []});
    assert_eq!(report, expected);
    assert_eq!(
        records(&export(&app, "/export/ns")),
        [
            json!({"key": "b", "value": "newest"}),
            json!({"key": "d", "value": "new"})
        ]
    );
    assert_eq!(app.value("/kv/other/k"), b"v");
}

#[test]
fn nothing_is_deleted_unless_the_file_is_complete() {
    let records_of_file = [
        json!({"key": "b", "value": "new"}),
        json!({"key": "c", "value": "new"}),
    ];
    let whole = file(&records_of_file);
    // Without its last newline the file is complete.
    let cuts = whole.len() - 1;
    for end in (0..cuts).step_by(7).chain([cuts - 1]) {
        let app = with_old(&["a", "b"]);
        let answer = app.post("/import/ns?mode=replace", &whole[..end]);
        let problem = refused(&answer, "");
        assert_eq!(problem.get("deleted"), None);
        assert_eq!(app.value("/kv/ns/a"), b"old", "{end}");
        assert!(
            [&b"old"[..], b"new"].contains(&&app.value("/kv/ns/b")[..]),
            "{end}"
        );
    }
    // An invalid record may be of any key.
    let app = with_old(&["a", "b"]);
    let bad = [
        json!({"key": "b", "value": "new"}),
        json!({"key": "a", "valu": "new"}),
    ];
    let problem = refused(
        &app.post("/import/ns?mode=replace", file(&bad)),
        "nothing was deleted",
    );
    assert_eq!(
        (&problem["imported"], &problem["errors"][0]["line"]),
        (&json!(1), &json!(3))
    );
    assert_eq!(app.value("/kv/ns/a"), b"old");
}

#[test]
fn only_the_namespaces_of_the_file_are_replaced() {
    let app = with_old(&["a"]);
    for path in ["/kv/b/old", "/kv/c/old"] {
        app.post(path, "old");
    }
    let text = [
        json!({"akvs": 1, "namespaces": 2, "revision": 1}),
        json!({"namespace": "b"}),
        json!({"key": "k", "value": "1"}),
        json!({"namespace": "ns"}),
    ];
    let text: String = text.iter().map(|line| format!("{line}\n")).collect();
    let report = import(&app, "/import?mode=replace", &ended(text.into_bytes(), 1));
    assert_eq!(report["deleted"], 2);
    assert_eq!(app.value("/kv/b/k"), b"1");
    assert_eq!(app.value("/kv/c/old"), b"old");
    for path in ["/kv/b/old", "/kv/ns/a"] {
        assert_eq!(app.ask("GET", path).status, 404, "{path}");
    }
}
