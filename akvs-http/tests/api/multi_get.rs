//! Section 10, reading many keys: in the requested order, with null for a missing key, all of one revision.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use akvs_testing::raw::{Answer, Connection};
use akvs_testing::server::TestServer;

/// Requests keys of the namespace `ns`.
fn get(connection: &mut Connection, keys: &Value) -> Answer {
    let body = json!({"keys": keys}).to_string();
    connection.ask("POST", "/get/ns", "", body.as_bytes())
}

/// Requests keys of the namespace `ns`, which must succeed, and returns the document.
fn found(connection: &mut Connection, keys: &Value) -> Value {
    let answer = get(connection, keys);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("Content-Type"), Some("application/json"));
    assert_eq!(answer.header("X-Content-Type-Options"), Some("nosniff"));
    serde_json::from_slice(&answer.body).expect("an object")
}

#[test]
fn items_are_in_the_requested_order_with_null_for_a_miss() {
    for app in [TestServer::with_clock().0, TestServer::on_disk()] {
        let mut connection = app.connect();
        // Next to a requested key that is missing.
        connection.ask("POST", "/kv/ns/missing%00", "", b"");
        let a = connection
            .ask("POST", "/kv/ns/a", "Content-Type: text/plain\r\n", b"one")
            .revision();
        let binary = connection
            .ask("POST", "/kv/ns/%FF?ttl=1h", "", b"\xfe\xff")
            .revision();
        let empty = connection.ask("POST", "/kv/ns/a%00", "", b"").revision();
        let keys =
            json!(["a", "missing", {"key64": "_w"}, "a", {"key": "a\0"}, {"key64": "YQ"}, "b"]);
        let body = found(&mut connection, &keys);
        assert_eq!(body["revision"], empty);
        let items = body["items"].as_array().expect("a list");
        let revisions: Vec<_> = items
            .iter()
            .map(|item| item.get("revision").and_then(Value::as_u64))
            .collect();
        assert_eq!(
            revisions,
            [
                Some(a),
                None,
                Some(binary),
                Some(a),
                Some(empty),
                Some(a),
                None
            ]
        );
        assert!(items[1].is_null() && items[6].is_null(), "{items:?}");
        assert_eq!(
            (&items[0]["key"], &items[0]["value"]),
            (&json!("a"), &json!("one"))
        );
        assert_eq!(
            (&items[0]["size"], &items[0]["content_type"]),
            (&json!(3), &json!("text/plain"))
        );
        assert_eq!(items[0]["expires"], Value::Null);
        assert_eq!(
            (&items[2]["key64"], &items[2]["value64"]),
            (&json!("_w"), &json!("_v8"))
        );
        assert!(items[2]["expires"].is_string(), "{}", items[2]);
        assert_eq!(
            (&items[4]["key"], &items[4]["value"]),
            (&json!("a\0"), &json!(""))
        );
        assert_eq!(found(&mut connection, &json!([]))["items"], json!([]));
    }
}

#[test]
fn an_expired_key_is_null_to_the_millisecond() {
    let (app, clock) = TestServer::with_clock();
    let mut connection = app.connect();
    connection.ask("POST", "/kv/ns/short?ttl=1500ms", "", b"v");
    clock.advance(1_499);
    assert!(found(&mut connection, &json!(["short"]))["items"][0].is_object());
    clock.advance(1);
    assert_eq!(
        found(&mut connection, &json!(["short"]))["items"],
        json!([null])
    );
}

#[test]
fn a_missing_namespace_is_not_found_and_not_created() {
    let app = TestServer::start();
    let answer = get(&mut app.connect(), &json!(["k"]));
    assert_eq!(answer.summary(), (404, "Not Found"));
    let body = br#"{"keys":[]}"#;
    let answer = app
        .connect()
        .ask("POST", "/get/ns", "Accept: application/json\r\n", body);
    assert_eq!(answer.refusal(), (404, "not_found".to_owned()));
    assert!(app.namespaces().is_empty());
    app.post("/kv/ns/k", "v");
    app.ask("DELETE", "/kv/ns?confirm=ns");
    assert_eq!(get(&mut app.connect(), &json!(["k"])).status, 404);
}

