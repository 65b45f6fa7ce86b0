//! Section 6, touch, add and append; and misspelt parameters of writes, which are refused.

use std::time::Duration;

use akvs_client::Code;
use akvs_http::Options;

use akvs_testing::server::{TestServer, block_on};

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn touch_sets_the_deadline_and_leaves_the_value() {
    let (app, clock) = TestServer::with_clock();
    block_on(async {
        let namespace = app.namespace("ns");
        let write = namespace.set_bytes("key", "hello");
        let stored = write.content_type("text/plain").await.unwrap();
        let touched = namespace.touch("key").ttl(MINUTE).await.unwrap().unwrap();
        assert!(touched.revision > stored.revision);
        let entry = namespace.get_bytes("key").await.unwrap().unwrap();
        assert_eq!(entry.value, "hello");
        assert_eq!(entry.content_type, "text/plain");
        assert_eq!(entry.revision, touched.revision);
        assert_eq!(entry.expires, Some(clock.after(60_000)));
        clock.advance(60_000);
        assert!(namespace.get_bytes("key").await.unwrap().is_none());
    });
}

#[test]
fn touch_without_a_ttl_removes_the_deadline() {
    let (app, clock) = TestServer::with_clock();
    block_on(async {
        let namespace = app.namespace("ns");
        namespace.set("key", &1).ttl(MINUTE).await.unwrap();
        namespace.touch("key").await.unwrap().unwrap();
        clock.advance(60_000);
        let entry = namespace.get::<u8>("key").await.unwrap().unwrap();
        assert_eq!((entry.value, entry.expires), (1, None));
    });
}

#[test]
fn touch_is_200_or_404() {
    let app = TestServer::start();
    app.post("/kv/ns/key", "1");
    for query in ["op=touch", "op=touch&ttl=60", "ttl=60&op=touch"] {
        let path = format!("/kv/ns/key?{query}");
        assert_eq!(app.post(&path, "").status, 200, "{query}");
        let path = format!("/kv/ns/none?{query}");
        assert_eq!(app.post(&path, "").summary(), (404, "Not Found"), "{query}");
        assert_eq!(app.ask("GET", "/kv/ns/none").status, 404);
    }
    block_on(async {
        let namespace = app.namespace("ns");
        assert!(namespace.touch("none").await.unwrap().is_none());
    });
}

#[test]
fn touch_with_a_body_is_400() {
    let (app, clock) = TestServer::with_clock();
    app.post("/kv/ns/key?ttl=60", "kept");
    assert_eq!(app.post("/kv/ns/key?op=touch", "lost?").status, 400);
    let entry = block_on(app.namespace("ns").get_bytes("key")).unwrap();
    let entry = entry.unwrap();
    assert_eq!(
        (&entry.value[..], entry.expires),
        (&b"kept"[..], Some(clock.after(60_000)))
    );
}

#[test]
fn add_counts_a_missing_key_as_zero_and_returns_the_new_value_as_text() {
    let app = TestServer::start();
    for (body, sum) in [
        ("5", "5"),
        ("-7", "-2"),
        ("+2", "0"),
        ("0", "0"),
        ("007", "7"),
        ("1\n", "8"),
        ("1\r\n", "9"),
    ] {
        let answer = app.post("/kv/ns/key?op=add", body);
        assert_eq!(answer.summary(), (200, sum), "{body:?}");
        assert_eq!(app.value("/kv/ns/key"), sum.as_bytes(), "{body:?}");
    }
}

#[test]
fn add_changes_a_value_that_was_set() {
    let app = TestServer::start();
    block_on(async {
        let namespace = app.namespace("ns");
        namespace.set("key", &40).await.unwrap();
        assert_eq!(namespace.add("key", 2).await.unwrap(), 42);
        assert_eq!(namespace.add("key", -50).await.unwrap(), -8);
        assert_eq!(namespace.get_or("key", 0_i64).await.unwrap(), -8);
        let entry = namespace.get_bytes("key").await.unwrap().unwrap();
        assert_eq!(entry.content_type, "application/json");
    });
}

#[test]
fn add_to_a_value_that_is_not_an_integer_is_409() {
    let app = TestServer::start();
    for value in [
        "",
        "word",
        "1.5",
        "1 2",
        "1e3",
        "0x10",
        "9223372036854775808",
        "\u{ff11}",
    ] {
        app.post("/kv/ns/key", value);
        let answer = app.post("/kv/ns/key?op=add", "1");
        assert_eq!(answer.refusal(), (409, "conflict".into()), "{value:?}");
        assert_eq!(app.value("/kv/ns/key"), value.as_bytes());
    }
    app.post("/kv/ns/key", [0xff]);
    assert_eq!(app.post("/kv/ns/key?op=add", "1").status, 409);
}

