//! Section 11, transactions: applied as a whole under one revision, or not at all; and their errors.

mod bodies;
mod events;

use serde_json::{Value, json};

use akvs_testing::raw::{Answer, Connection};
use akvs_testing::server::TestServer;

/// Sends a transaction to the namespace `ns`.
fn transact(connection: &mut Connection, body: &Value) -> Answer {
    let headers = "Accept: application/json\r\n";
    connection.ask("POST", "/txn/ns", headers, body.to_string().as_bytes())
}

/// Sends a transaction that must succeed, and returns its document.
fn transact_ok(connection: &mut Connection, body: &Value) -> Value {
    let answer = transact(connection, body);
    assert_eq!(answer.status, 200, "{body}: {answer:?}");
    assert_eq!(answer.header("Content-Type"), Some("application/json"));
    serde_json::from_slice(&answer.body).expect("an object")
}

/// Returns the values of these keys in the namespace.
fn values(app: &TestServer, keys: &[&str]) -> Vec<Option<String>> {
    let values = keys.iter().map(|key| {
        let answer = app.ask("GET", &format!("/kv/ns/{key}"));
        (answer.status == 200).then(|| answer.text().to_owned())
    });
    values.collect()
}

#[test]
fn operations_share_a_revision_and_results_keep_their_order() {
    let app = TestServer::start();
    let mut connection = app.connect();
    for (path, value) in [
        ("deleted", "v"),
        ("touched", "v"),
        ("sum", "40"),
        ("old", "v"),
    ] {
        connection.ask("POST", &format!("/kv/ns/{path}"), "", value.as_bytes());
    }
    let before = app.database.revision().get();
    let body = json!({"checks": [], "ops": [
        {"op": "set", "key": "new", "value": "text"},
        {"op": "delete", "key": "missing"},
        {"op": "delete", "key": "deleted"},
        {"op": "add", "key": "sum", "by": 2},
        {"op": "add", "key": "begun", "by": -7},
        {"op": "touch", "key": "touched", "ttl": 90},
        {"op": "set", "key": "old", "value64": "_v8", "content_type": "image/png"},
    ]});
    let r = before + 1;
    let expected = json!({"revision": r, "results": [
        {"revision": r, "existed": false},
        {"revision": null, "existed": false},
        {"revision": r, "existed": true},
        {"revision": r, "existed": true, "value": "42"},
        {"revision": r, "existed": false, "value": "-7"},
        {"revision": r, "existed": true},
        {"revision": r, "existed": true},
    ]});
    assert_eq!(transact_ok(&mut connection, &body), expected);
    assert_eq!(app.database.revision().get(), r);
    let keys = ["new", "deleted", "sum", "begun", "touched"];
    let found = ["text", "", "42", "-7", "v"]
        .map(|text| Some(text.to_owned()).filter(|text| !text.is_empty()));
    assert_eq!(values(&app, &keys), found);
    let old = app.ask("GET", "/kv/ns/old");
    assert_eq!((old.revision(), &*old.body), (r, &b"\xfe\xff"[..]));
    assert_eq!(old.header("Content-Type"), Some("image/png"));
    let touched = app.ask("GET", "/kv/ns/touched");
    assert!(touched.header("AKVS-Expires").is_some(), "{touched:?}");
}

#[test]
fn writes_without_effect_use_no_revision_and_create_no_namespace() {
    let app = TestServer::start();
    let mut connection = app.connect();
    let nothing = json!({"revision": null, "results": []});
    assert_eq!(transact_ok(&mut connection, &json!({"ops": []})), nothing);
    let body =
        json!({"checks": [{"key": "k", "absent": true}], "ops": [{"op": "delete", "key": "k"}]});
    let body = transact_ok(&mut connection, &body);
    assert_eq!(
        body,
        json!({"revision": null, "results": [{"revision": null, "existed": false}]})
    );
    let refused = transact(
        &mut connection,
        &json!({"ops": [{"op": "touch", "key": "k"}]}),
    );
    assert_eq!(refused.status, 404);
    assert_eq!(app.database.revision().get(), 0);
    assert!(app.namespaces().is_empty());
}

