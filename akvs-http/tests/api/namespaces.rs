//! Sections 2 and 9, namespaces: their names, their separation, their list, and operations on a whole namespace.

use serde_json::{Value, json};

use crate::listing::document;
use akvs_testing::server::TestServer;

#[test]
fn namespaces_have_separate_keys() {
    let app = TestServer::start();
    for name in ["a", "b", "A", "a%20", "a%2F", "%C3%A4", "~64"] {
        assert_eq!(app.post(&format!("/kv/{name}/key"), name).status, 201);
    }
    for name in ["a", "b", "A", "a%20", "a%2F", "%C3%A4", "~64"] {
        assert_eq!(app.value(&format!("/kv/{name}/key")), name.as_bytes());
    }
    app.ask("DELETE", "/kv/a/key");
    assert_eq!(app.ask("GET", "/kv/a/key").status, 404);
    assert_eq!(app.value("/kv/b/key"), b"b");
}

#[test]
fn an_encoded_slash_does_not_move_the_border_between_namespace_and_key() {
    let app = TestServer::start();
    app.post("/kv/a/bc", "1");
    app.post("/kv/ab/c", "2");
    app.post("/kv/a%2Fb/c", "3");
    app.post("/kv/a/b%2Fc", "4");
    for (path, value) in [
        ("/kv/a/bc", "1"),
        ("/kv/ab/c", "2"),
        ("/kv/a%2Fb/c", "3"),
        ("/kv/a/b%2Fc", "4"),
    ] {
        assert_eq!(app.value(path), value.as_bytes());
    }
}

#[test]
fn a_namespace_has_1_to_128_bytes_decoded() {
    let app = TestServer::start();
    for (unit, most) in [("n", 128), ("%6E", 128), ("%C3%BC", 64)] {
        assert_eq!(
            app.post(&format!("/kv/{}/k", unit.repeat(most)), "1")
                .status,
            201,
            "{unit}"
        );
        for method in ["GET", "POST", "DELETE"] {
            let answer = app.ask(method, &format!("/kv/{}/k", unit.repeat(most + 1)));
            assert_eq!(
                answer.refusal(),
                (400, "invalid_namespace".into()),
                "{method} {unit}"
            );
        }
    }
}

#[test]
fn a_path_without_a_namespace_is_404() {
    let app = TestServer::start();
    for method in ["GET", "POST", "DELETE"] {
        assert_eq!(
            app.ask(method, "/kv//key").summary(),
            (404, "Not Found"),
            "{method}"
        );
    }
    assert_eq!(app.namespaces(), [""; 0]);
}

#[test]
fn a_namespace_is_utf8_without_control_characters() {
    let app = TestServer::start();
    for name in [
        "%FF",
        "a%E9",
        "%C3",
        "%ED%A0%80",
        "%00",
        "a%0Ab",
        "%1B",
        "%7F",
        "%C2%85",
    ] {
        for method in ["GET", "POST", "DELETE"] {
            let answer = app.ask(method, &format!("/kv/{name}/key"));
            assert_eq!(
                answer.refusal(),
                (400, "invalid_namespace".into()),
                "{method} {name}"
            );
        }
    }
    assert_eq!(app.namespaces(), [""; 0]);
}

#[test]
fn a_namespace_may_have_any_other_characters() {
    let app = TestServer::start();
    for (path, name) in [
        ("%20", " "),
        ("%2F", "/"),
        ("%E6%97%A5%E6%9C%AC", "日本"),
        ("..", ".."),
        ("%2E", "."),
        ("%25", "%"),
        ("a+b", "a+b"),
    ] {
        assert_eq!(
            app.post(&format!("/kv/{path}/key"), "1").status,
            201,
            "{path}"
        );
        assert!(app.namespaces().iter().any(|found| found == name), "{path}");
    }
}