#[test]
fn add_out_of_range_is_409_and_changes_nothing() {
    let app = TestServer::start();
    block_on(async {
        let namespace = app.namespace("ns");
        for (edge, over) in [(i64::MAX, 1), (i64::MIN, -1), (i64::MAX, i64::MAX)] {
            namespace.set("key", &edge).await.unwrap();
            let error = namespace.add("key", over).await.unwrap_err();
            assert_eq!(error.code(), Some(Code::Conflict), "{error:?}");
            assert_eq!(namespace.get_or("key", 0).await.unwrap(), edge);
            assert_eq!(namespace.add("key", 0).await.unwrap(), edge);
        }
        namespace.set("key", &-1).await.unwrap();
        let lowest = namespace.add("key", i64::MIN + 1).await.unwrap();
        assert_eq!(lowest, i64::MIN);
    });
}

#[test]
fn add_of_a_bad_body_is_400_and_stores_nothing() {
    let app = TestServer::start();
    for body in [
        "",
        "word",
        "1.5",
        "--1",
        "1 2",
        "0x1",
        "\n",
        "9223372036854775808",
        "-9223372036854775809",
    ] {
        let answer = app.post("/kv/ns/key?op=add", body);
        let expected = (400, "invalid_request".into());
        assert_eq!(answer.refusal(), expected, "{body:?}");
    }
    assert_eq!(app.post("/kv/ns/key?op=add", [0xff]).status, 400);
    assert_eq!(app.namespaces(), [""; 0]);
}

#[test]
fn concurrent_adds_are_all_applied() {
    let app = TestServer::on_disk();
    let namespace = app.namespace("ns");
    block_on(async {
        let tasks: Vec<_> = (1..=100)
            .map(|by| tokio::spawn(namespace.add("key", by).into_future()))
            .collect();
        let mut sums = Vec::new();
        for task in tasks {
            sums.push(task.await.unwrap().unwrap());
        }
        sums.sort_unstable();
        sums.dedup();
        assert_eq!((sums.len(), sums.last()), (100, Some(&5_050)));
        assert_eq!(namespace.get_or("key", 0).await.unwrap(), 5_050);
    });
}

#[test]
fn append_adds_bytes_after_those_of_the_value() {
    let app = TestServer::start();
    for (part, whole) in [("", ""), ("one", "one"), ("\0", "one\0"), ("", "one\0")] {
        assert_eq!(app.post("/kv/ns/key?op=append", part).status, 200);
        assert_eq!(app.value("/kv/ns/key"), whole.as_bytes(), "{part:?}");
    }
}

#[test]
fn append_keeps_the_metadata_of_the_value() {
    let app = TestServer::start();
    block_on(async {
        let namespace = app.namespace("ns");
        let write = namespace.set_bytes("key", "a").content_type("text/csv");
        write.await.unwrap();
        namespace.append("key", ",b").await.unwrap();
        let entry = namespace.get_bytes("key").await.unwrap().unwrap();
        assert_eq!(
            (&*entry.content_type, &entry.value[..]),
            ("text/csv", &b"a,b"[..])
        );
    });
}

fn limited_to_8_bytes() -> TestServer {
    TestServer::with(Options {
        max_value_bytes: 8,
        ..Options::default()
    })
}

#[test]
fn append_past_the_limit_is_413_and_changes_nothing() {
    let app = limited_to_8_bytes();
    app.post("/kv/ns/key", "12345");
    let answer = app.post("/kv/ns/key?op=append", "6789");
    assert_eq!(answer.refusal(), (413, "too_large".into()));
    assert_eq!(answer.problem()["limit"], 8);
    assert_eq!(app.post("/kv/ns/key?op=append", "678").status, 200);
    assert_eq!(app.value("/kv/ns/key"), b"12345678");
}

#[test]
fn append_past_the_limit_names_the_setting() {
    let app = limited_to_8_bytes();
    app.post("/kv/ns/key", "12345");
    let answer = app.post("/kv/ns/key?op=append", "6789");
    assert!(answer.text().contains("max_value_bytes"), "{answer:?}");
}

#[test]
fn concurrent_appends_are_not_interleaved() {
    let app = TestServer::start();
    let namespace = app.namespace("ns");
    block_on(async {
        let tasks: Vec<_> = (100..164)
            .map(|number: u32| namespace.append("key", number.to_string()))
            .map(|write| tokio::spawn(write.into_future()))
            .collect();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        let value = namespace.get_bytes_or("key", "").await.unwrap();
        let mut parts: Vec<_> = value.chunks(3).map(<[u8]>::to_vec).collect();
        parts.sort();
        let expected: Vec<_> = (100..164)
            .map(|n: u32| n.to_string().into_bytes())
            .collect();
        assert_eq!(parts, expected);
    });
}