#[test]
fn an_invalid_member_is_named_by_its_path() {
    let app = TestServer::start();
    app.post("/kv/ns/k", "v");
    let mut connection = app.connect();
    for (keys, field) in [
        (r#"{"keys":["a",""]}"#, "keys[1]"),
        (r#"{"keys":["a",1]}"#, "keys[1]"),
        (r#"{"keys":["a",null]}"#, "keys[1]"),
        (r#"{"keys":["a",{}]}"#, "keys[1].key"),
        (
            r#"{"keys":["a",{"key":"a","key64":"YQ"}]}"#,
            "keys[1].key64",
        ),
        (r#"{"keys":["a",{"key64":"Y"}]}"#, "keys[1].key64"),
        (r#"{"keys":["a",{"key64":5}]}"#, "keys[1].key64"),
        (r#"{"keys":["a",{"name":"a"}]}"#, "keys[1].name"),
        (r#"{"keys":"a"}"#, "keys"),
        (r#"{"key":["a"]}"#, "key"),
        (r#"{"keys":[],"values":true}"#, "values"),
        ("{}", "keys"),
    ] {
        let answer = connection.ask("POST", "/get/ns", "", keys.as_bytes());
        assert_eq!(
            (answer.status, &answer.problem()["field"]),
            (400, &json!(field)),
            "{keys}"
        );
    }
    let long = "k".repeat(1_025);
    for keys in [json!(["a", long]), json!(["a", {"key": long}])] {
        assert_eq!(
            get(&mut connection, &keys).refusal(),
            (400, "invalid_key".to_owned())
        );
    }
}

#[test]
fn quotas_bound_keys_and_bytes() {
    let app = TestServer::start();
    let mut connection = app.connect();
    connection.ask("POST", "/kv/ns/small", "", b"v");
    let many = |count: usize| (0..count).map(|_| json!("small")).collect::<Value>();
    let body = found(&mut connection, &many(1_000));
    assert_eq!(body["items"].as_array().map(Vec::len), Some(1_000));
    let answer = get(&mut connection, &many(1_001));
    assert_eq!(answer.refusal(), (413, "too_large".to_owned()));
    assert_eq!(answer.problem()["limit"], 1_000);
    let quarter = vec![b'x'; 16 << 20];
    connection.ask("POST", "/kv/ns/large", "", &quarter);
    let four = json!(["large", "large", "large", "large"]);
    assert_eq!(get(&mut connection, &four).status, 200);
    let answer = get(
        &mut connection,
        &json!(["large", "large", "small", "large", "large"]),
    );
    assert_eq!(answer.refusal(), (413, "too_large".to_owned()));
    let problem = answer.problem();
    assert_eq!(problem["limit"], 64 << 20);
    assert!(
        problem["detail"]
            .as_str()
            .is_some_and(|text| text.contains("fewer"))
    );
}

#[test]
fn a_multi_get_is_consistent() {
    for app in [TestServer::start(), TestServer::on_disk()] {
        app.post("/kv/ns/a", "0");
        app.post("/kv/ns/b", "0");
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut connection = app.connect();
                let sum = |key: &str| json!({"op": "add", "key": key, "by": 1});
                let body = json!({"ops": [sum("b"), sum("a")]}).to_string();
                while !is_over.load(Ordering::Relaxed) {
                    connection.ask("POST", "/txn/ns", "", body.as_bytes());
                }
            });
            let (mut connection, mut seen) = (app.connect(), 0);
            let mut last = 0;
            while seen < 100 {
                let body = found(&mut connection, &json!(["a", "b"]));
                let (a, b) = (&body["items"][0], &body["items"][1]);
                let number =
                    |value: &Value| value.as_str().and_then(|text| text.parse::<u64>().ok());
                let same = a["value"] == b["value"]
                    && (a["revision"] == b["revision"] || a["value"] == "0");
                if !same || body["revision"].as_u64() < a["revision"].as_u64() {
                    is_over.store(true, Ordering::Relaxed);
                    panic!("{body}");
                }
                let now = number(&a["value"]).unwrap_or_default();
                seen += usize::from(now > last);
                last = now;
            }
            is_over.store(true, Ordering::Relaxed);
        });
    }
}