#[test]
fn namespaces_are_listed_by_name_with_their_size() {
    let (app, clock) = TestServer::with_clock();
    app.post("/kv/b/key", "value");
    clock.advance(1_000);
    app.post("/kv/%C3%A4/k", "v");
    app.post("/kv/a/k", "v");
    app.post("/kv/b/k", "v");
    let none =
        || json!({"ttl": null, "max_value_bytes": null, "max_keys": null, "max_bytes": null});
    let listed = |name: &str, (keys, bytes, revision): (u64, u64, u64), created: &str| json!({"name": name, "keys": keys, "bytes": bytes, "revision": revision, "created": created, "settings": none()});
    let (early, late) = ("2023-11-14T22:13:20.789Z", "2023-11-14T22:13:21.789Z");
    let expected = [
        listed("a", (1, 2, 3), late),
        listed("b", (2, 10, 4), early),
        listed("ä", (1, 2, 2), late),
    ];
    let listed = document(&app, "/kv");
    assert_eq!(listed, json!({"namespaces": expected, "cursor": null}));
    app.ask("DELETE", "/kv/b?confirm=b");
    let expected = [&expected[0], &expected[2]];
    assert_eq!(document(&app, "/kv")["namespaces"], json!(expected));
}

#[test]
fn namespaces_are_listed_once_over_pages_of_any_size() {
    let app = TestServer::start();
    assert_eq!(
        document(&app, "/kv"),
        json!({"namespaces": [], "cursor": null})
    );
    let names = ["a", "ab", "ab.", "abc", "b", "ba", "c"];
    for name in names {
        app.post(&format!("/kv/{name}/k"), "v");
    }
    for (query, expected) in [
        ("", &names[..]),
        ("prefix=a", &names[..4]),
        ("prefix64=YWI", &names[1..4]),
        ("prefix=aa", &[]),
        ("prefix=b", &names[4..6]),
        ("prefix=d", &[]),
    ] {
        for limit in 1..=8 {
            let (mut found, mut cursor) = (Vec::new(), String::new());
            loop {
                let page = document(&app, &format!("/kv?{query}&limit={limit}{cursor}"));
                let listed = page["namespaces"].as_array().expect("a list").clone();
                assert!(listed.len() <= limit);
                found.extend(listed.into_iter().map(|info| info["name"].clone()));
                let Some(next) = page["cursor"].as_str() else {
                    break;
                };
                assert!(found.len() < expected.len(), "{query} {limit}");
                cursor = format!("&cursor={next}");
            }
            assert_eq!(found, expected, "{query} {limit}");
        }
    }
    let page = document(&app, "/kv?prefix=a&limit=1");
    let cursor = page["cursor"].as_str().expect("a cursor");
    for query in [
        &format!("cursor={cursor}"),
        &format!("prefix=ab&cursor={cursor}"),
        "cursor=AQ",
        "limit=1001",
        "reverse=true",
        "prefix=%FF",
    ] {
        let answer = app.ask("GET", &format!("/kv?{query}"));
        assert_eq!(answer.refusal(), (400, "invalid_request".into()), "{query}");
    }
}

#[test]
fn a_put_creates_a_namespace_or_replaces_its_settings() {
    let app = TestServer::start();
    let put = |body: &str| {
        let answer = app
            .connect()
            .ask("PUT", "/kv/ns", &length(body), body.as_bytes());
        let document: Value = serde_json::from_slice(&answer.body).expect("a document");
        (answer.status, document)
    };
    let listed = |ttl: Value, keys: Value| {
        json!({"name": "ns", "settings":
            {"ttl": ttl, "max_value_bytes": null, "max_keys": keys, "max_bytes": null}})
    };
    let settings = r#"{"ttl":"90m","max_keys":1}"#;
    assert_eq!(put(settings), (201, listed(json!("90m"), json!(1))));
    assert_eq!(app.namespaces(), ["ns"]);
    assert_eq!(document(&app, "/kv/ns")["items"], json!([]));
    let stored = app.post("/kv/ns/a", "v");
    assert!(stored.status == 201 && stored.header("AKVS-Expires").is_some());
    assert_eq!(app.post("/kv/ns/b", "v").refusal().0, 507);
    assert_eq!(put(""), (200, listed(Value::Null, Value::Null)));
    assert_eq!(app.post("/kv/ns/b", "v").header("AKVS-Expires"), None);
}

fn length(body: &str) -> String {
    // The request adds it itself where there is a body.
    match body.is_empty() {
        true => "Content-Length: 0\r\n".into(),
        false => String::new(),
    }
}