#[test]
fn a_failed_check_is_named_and_nothing_is_applied() {
    let app = TestServer::start();
    let mut connection = app.connect();
    let a = connection.ask("POST", "/kv/ns/a", "", b"1").revision();
    let b = connection.ask("POST", "/kv/ns/%FF", "", b"1").revision();
    let passes = json!({"key": "a", "revision": a});
    for (check, key, revision) in [
        (
            json!({"key": "a", "revision": a + 1}),
            json!({"key": "a"}),
            Some(a),
        ),
        (
            json!({"key": "a", "absent": true}),
            json!({"key": "a"}),
            Some(a),
        ),
        (
            json!({"key64": "_w", "revision": a}),
            json!({"key64": "_w"}),
            Some(b),
        ),
        (
            json!({"key": "c", "exists": true}),
            json!({"key": "c"}),
            None,
        ),
        (
            json!({"key64": "Yw", "revision": 0}),
            json!({"key": "c"}),
            None,
        ),
    ] {
        let body =
            json!({"checks": [passes, check], "ops": [{"op": "set", "key": "new", "value": ""}]});
        let answer = transact(&mut connection, &body);
        assert_eq!(answer.refusal(), (412, "precondition_failed".to_owned()));
        let problem = answer.problem();
        assert_eq!(problem["check"], 1, "{problem:?}");
        let named = ["key", "key64"].map(|name| problem.get(name).cloned());
        let expected = ["key", "key64"].map(|name| key.get(name).cloned());
        assert_eq!(named, expected, "{problem:?}");
        assert_eq!(problem.get("revision"), revision.map(Value::from).as_ref());
        let tag = revision.map(|revision| format!("\"{revision}\""));
        assert_eq!(answer.header("ETag"), tag.as_deref());
        assert!(
            problem["detail"]
                .as_str()
                .is_some_and(|text| text.starts_with("checks[1]: "))
        );
    }
    assert_eq!(app.database.revision().get(), b);
    let body = json!({"checks": [passes, {"key64": "_w", "exists": true}, {"key": "c", "absent": true}, passes],
        "ops": [{"op": "set", "key": "a", "value": "2"}, {"op": "set", "key": "c", "value": "2"}]});
    assert_eq!(transact_ok(&mut connection, &body)["revision"], b + 1);
}

#[test]
fn a_failed_operation_is_named_and_nothing_is_applied() {
    let app = TestServer::start();
    let mut connection = app.connect();
    let last = connection
        .ask("POST", "/kv/ns/word", "", b"word")
        .revision();
    for (op, status, code) in [
        (
            json!({"op": "add", "key": "word", "by": 1}),
            409,
            "conflict",
        ),
        (
            json!({"op": "touch", "key": "missing", "ttl": "5m"}),
            404,
            "not_found",
        ),
        (
            json!({"op": "set", "key": "far", "value": "", "ttl": "9999999d"}),
            400,
            "invalid_request",
        ),
    ] {
        let body = json!({"ops": [{"op": "set", "key": "new", "value": ""}, {"op": "delete", "key": "word"}, op]});
        let mut body = body;
        if op["key"] == "word" {
            body["ops"][1]["key"] = "other".into();
        }
        let answer = transact(&mut connection, &body);
        assert_eq!(answer.refusal(), (status, code.to_owned()), "{op}");
        let problem = answer.problem();
        assert_eq!((&problem["op"], &problem["key"]), (&json!(2), &op["key"]));
        assert!(
            problem["detail"]
                .as_str()
                .is_some_and(|text| text.starts_with("ops[2]: "))
        );
        // Also for a client that did not ask for a problem document, because the short text could not name the
        // operation.
        let answer = connection.ask("POST", "/txn/ns", "", body.to_string().as_bytes());
        assert_eq!(
            (answer.status, &answer.problem()["op"]),
            (status, &json!(2))
        );
    }
    assert_eq!(
        values(&app, &["new", "word"]),
        [None, Some("word".to_owned())]
    );
    assert_eq!(app.database.revision().get(), last);
}

#[test]
fn a_key_must_not_be_in_two_operations() {
    let app = TestServer::start();
    for second in [
        json!({"op": "delete", "key": "a"}),
        json!({"op": "add", "key64": "YQ", "by": 1}),
    ] {
        let body = json!({"ops": [{"op": "set", "key": "a", "value": ""}, {"op": "delete", "key": "b"}, second]});
        let answer = transact(&mut app.connect(), &body);
        assert_eq!(answer.refusal(), (400, "invalid_request".to_owned()));
        assert_eq!(
            (&answer.problem()["op"], &answer.problem()["key"]),
            (&json!(2), &json!("a"))
        );
    }
    assert!(app.namespaces().is_empty());
}

#[test]
fn of_concurrent_transactions_that_check_a_revision_one_succeeds() {
    let app = TestServer::start();
    app.post("/kv/ns/a", "0");
    app.post("/kv/ns/b", "0");
    let won: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let (mut connection, mut won) = (app.connect(), 0);
                    for _ in 0..50 {
                        let at = connection.ask("GET", "/kv/ns/a", "", b"").revision();
                        let body = json!({"checks": [{"key": "a", "revision": at}], "ops": [
                            {"op": "add", "key": "a", "by": 1}, {"op": "add", "key": "b", "by": -1}]});
                        let answer = transact(&mut connection, &body);
                        assert!(matches!(answer.status, 200 | 412), "{answer:?}");
                        won += u64::from(answer.status == 200);
                    }
                    won
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("a thread"))
            .sum()
    });
    assert!(won >= 50, "{won}");
    let sums = [won.to_string(), format!("-{won}")].map(Some);
    assert_eq!(values(&app, &["a", "b"]), sums);
}
