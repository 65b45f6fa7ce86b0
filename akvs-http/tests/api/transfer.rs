//! Section 13, export and import: an import restores an export, in each mode.

mod damage;
mod lines;
mod memory;
mod other_files;
mod replace;
mod stopped;
mod streams;
mod text;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use akvs_testing::raw::{Answer, request};
use akvs_testing::server::TestServer;

/// Returns the file of an export.
fn export(app: &TestServer, path: &str) -> Vec<u8> {
    let mut connection = app.connect();
    let head = connection.ask_head("GET", path, "", b"");
    assert_eq!(head.status, 200, "{path}: {head:?}");
    assert_eq!(head.header("Content-Type"), Some("application/x-ndjson"));
    assert_eq!(head.header("Vary"), Some("accept-encoding"));
    assert_eq!(head.header("Content-Encoding"), None);
    connection.chunked_body()
}

/// Returns the lines of a file.
fn lines(file: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(file).expect("text");
    assert!(text.ends_with('\n'), "whole lines");
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("a line"))
        .collect()
}

/// Returns the records of an export, without the members that an import assigns again.
fn records(file: &[u8]) -> Vec<Value> {
    let mut lines = lines(file);
    lines.retain(|line| line.get("key").is_some() || line.get("key64").is_some());
    for line in &mut lines {
        let members = line.as_object_mut().expect("an object");
        for name in ["revision", "created", "modified"] {
            assert!(members.remove(name).is_some(), "{name}");
        }
    }
    lines
}

/// Imports a file, which must succeed, and returns the document.
fn import(app: &TestServer, path: &str, file: &[u8]) -> Value {
    let answer = app.post(path, file);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    serde_json::from_slice(&answer.body).expect("a document")
}

/// Returns the problem of a failed import, whose detail must contain this text.
fn refused(answer: &Answer, detail: &str) -> serde_json::Map<String, Value> {
    assert_eq!(answer.refusal(), (400, "invalid_request".to_owned()));
    let problem = answer.problem();
    let text = problem["detail"].as_str().unwrap_or_default();
    assert!(text.contains(detail), "{detail}: {text}");
    problem
}

/// Returns a file of these records, with the correct last line.
pub(crate) fn file(records: &[Value]) -> Vec<u8> {
    let first = json!({"akvs": 1, "namespace": "ns", "revision": 1});
    let mut text = format!("{first}\n");
    for record in records {
        text.push_str(&format!("{record}\n"));
    }
    ended(text.into_bytes(), records.len())
}

/// Returns these lines with the correct last line.
fn ended(mut text: Vec<u8>, count: usize) -> Vec<u8> {
    let sha256 = sha256(&text);
    text.extend(
        format!("{{\"end\":true,\"count\":{count},\"sha256\":\"{sha256}\"}}\n").into_bytes(),
    );
    text
}