#[test]
fn add_and_append_keep_the_deadline_or_set_another() {
    let (app, clock) = TestServer::with_clock();
    block_on(async {
        let namespace = app.namespace("ns");
        let expires = async |key| namespace.get_bytes(key).await.unwrap().unwrap().expires;
        let first = Some(clock.after(60_000));
        namespace.set("n", &1).ttl(MINUTE).await.unwrap();
        namespace.set_bytes("s", "a").ttl(MINUTE).await.unwrap();
        clock.advance(1_000);
        namespace.add("n", 1).await.unwrap();
        namespace.append("s", "b").await.unwrap();
        assert_eq!((expires("n").await, expires("s").await), (first, first));
        let later = Some(clock.after(60_000));
        namespace.add("n", 1).ttl(MINUTE).await.unwrap();
        namespace.append("s", "c").ttl(MINUTE).await.unwrap();
        assert_eq!((expires("n").await, expires("s").await), (later, later));
    });
}

/// Runs the three operations on a key under a condition, and returns those that were applied.
fn applied_ops(app: &TestServer, headers: &str) -> Vec<&'static str> {
    let mut done = Vec::new();
    for (op, body) in [("touch", ""), ("add", "1"), ("append", "1")] {
        app.post("/kv/ns/key", "1");
        let current = app.ask("GET", "/kv/ns/key");
        let headers = headers.replace("\"{}\"", current.header("ETag").expect("a tag"));
        let path = format!("/kv/ns/key?op={op}");
        let answer = app.connect().ask("POST", &path, &headers, body.as_bytes());
        match answer.status {
            200 => done.push(op),
            412 => assert_eq!(app.value("/kv/ns/key"), b"1"),
            other => panic!("{op} {headers}: {other}"),
        }
    }
    done
}

#[test]
fn every_operation_has_preconditions() {
    let app = TestServer::start();
    let namespace = app.namespace("ns");
    block_on(async {
        for (headers, all) in [
            ("If-Match: \"{}\"\r\n", true),
            ("If-Match: \"0\", \"{}\"\r\n", true),
            ("If-Match: *\r\n", true),
            ("If-Match: \"0\"\r\n", false),
            ("If-Match: W/\"{}\"\r\n", false),
        ] {
            let expected: &[_] = if all {
                &["touch", "add", "append"]
            } else {
                &[]
            };
            assert_eq!(applied_ops(&app, headers), expected, "{headers}");
        }
        let error = namespace.add("key", 1).if_absent().await.unwrap_err();
        assert!(error.is_precondition_failed(), "{error:?}");
        let error = namespace.append("key", "1").if_absent().await.unwrap_err();
        assert!(error.is_precondition_failed(), "{error:?}");
        assert_eq!(namespace.add("new", 1).if_absent().await.unwrap(), 1);
    });
}

#[test]
fn an_unknown_op_or_parameter_on_a_write_is_400_and_stores_nothing() {
    let app = TestServer::start();
    for query in [
        "op=push",
        "op=",
        "op=ADD",
        "op=add&op=add",
        "op=set",
        "tll=60",
        "ttl=60&tll=60",
        "TTL=60",
        "op=add&by=1",
        "x",
        "=1",
    ] {
        let answer = app.post(&format!("/kv/ns/key?{query}"), "1");
        let expected = (400, "invalid_request".into());
        assert_eq!(answer.refusal(), expected, "{query}");
    }
    assert_eq!(app.namespaces(), [""; 0]);
}

#[test]
fn delete_refuses_the_parameters_of_post() {
    let app = TestServer::start();
    app.post("/kv/ns/key", "kept");
    for query in ["ttl=60", "op=touch", "x=1"] {
        let answer = app.ask("DELETE", &format!("/kv/ns/key?{query}"));
        assert_eq!(answer.status, 400, "{query}");
    }
    assert_eq!(app.value("/kv/ns/key"), b"kept");
}

#[test]
fn a_read_ignores_unknown_parameters() {
    let app = TestServer::start();
    app.post("/kv/ns/key", "hello");
    for query in ["tll=60", "ttl=0", "op=push", "x", "%zz"] {
        let path = format!("/kv/ns/key?{query}");
        assert_eq!(app.ask("GET", &path).summary(), (200, "hello"), "{query}");
        assert_eq!(app.ask("HEAD", &path).status, 200, "{query}");
    }
}
