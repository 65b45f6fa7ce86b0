//! Sections 9.2 and 9.3, settings of a namespace: read, replaced, changed in part, refused where every write would
//! fail, and named as the namespace's in the errors of writes.

use std::time::Duration;

use akvs_client::{Code, Settings, SettingsPatch};
use akvs_http::Options;
use serde_json::{Value, json};

use crate::listing::document;
use akvs_testing::raw::Answer;
use akvs_testing::server::{TestServer, block_on};

fn change(app: &TestServer, method: &str, body: &str) -> Answer {
    let fields = match body.is_empty() {
        true => "Content-Length: 0\r\n",
        false => "Content-Type: application/merge-patch+json\r\n",
    };
    app.connect().ask(method, "/kv/ns", fields, body.as_bytes())
}

fn settings_of(answer: &Answer) -> Value {
    let document: Value = serde_json::from_slice(&answer.body).expect("a document");
    document["settings"].clone()
}

#[test]
fn settings_are_returned_by_all_their_routes() {
    let app = TestServer::start();
    assert_eq!(app.ask("GET", "/settings/ns").summary(), (404, "Not Found"));
    assert_eq!(app.namespaces(), [""; 0]);
    let body = r#"{"ttl":"90m","max_bytes":1000}"#;
    let put = change(&app, "PUT", body);
    let expected =
        json!({"ttl": "90m", "max_value_bytes": null, "max_keys": null, "max_bytes": 1000});
    assert_eq!((put.status, settings_of(&put)), (201, expected.clone()));
    let read = app.ask("GET", "/settings/ns");
    assert_eq!((read.status, settings_of(&read)), (200, expected.clone()));
    assert_eq!(read.header("Cache-Control"), Some("no-cache"));
    assert_eq!(document(&app, "/settings/ns")["name"], "ns");
    assert_eq!(document(&app, "/kv")["namespaces"][0]["settings"], expected);
    let head = app.ask("HEAD", "/settings/ns");
    assert_eq!(head.header("Content-Length"), read.header("Content-Length"));
    let other = app.ask("PUT", "/settings/ns");
    assert_eq!(other.status, 405);
    assert_eq!(other.header("Allow"), Some("GET, HEAD, OPTIONS"));
    assert_eq!(app.ask("GET", "/settings/ns?x=1").refusal().0, 400);
}

#[test]
fn a_patch_changes_the_named_settings_and_a_put_replaces_all() {
    let app = TestServer::start();
    let settings = |ttl: Value, value: Value, keys: Value, bytes: Value| json!({"ttl": ttl, "max_value_bytes": value, "max_keys": keys, "max_bytes": bytes});
    let none = Value::Null;
    for (method, body, status, expected) in [
        (
            "PATCH",
            r#"{"max_keys":2}"#,
            201,
            settings(none.clone(), none.clone(), json!(2), none.clone()),
        ),
        (
            "PATCH",
            r#"{"ttl":"1h","max_bytes":9}"#,
            200,
            settings(json!("1h"), none.clone(), json!(2), json!(9)),
        ),
        (
            "PATCH",
            r#"{"ttl":null,"max_value_bytes":5}"#,
            200,
            settings(none.clone(), json!(5), json!(2), json!(9)),
        ),
        (
            "PATCH",
            "",
            200,
            settings(none.clone(), json!(5), json!(2), json!(9)),
        ),
        (
            "PUT",
            r#"{"max_keys":7}"#,
            200,
            settings(none.clone(), none.clone(), json!(7), none.clone()),
        ),
    ] {
        let answer = change(&app, method, body);
        assert_eq!(
            (answer.status, settings_of(&answer)),
            (status, expected),
            "{body}"
        );
    }
    // A refused change changes nothing.
    for body in [
        r#"{"max_keys":1,"ttl":0}"#,
        r#"[{"op":"replace","path":"/max_keys","value":1}]"#,
        r#"{"max_keys":1,"max_kyes":1}"#,
        r#"{"max_keys":1,"max_keys":null}"#,
        "null",
    ] {
        let answer = change(&app, "PATCH", body);
        assert_eq!(answer.refusal(), (400, "invalid_request".into()), "{body}");
    }
    assert_eq!(settings_of(&app.ask("GET", "/settings/ns"))["max_keys"], 7);
}

#[test]
fn concurrent_changes_of_different_settings_are_all_kept() {
    let app = TestServer::start();
    std::thread::scope(|scope| {
        for name in ["max_value_bytes", "max_keys", "max_bytes"] {
            let app = &app;
            scope.spawn(move || {
                for number in 1..=30 {
                    let body = format!("{{\"{name}\":{number}}}");
                    let answer = change(app, "PATCH", &body);
                    assert_eq!(settings_of(&answer)[name], number, "{answer:?}");
                }
            });
        }
    });
    let expected = json!({"ttl": null, "max_value_bytes": 30, "max_keys": 30, "max_bytes": 30});
    assert_eq!(settings_of(&app.ask("GET", "/settings/ns")), expected);
}