fn sha256(text: &[u8]) -> String {
    let digest = Sha256::digest(text);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Stores values of any bytes, with types, encodings and deadlines.
fn fill(app: &TestServer) {
    let mut connection = app.connect();
    connection.ask("POST", "/kv/ns/plain", "", b"v\n\"w\"");
    connection.ask("POST", "/kv/ns/%FF%00", "", b"\xff\x00\xfe");
    connection.ask("POST", "/kv/ns/empty?ttl=1h", "", b"");
    let headers = "Content-Type: text/plain\r\nContent-Encoding: gzip\r\n";
    connection.ask("POST", "/kv/ns/typed", headers, b"not gzip at all");
    // As text, its escapes would make it six times as long.
    connection.ask("POST", "/kv/ns/control", "", &[1; 1_000]);
    connection.ask("POST", "/kv/ns/gr%C3%BCn", "", "ü".as_bytes());
}

#[test]
fn an_import_restores_an_export() {
    let from = TestServer::start();
    fill(&from);
    for to in [TestServer::start(), TestServer::on_disk()] {
        let file = export(&from, "/export/ns");
        let report = import(&to, "/import/other", &file);
        assert_eq!(report, json!({"imported": 6, "skipped": 0, "errors": []}));
        let again = export(&to, "/export/other");
        assert_eq!(records(&again), records(&file));
        for path in ["plain", "%FF%00", "empty", "typed", "control", "gr%C3%BCn"] {
            let (before, after) = (
                from.ask("GET", &format!("/kv/ns/{path}")),
                to.ask("GET", &format!("/kv/other/{path}")),
            );
            assert_eq!(before.body, after.body, "{path}");
            for name in ["Content-Type", "Content-Encoding", "AKVS-Expires"] {
                assert_eq!(before.header(name), after.header(name), "{path} {name}");
            }
        }
    }
}

#[test]
fn the_lines_are_as_documented() {
    let app = TestServer::start();
    fill(&app);
    let file = export(&app, "/export/ns");
    let lines = lines(&file);
    let (first, last) = (&lines[0], &lines[lines.len() - 1]);
    assert_eq!(
        (&first["akvs"], &first["namespace"], &first["revision"]),
        (&json!(1), &json!("ns"), &json!(6))
    );
    assert_eq!((&last["end"], &last["count"]), (&json!(true), &json!(6)));
    let end = file.len() - format!("{last}\n").len();
    assert_eq!(
        last["sha256"],
        sha256(&file[..end]),
        "of all lines before it"
    );
    let record = |key: &str| {
        lines
            .iter()
            .find(|line| line["key"] == key)
            .expect("a record")
    };
    assert_eq!(record("plain")["value"], "v\n\"w\"");
    assert_eq!(record("plain").get("content_type"), None, "none was stored");
    assert_eq!(record("typed")["content_type"], "text/plain");
    assert_eq!(record("typed")["content_encoding"], "gzip");
    assert!(record("empty")["expires"].is_string());
    assert!(
        record("control")["value64"].is_string(),
        "base64 is shorter"
    );
    let binary = lines
        .iter()
        .find(|line| line["key64"] == "_wA")
        .expect("a record");
    assert_eq!(binary["value64"], "_wD-");
    let keys = lines.iter().filter_map(|line| line["key"].as_str());
    assert!(keys.is_sorted());
}

#[test]
fn export_and_import_refuse_other_methods_paths_and_parameters() {
    let app = TestServer::start();
    app.post("/kv/ns/a", "v");
    for path in ["/export", "/export/ns"] {
        let mut connection = app.connect();
        connection.send(request("HEAD", path, "", b""));
        let head = connection.head().expect("an answer");
        assert_eq!(
            (head.status, head.header("Content-Type")),
            (200, Some("application/x-ndjson"))
        );
        assert_eq!(connection.ask("GET", "/ping", "", b"").text(), "pong");
        let options = app.ask("OPTIONS", path);
        assert_eq!(
            (options.status, options.header("Allow")),
            (204, Some("GET, HEAD, OPTIONS"))
        );
        assert_eq!(app.ask("PUT", path).status, 405);
    }
    for path in ["/import", "/import/ns"] {
        let options = app.ask("OPTIONS", path);
        assert_eq!(
            (options.status, options.header("Allow")),
            (204, Some("POST, OPTIONS"))
        );
        assert_eq!(app.ask("GET", path).status, 405);
    }
    let missing = app
        .connect()
        .ask("GET", "/export/nope", "Accept: application/json\r\n", b"");
    assert_eq!(missing.refusal(), (404, "not_found".to_owned()));
    for path in ["/export/", "/export/a/b", "/import/", "/import/a/b"] {
        let method = if path.starts_with("/export") {
            "GET"
        } else {
            "POST"
        };
        assert_eq!(app.ask(method, path).status, 404, "{path}");
    }
    for path in ["/export?x=1", "/export/ns?x=1"] {
        assert_eq!(
            app.ask("GET", path).problem()["detail"],
            "unknown query parameter: \"x\""
        );
    }
    for (query, name) in [
        ("x=1", "x"),
        ("mode=all", "mode"),
        ("mode=merge&mode=create", "mode"),
    ] {
        let answer = app.post(&format!("/import/ns?{query}"), file(&[]));
        assert_eq!(refused(&answer, name)["parameter"], name);
    }
}

#[test]
fn all_namespaces_are_exported_and_imported() {
    let from = TestServer::start();
    fill(&from);
    from.connect()
        .ask("PUT", "/kv/b", "", br#"{"max_keys":7,"ttl":"90s"}"#);
    from.post("/kv/a/k", "1");
    from.post("/kv/gone/k", "1");
    from.ask("DELETE", "/kv/gone?confirm=gone");
    let file = export(&from, "/export");
    let first = &lines(&file)[0];
    assert_eq!(
        (&first["namespaces"], &first["akvs"]),
        (&json!(3), &json!(1))
    );
    let to = TestServer::start();
    let report = import(&to, "/import", &file);
    assert_eq!(report, json!({"imported": 7, "skipped": 0, "errors": []}));
    assert_eq!(to.namespaces(), ["a", "b", "ns"]);
    assert_eq!(records(&export(&to, "/export")), records(&file));
    let settings = lines(&export(&to, "/export/b"))[0]["settings"].clone();
    assert_eq!(settings, json!({"ttl": "90000ms", "max_keys": 7}));

    let many = to.post("/import/one", &file);
    assert_eq!(refused(&many, "3 namespaces")["namespaces"], 3);
    assert_eq!(
        to.namespaces(),
        ["a", "b", "ns"],
        "no namespace was changed"
    );
    let one = export(&from, "/export/a");
    import(&to, "/import", &one);
    let alone = TestServer::start();
    import(&alone, "/import", &one);
    assert_eq!(alone.namespaces(), ["a"]);
    import(
        &TestServer::start(),
        "/import/x",
        &export(&alone, "/export"),
    );
}

#[test]
fn settings_apply_only_to_a_created_namespace() {
    let (from, to) = (TestServer::start(), TestServer::start());
    from.connect()
        .ask("PUT", "/kv/ns", "", br#"{"max_keys":7}"#);
    let file = export(&from, "/export/ns");
    to.connect().ask("PUT", "/kv/ns", "", br#"{"max_keys":3}"#);
    import(&to, "/import/ns", &file);
    import(&to, "/import/new", &file);
    for (name, expected) in [("ns", 3), ("new", 7)] {
        let first = &lines(&export(&to, &format!("/export/{name}")))[0];
        assert_eq!(first["settings"], json!({"max_keys": expected}));
    }
}

#[test]
fn merge_sets_and_create_only_adds() {
    for (mode, values, report) in [
        (
            "",
            ["new", "new", "old"],
            json!({"imported": 2, "skipped": 0, "errors": []}),
        ),
        (
            "?mode=merge",
            ["new", "new", "old"],
            json!({"imported": 2, "skipped": 0, "errors": []}),
        ),
        (
            "?mode=create",
            ["old", "new", "old"],
            json!({"imported": 1, "skipped": 1, "errors": []}),
        ),
    ] {
        let app = TestServer::start();
        for key in ["both", "here"] {
            app.post(&format!("/kv/ns/{key}"), "old");
        }
        let file = file(&[
            json!({"key": "there", "value": "new"}),
            json!({"key": "both", "value": "new"}),
        ]);
        assert_eq!(
            import(&app, &format!("/import/ns{mode}"), &file),
            report,
            "{mode}"
        );
        let found = ["both", "there", "here"].map(|key| app.value(&format!("/kv/ns/{key}")));
        assert_eq!(
            found,
            values.map(|value| value.as_bytes().to_vec()),
            "{mode}"
        );
    }
}

#[test]
fn of_duplicate_keys_merge_keeps_the_last_and_create_the_first() {
    let twice = file(&[
        json!({"key": "k", "value": "1"}),
        json!({"key": "k", "value": "2"}),
    ]);
    for (mode, expected) in [("merge", b"2"), ("create", b"1")] {
        let app = TestServer::start();
        import(&app, &format!("/import/ns?mode={mode}"), &twice);
        assert_eq!(app.value("/kv/ns/k"), expected, "{mode}");
    }
}

#[test]
fn expiry_times_are_imported_and_expired_records_skipped() {
    let (app, clock) = TestServer::with_clock();
    app.post("/kv/ns/short?ttl=1", "v");
    app.post("/kv/ns/long?ttl=10", "v");
    app.post("/kv/ns/ever", "v");
    let file = export(&app, "/export/ns");
    let deadline = app.ask("GET", "/kv/ns/long");
    app.connect().ask("PUT", "/kv/to", "", br#"{"ttl":"5s"}"#);
    clock.advance(1_000);
    let report = import(&app, "/import/to", &file);
    assert_eq!(report, json!({"imported": 2, "skipped": 1, "errors": []}));
    let answer = app.ask("GET", "/kv/to/long");
    assert_eq!(
        answer.header("AKVS-Expires"),
        deadline.header("AKVS-Expires")
    );
    // The default ttl of the namespace does not apply.
    assert_eq!(app.ask("GET", "/kv/to/ever").header("AKVS-Expires"), None);
    assert_eq!(app.ask("GET", "/kv/to/short").status, 404);
}