#[test]
fn invalid_settings_are_refused_with_their_name_and_create_nothing() {
    let app = TestServer::start();
    for (body, name) in [
        (r#"{"max_kyes":1}"#, "max_kyes"),
        (r#"{"ttl":"keep"}"#, "ttl"),
        (r#"{"max_keys":"1"}"#, "max_keys"),
        (r#"{"max_bytes":-1}"#, "max_bytes"),
        ("[]", "object"),
    ] {
        let answer = app.connect().ask("PUT", "/kv/ns", "", body.as_bytes());
        assert_eq!(answer.refusal(), (400, "invalid_request".into()), "{body}");
        assert!(answer.problem()["detail"].as_str().unwrap().contains(name));
    }
    let answer = app.connect().ask("PUT", "/kv/ns?ttl=1", "", b"{}");
    assert_eq!(answer.problem()["parameter"], "ttl");
    let answer = app.connect().ask("PUT", "/kv/%00", "", b"{}");
    assert_eq!(answer.refusal(), (400, "invalid_namespace".into()));
    assert_eq!(app.namespaces(), [""; 0]);
}

#[test]
fn only_the_prefix_is_deleted() {
    for app in [TestServer::start(), TestServer::on_disk()] {
        let paths = (0..1_203).map(|number| format!("/kv/ns/p%2F{number:04}"));
        app.connect().ask_all("POST", paths, b"v");
        for key in ["o", "p", "p.", "p0", "%FFx"] {
            app.post(&format!("/kv/ns/{key}"), "v");
        }
        let ask = |query: &str| app.ask("DELETE", &format!("/kv/ns?{query}"));
        let all = document(&app, "/kv/ns?limit=1000&prefix=p/");
        assert_eq!(all["items"].as_array().unwrap().len(), 1_000);
        for (query, status, code) in [
            ("prefix=", 400, "invalid_request"),
            ("prefix64=", 400, "invalid_request"),
            ("prefix=p/&confirm=ns", 400, "invalid_request"),
            ("prefix=p/&prefix=p", 400, "invalid_request"),
            ("perfix=p/", 400, "invalid_request"),
            ("", 400, "confirmation_required"),
        ] {
            assert_eq!(ask(query).refusal(), (status, code.into()), "{query}");
        }
        assert_eq!(ask("prefix=p/").summary(), (200, r#"{"deleted":1203}"#));
        assert_eq!(ask("prefix=p/").summary(), (200, r#"{"deleted":0}"#));
        assert_eq!(ask("prefix64=_w").summary(), (200, r#"{"deleted":1}"#));
        let left = document(&app, "/kv/ns");
        let keys = left["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| &item["key"]);
        assert_eq!(keys.collect::<Vec<_>>(), ["o", "p", "p.", "p0"]);
        assert_eq!(app.ask("DELETE", "/kv/nope?prefix=p").status, 404);
        assert_eq!(app.namespaces(), ["ns"]);
    }
}

#[test]
fn other_methods_are_405_with_the_allowed_methods() {
    let app = TestServer::start();
    for (path, allowed, others) in [
        (
            "/kv",
            "GET, HEAD, OPTIONS",
            &["POST", "PUT", "DELETE", "PATCH"][..],
        ),
        (
            "/kv/ns",
            "GET, HEAD, PUT, PATCH, DELETE, OPTIONS",
            &["POST", "TRACE"],
        ),
    ] {
        for method in others {
            let answer = app.ask(method, path);
            assert_eq!(
                answer.summary(),
                (405, "Method Not Allowed"),
                "{method} {path}"
            );
            assert_eq!(answer.header("Allow"), Some(allowed));
        }
        let answer = app.ask("OPTIONS", path);
        assert_eq!(
            (answer.status, answer.header("Allow")),
            (204, Some(allowed))
        );
    }
    assert_eq!(app.namespaces(), [""; 0]);
    let mut connection = app.connect();
    connection.ask("POST", "/kv/ns/k", "", b"v");
    for path in ["/kv", "/kv/ns"] {
        let get = connection.ask("GET", path, "", b"");
        let head = connection.ask("HEAD", path, "", b"");
        assert_eq!(
            (head.status, head.header("Content-Length")),
            (200, get.header("Content-Length"))
        );
    }
}