#[test]
fn settings_with_which_every_write_would_fail_are_refused() {
    let (app, _clock) = TestServer::with_clock_and_options(|_| Options {
        max_value_bytes: 1_000,
        ..Options::default()
    });
    // The clock of the test is after the year 2023.
    let too_long = "3000000d";
    for method in ["PUT", "PATCH"] {
        for (body, field) in [
            (format!("{{\"ttl\":\"{too_long}\"}}"), "ttl"),
            ("{\"ttl\":260000000000}".to_owned(), "ttl"),
            ("{\"max_value_bytes\":1001}".to_owned(), "max_value_bytes"),
        ] {
            let answer = change(&app, method, &body);
            assert_eq!(answer.refusal(), (400, "invalid_request".into()), "{body}");
            assert_eq!(answer.problem()["field"], field, "{answer:?}");
        }
        let answer = change(
            &app,
            method,
            "{\"max_value_bytes\":1000,\"ttl\":\"2900000d\"}",
        );
        assert!(matches!(answer.status, 200 | 201), "{answer:?}");
        assert_eq!(app.post("/kv/ns/k", "v").status, 201);
    }
    let section = format!(
        "{{\"akvs\":1,\"namespace\":\"to\",\"revision\":1,\"settings\":{{\"ttl\":\"{too_long}\"}}}}\n"
    );
    let answer = app.post("/import/to", section);
    assert_eq!(answer.refusal(), (400, "invalid_request".into()));
    assert!(answer.text().contains("ttl"), "{}", answer.text());
    assert_eq!(app.namespaces(), ["ns"]);
}

#[test]
fn a_stored_ttl_never_makes_writes_fail() {
    let app = TestServer::start();
    let name = akvs_core::Namespace::new("ns").expect("a name");
    let store = akvs_core::Store::new(&app.database, name).expect("a store");
    let settings = akvs_core::Settings {
        // Valid in 1970, and past the year 9999 today.
        ttl_ms: Some(akvs_core::Timestamp::LAST.as_millis()),
        ..akvs_core::Settings::default()
    };
    let mut group = app.database.group();
    let configured = group.configure(&store, settings, akvs_core::Timestamp::from_millis(0));
    configured.expect("settings");
    group
        .commit(akvs_core::engine::Durability::Synced)
        .expect("a commit");
    drop(store);
    for (path, status) in [
        ("/kv/ns/k", 201),
        ("/kv/ns/k?ttl=keep", 201),
        ("/kv/ns/n?op=add", 200),
    ] {
        let answer = app.post(path, "1");
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        let expires = answer.header("AKVS-Expires");
        assert_eq!(expires, Some("9999-12-31T23:59:59.999Z"), "{path}");
    }
    // The ttl of a request is refused as usual.
    assert_eq!(app.post("/kv/ns/k?ttl=3000000d", "1").refusal().0, 400);
}

#[test]
fn an_error_of_a_namespace_limit_names_its_setting() {
    let app = TestServer::start();
    let body = r#"{"max_value_bytes":3,"max_keys":1}"#;
    assert_eq!(change(&app, "PUT", body).status, 201);
    assert_eq!(app.post("/kv/ns/k", "12").status, 201);
    let ops = |value: &str| format!(r#"{{"ops":[{{"op":"set","key":"k","value":"{value}"}}]}}"#);
    for (path, body) in [
        ("/kv/ns/k", "1234".to_owned()),
        ("/kv/ns/k?op=append", "34".to_owned()),
        ("/kv/ns/k?op=add", "9990".to_owned()),
        ("/txn/ns", ops("1234")),
    ] {
        let answer = app.post(path, body);
        assert_eq!(answer.refusal(), (413, "too_large".into()), "{path}");
        let problem = answer.problem();
        assert_eq!(
            (&problem["setting"], &problem["limit"]),
            (&json!("max_value_bytes"), &json!(3))
        );
        let detail = problem["detail"].as_str().expect("a text");
        assert!(detail.contains("setting max_value_bytes"), "{detail}");
        assert!(!detail.contains("limits."), "{detail}");
    }
    let full = app.post("/kv/ns/other", "1");
    assert_eq!(full.refusal(), (507, "quota_exceeded".into()));
    assert!(full.text().contains("setting max_keys"), "{}", full.text());
}

#[test]
fn the_client_reads_and_changes_settings() {
    let app = TestServer::start();
    block_on(async {
        let namespace = app.namespace("a b/ü");
        assert_eq!(namespace.settings().await.unwrap(), None);
        let patch = SettingsPatch::default()
            .ttl(Duration::from_millis(1_500))
            .max_keys(2);
        let changed = namespace.change_settings(&patch).await.unwrap();
        assert!(changed.created);
        let patch = SettingsPatch::default().ttl(None).max_bytes(u64::MAX);
        let changed = namespace.change_settings(&patch).await.unwrap();
        let expected = Settings::default().max_keys(2).max_bytes(u64::MAX);
        assert_eq!((changed.created, changed.settings), (false, expected));
        assert_eq!(namespace.settings().await.unwrap(), Some(expected));
        let page = app.client().namespaces().page().await.unwrap();
        assert_eq!(page.namespaces[0].settings, Some(expected));
        let empty = SettingsPatch::default().ttl(Duration::ZERO);
        let error = namespace.change_settings(&empty).await.unwrap_err();
        assert_eq!(error.code(), Some(Code::InvalidRequest));
    });
}
