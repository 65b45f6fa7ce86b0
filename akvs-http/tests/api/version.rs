//! Section 15.3, `/version` and `/`: the program and its limits; and request ids.

use akvs_http::{BuildInfo, Options};
use serde_json::{Value, json};

use akvs_testing::server::TestServer;

fn version(app: &TestServer) -> Value {
    let answer = app.ask("GET", "/version");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("Content-Type"), Some("application/json"));
    serde_json::from_slice(&answer.body).expect("a document")
}

#[test]
fn the_version_has_engine_and_limits() {
    let app = TestServer::with(Options {
        max_value_bytes: 4_321,
        max_connections: 765,
        build_info: BuildInfo {
            commit: "abc",
            engine: "ours",
            ..BuildInfo::default()
        },
        ..Options::default()
    });
    let found = version(&app);
    let expected = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "commit": "abc",
        "engine": "ours",
        "durability": "none",
        "limits": {
            "max_key_bytes": 1_024,
            "max_namespace_bytes": 128,
            "max_value_bytes": 4_321,
            "max_request_bytes": 16 << 20,
            "max_list_items": 1_000,
            "max_txn_ops": 1_000,
            "max_connections": 765,
            "max_body_memory_bytes": 512 << 20,
            "max_response_memory_bytes": 512 << 20,
            "max_queued_writes": 10_000,
            "max_queued_bytes": 256 << 20,
            "header_timeout_ms": 5_000,
            "request_timeout_ms": 30_000,
            "drain_timeout_ms": 10_000,
        },
    });
    assert_eq!(found, expected);
    // The limits are those in effect.
    assert_eq!(app.post("/kv/ns/key", [0; 4_322]).status, 413);
    assert_eq!(app.post("/kv/ns/key", [0; 4_321]).status, 201);
}

#[test]
fn the_durability_is_that_of_the_engine() {
    for (app, expected) in [
        (TestServer::start(), "none"),
        (TestServer::on_disk(), "fsync"),
        (TestServer::on_slow_disk(), "interval"),
    ] {
        let found = version(&app);
        assert_eq!(found["durability"], expected);
        assert_eq!(
            (&found["commit"], &found["engine"]),
            (&json!("unknown"), &json!("unknown"))
        );
    }
}

#[test]
fn the_index_names_the_server_and_the_paths() {
    let app = TestServer::start();
    for accept in ["", "Accept: */*\r\n", "Accept: text/plain\r\n"] {
        let answer = app.connect().ask("GET", "/", accept, b"");
        assert_eq!(answer.status, 200);
        assert_eq!(
            answer.header("Content-Type"),
            Some("text/plain; charset=utf-8")
        );
        let first = concat!("akvs ", env!("CARGO_PKG_VERSION"), "\n");
        assert!(answer.text().starts_with(first), "{}", answer.text());
        for path in [
            "/kv/{namespace}/{key}",
            "/kv ",
            "/txn/",
            "/get/",
            "/watch/",
            "/export/",
            "/import/",
            "/metrics",
            "/version",
            "/whoami",
            "/openapi.json",
            "/ping",
        ] {
            assert!(answer.text().contains(path), "{path}");
        }
    }
}

#[test]
fn version_and_index_are_read_only() {
    let app = TestServer::start();
    for path in ["/", "/version"] {
        let get = app.ask("GET", path);
        let head = app.ask("HEAD", path);
        assert_eq!((head.status, &head.body[..]), (200, &b""[..]), "{path}");
        assert_eq!(head.header("Content-Length"), get.header("Content-Length"));
        let options = app.ask("OPTIONS", path);
        assert_eq!(options.status, 204, "{path}");
        assert_eq!(options.header("Allow"), Some("GET, HEAD, OPTIONS"));
        for method in ["POST", "DELETE", "X"] {
            let other = app.ask(method, path);
            assert_eq!(
                other.summary(),
                (405, "Method Not Allowed"),
                "{method} {path}"
            );
            assert_eq!(other.header("Allow"), Some("GET, HEAD, OPTIONS"));
        }
    }
}

#[test]
fn a_valid_request_id_is_returned_with_every_answer() {
    let app = TestServer::start();
    let mut connection = app.connect();
    let longest = "x".repeat(128);
    for id in ["1", "a-b_c/d=e", &longest] {
        for (method, path) in [
            ("GET", "/ping"),
            ("GET", "/kv/ns/none"),
            ("POST", "/kv/ns/key"),
            ("GET", "/kv/ns/%"),
            ("PUT", "/nope"),
        ] {
            let headers = format!("X-Request-Id: {id}\r\n");
            let answer = connection.ask(method, path, &headers, b"");
            assert_eq!(answer.header("X-Request-Id"), Some(id), "{method} {path}");
        }
    }
    let too_long = format!("X-Request-Id: {longest}x\r\n");
    for headers in [
        "",
        "X-Request-Id: \r\n",
        "X-Request-Id: a b\r\n",
        "X-Request-Id: \u{e9}\r\n",
        "X-Request-Id: a\r\nX-Request-Id: b\r\n",
        &too_long,
    ] {
        let answer = connection.ask("GET", "/ping", headers, b"");
        assert_eq!(
            (answer.status, answer.header("X-Request-Id")),
            (200, None),
            "{headers}"
        );
    }
}
