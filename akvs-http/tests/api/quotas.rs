//! Section 9.2, quotas: a write above one is refused with 507, a value that is too long with 413; deletes always
//! succeed.

use akvs_core::engine::Durability;
use akvs_core::{Namespace, Settings, Store, Timestamp};
use serde_json::json;

use akvs_testing::server::TestServer;

/// Starts a server whose namespace `ns` has these settings.
fn with_settings(settings: Settings) -> TestServer {
    let app = TestServer::start();
    let name = Namespace::new("ns").expect("a name");
    // No other store of it is open yet.
    let store = Store::new(&app.database, name).expect("a store");
    let mut group = app.database.group();
    let existed = group.configure(&store, settings, Timestamp::from_millis(0));
    assert!(!existed.expect("settings"));
    group.commit(Durability::Synced).expect("a commit");
    app
}

#[test]
fn a_write_that_would_exceed_a_quota_is_refused_and_a_delete_is_not() {
    let limits = [
        (
            Settings {
                max_keys: Some(1),
                ..Settings::default()
            },
            "max_keys",
            1,
        ),
        (
            Settings {
                max_bytes: Some(6),
                ..Settings::default()
            },
            "max_bytes",
            6,
        ),
    ];
    for (settings, setting, limit) in limits {
        let app = with_settings(settings);
        assert_eq!(app.post("/kv/ns/a", "12345").status, 201);
        for path in ["/kv/ns/b", "/kv/ns/b?op=add", "/kv/ns/b?op=append"] {
            let answer = app.post(path, "1");
            assert_eq!(
                answer.refusal(),
                (507, "quota_exceeded".to_owned()),
                "{path}"
            );
            let problem = answer.problem();
            assert_eq!(
                (&problem["setting"], &problem["limit"]),
                (&json!(setting), &json!(limit))
            );
        }
        let body = json!({"ops": [{"op": "set", "key": "b", "value": "1"}]}).to_string();
        let answer = app.post("/txn/ns", &body);
        assert_eq!(answer.refusal(), (507, "quota_exceeded".to_owned()));
        assert_eq!(
            app.post("/kv/ns/a", "54321").status,
            201,
            "an overwrite of the same length"
        );
        assert_eq!(app.ask("GET", "/kv/ns/b").status, 404);
        let swap =
            json!({"ops": [{"op": "set", "key": "b", "value": "1"}, {"op": "delete", "key": "a"}]});
        assert_eq!(app.post("/txn/ns", swap.to_string()).status, 200);
        assert_eq!(app.ask("DELETE", "/kv/ns/b").status, 200);
        assert_eq!(app.post("/kv/ns/a", "12345").status, 201);
    }
}

#[test]
fn a_value_that_is_too_long_for_the_namespace_is_refused() {
    let app = with_settings(Settings {
        max_value_bytes: Some(3),
        ..Settings::default()
    });
    assert_eq!(app.post("/kv/ns/n", "999").status, 201);
    for (path, value) in [
        ("/kv/ns/a", "1234"),
        ("/kv/ns/n?op=add", "1"),
        ("/kv/ns/n?op=append", "1"),
    ] {
        let answer = app.post(path, value);
        assert_eq!(answer.refusal(), (413, "too_large".to_owned()), "{path}");
        assert_eq!(answer.problem()["limit"], 3);
    }
    let ops =
        json!([{"op": "set", "key": "a", "value": "123"}, {"op": "add", "key": "n", "by": 1}]);
    let answer = app.post("/txn/ns", json!({"ops": ops}).to_string());
    assert_eq!(answer.refusal(), (413, "too_large".to_owned()));
    let problem = answer.problem();
    assert_eq!(
        (&problem["op"], &problem["setting"]),
        (&json!(1), &json!("max_value_bytes"))
    );
    assert_eq!(app.value("/kv/ns/n"), b"999");
}

#[test]
fn a_value_without_a_ttl_has_the_default_of_its_namespace() {
    let app = with_settings(Settings {
        ttl_ms: Some(3_600_000),
        ..Settings::default()
    });
    let op = |key: &str| json!({"op": "set", "key": key, "value": ""});
    let body = json!({"ops": [op("txn"), {"op": "add", "key": "sum", "by": 1}]});
    assert_eq!(app.post("/txn/ns", body.to_string()).status, 200);
    app.post("/kv/ns/plain", "v");
    for key in ["txn", "sum", "plain"] {
        let answer = app.ask("GET", &format!("/kv/ns/{key}"));
        assert!(answer.header("AKVS-Expires").is_some(), "{key}: {answer:?}");
    }
    let touch = json!({"ops": [{"op": "touch", "key": "txn"}]});
    assert_eq!(app.post("/txn/ns", touch.to_string()).status, 200);
    assert_eq!(app.ask("GET", "/kv/ns/txn").header("AKVS-Expires"), None);
}
