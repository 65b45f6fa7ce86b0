//! Section 5, expiry: how a deadline is set, kept and cleared, and that an expired key does not exist for any request.

use std::time::{Duration, SystemTime};

use akvs_client::{Client, Error, IfChanged};
use akvs_server::{Clock, SystemClock};

use akvs_testing::server::{TestServer, block_on};

/// Invalid times to live.
const BAD_TTLS: [&str; 15] = [
    "",
    "0",
    "0s",
    "0ms",
    "-1",
    "-5s",
    "%2B5",
    "1.5",
    "1e3",
    "5x",
    "5w",
    "s",
    "5%20m",
    "forever",
    "99999999999999999999d",
];

#[test]
fn a_ttl_is_in_seconds_or_has_a_unit() {
    let (app, clock) = TestServer::with_clock();
    let mut connection = app.connect();
    for (ttl, millis) in [
        ("90", 90_000),
        ("90s", 90_000),
        ("5m", 300_000),
        ("2h", 7_200_000),
        ("7d", 604_800_000),
        ("1500ms", 1_500),
        ("1h30m", 5_400_000),
    ] {
        let path = format!("/kv/ns/{ttl}?ttl={ttl}");
        assert_eq!(connection.ask("POST", &path, "", b"1").status, 201, "{ttl}");
        let entry = block_on(app.namespace("ns").get_bytes(ttl)).unwrap();
        assert_eq!(entry.unwrap().expires, Some(clock.after(millis)), "{ttl}");
    }
}

#[test]
fn a_ttl_has_the_same_syntax_in_every_request() {
    let (app, clock) = TestServer::with_clock();
    let mut connection = app.connect();
    let mut post = |path: &str, body: &str| connection.ask("POST", path, "", body.as_bytes());
    for (ttl, millis) in [
        ("90", Some(90_000)),
        ("1500ms", Some(1_500)),
        ("1h30m", Some(5_400_000)),
        ("1h 30m", Some(5_400_000)),
        ("1d1h1m1s1ms", Some(90_061_001)),
        ("7d", Some(604_800_000)),
        ("0", None),
        ("0s0ms", None),
        ("1h30", None),
        ("1.5h", None),
        ("30 m", None),
    ] {
        let encoded = ttl.replace(' ', "%20");
        let set = |key: &str| format!(r#"{{"op":"set","key":"{key}","value":"","ttl":"{ttl}"}}"#);
        let answers = [
            post(&format!("/kv/ns/query?ttl={encoded}"), ""),
            post("/txn/ns", &format!(r#"{{"ops":[{}]}}"#, set("member"))),
        ];
        let refused = millis.is_none();
        for answer in answers {
            assert_eq!(answer.status == 400, refused, "{ttl}: {answer:?}");
        }
        let settings = format!(r#"{{"ttl":"{ttl}"}}"#);
        let answer = app.connect().ask("PUT", "/kv/set", "", settings.as_bytes());
        assert_eq!(answer.status == 400, refused, "{ttl}: {answer:?}");
        let Some(millis) = millis else { continue };
        post("/kv/set/key", "");
        for (namespace, key) in [("ns", "query"), ("ns", "member"), ("set", "key")] {
            let entry = block_on(app.namespace(namespace).get_bytes(key)).unwrap();
            let expires = entry.unwrap().expires;
            assert_eq!(expires, Some(clock.after(millis)), "{ttl}: {key}");
        }
    }
}

#[test]
fn an_invalid_ttl_is_400_with_its_text_and_stores_nothing() {
    let app = TestServer::start();
    let mut connection = app.connect();
    for op in ["", "op=add&", "op=append&", "op=touch&"] {
        for ttl in BAD_TTLS {
            let path = format!("/kv/ns/key?{op}ttl={ttl}");
            let body: &[u8] = if op.contains("touch") { b"" } else { b"1" };
            let answer = connection.ask("POST", &path, "", body);
            assert_eq!(
                answer.refusal(),
                (400, "invalid_request".into()),
                "{op}{ttl}"
            );
            let problem = answer.problem();
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.contains("ttl"), "{op}{ttl}: {detail}");
        }
    }
    let twice = connection.ask("POST", "/kv/ns/key?ttl=1&ttl=2", "", b"1");
    assert_eq!(twice.status, 400);
    assert_eq!(app.namespaces(), [""; 0]);
}

#[test]
fn a_ttl_past_the_year_9999_is_400_and_stores_nothing() {
    let app = TestServer::start();
    for ttl in ["18446744073709551615ms", "999999999999", "9999999d"] {
        let answer = app.post(&format!("/kv/ns/key?ttl={ttl}"), "1");
        assert_eq!(answer.refusal(), (400, "invalid_request".into()), "{ttl}");
    }
    assert_eq!(app.ask("GET", "/kv/ns/key").status, 404);
}

#[test]
fn expires_is_on_reads_and_on_the_201_in_rfc_3339_with_milliseconds() {
    let (app, _clock) = TestServer::with_clock();
    let mut connection = app.connect();
    let expected = Some("2023-11-14T22:14:50.789Z");
    let created = connection.ask("POST", "/kv/ns/key?ttl=90", "", b"hello");
    assert_eq!(
        (created.status, created.header("AKVS-Expires")),
        (201, expected)
    );
    let tag = created.header("ETag").unwrap();
    let same = format!("If-None-Match: {tag}\r\n");
    for (method, headers, status) in [
        ("GET", "", 200),
        ("HEAD", "", 200),
        ("GET", "Range: bytes=0-1\r\n", 206),
        ("GET", &*same, 304),
    ] {
        let answer = connection.ask(method, "/kv/ns/key", headers, b"");
        let found = (answer.status, answer.header("AKVS-Expires"));
        assert_eq!(found, (status, expected), "{method} {headers}");
    }
    let path = "/kv/ns/round?ttl=211ms";
    let round = connection.ask("POST", path, "", b"1");
    let expected = Some("2023-11-14T22:13:21.000Z");
    assert_eq!(round.header("AKVS-Expires"), expected);
}

#[test]
fn a_key_without_a_deadline_has_no_expires() {
    let app = TestServer::start();
    let created = app.post("/kv/ns/key", "1");
    assert_eq!(created.header("AKVS-Expires"), None);
    assert_eq!(app.ask("GET", "/kv/ns/key").header("AKVS-Expires"), None);
}

#[test]
fn a_plain_overwrite_clears_the_deadline_and_keep_keeps_it() {
    let (app, clock) = TestServer::with_clock();
    let minute = Duration::from_secs(60);
    block_on(async {
        let namespace = app.namespace("ns");
        let expires = Some(clock.after(60_000));
        namespace.set("key", &1).ttl(minute).await.unwrap();
        clock.advance(1_000);
        let kept = namespace.set("key", &2).keep_ttl().await.unwrap();
        assert_eq!(kept.expires, expires);
        let entry = namespace.get::<u8>("key").await.unwrap().unwrap();
        assert_eq!((entry.value, entry.expires), (2, expires));

        let renewed = namespace.set("key", &3).ttl(minute).await.unwrap();
        assert_eq!(renewed.expires, Some(clock.after(60_000)));

        let cleared = namespace.set("key", &4).await.unwrap();
        assert_eq!(cleared.expires, None);
        clock.advance(3_600_000);
        let entry = namespace.get::<u8>("key").await.unwrap().unwrap();
        assert_eq!((entry.value, entry.expires), (4, None));
    });
}

#[test]
fn keep_without_a_previous_deadline_sets_none() {
    let app = TestServer::start();
    block_on(async {
        let namespace = app.namespace("ns");
        let first = namespace.set("key", &1).keep_ttl().await.unwrap();
        let second = namespace.set("key", &1).keep_ttl().await.unwrap();
        assert_eq!((first.expires, second.expires), (None, None));
    });
}

#[test]
fn a_key_is_readable_until_its_deadline_to_the_millisecond() {
    let (app, clock) = TestServer::with_clock();
    let mut connection = app.connect();
    let path = "/kv/ns/key?ttl=1500ms";
    let stored = connection.ask("POST", path, "", b"hello");
    let same = format!("If-None-Match: {}\r\n", stored.header("ETag").unwrap());
    clock.advance(1_499);
    let mut statuses = || {
        ["", "Range: bytes=0-1\r\n", "Range: bytes=9-\r\n", &same].map(|headers| {
            let answer = connection.ask("GET", "/kv/ns/key", headers, b"");
            (answer.status, answer.header("ETag").is_some())
        })
    };
    let existing = [(200, true), (206, true), (416, true), (304, true)];
    assert_eq!(statuses(), existing);
    clock.advance(1);
    assert_eq!(statuses(), [(404, false); 4]);
}

#[test]
fn an_expired_key_does_not_exist_for_conditions() {
    let (app, clock) = TestServer::with_clock();
    block_on(async {
        let namespace = app.namespace("ns");
        let second = Duration::from_secs(1);
        let written = namespace.set("key", &1).ttl(second).await.unwrap();
        let revision = written.revision.unwrap();
        clock.advance(999);
        let error = namespace.set("key", &2).if_absent().await.unwrap_err();
        assert!(error.is_precondition_failed(), "{error:?}");
        clock.advance(1);
        for error in [
            namespace.set("key", &2).if_exists().await.unwrap_err(),
            namespace
                .set("key", &2)
                .if_revision(revision)
                .await
                .unwrap_err(),
            namespace.del("key").if_exists().await.unwrap_err(),
            namespace.add("key", 1).if_exists().await.unwrap_err(),
            namespace.append("key", "1").if_exists().await.unwrap_err(),
            namespace.touch("key").if_exists().await.unwrap_err(),
        ] {
            assert!(error.is_precondition_failed(), "{error:?}");
            assert_eq!(error.current_revision(), None, "{error:?}");
        }
        let look = namespace.get_if_changed::<u8>("key", revision).await;
        assert_eq!(look.unwrap(), IfChanged::Missing);
        let created = namespace.set("key", &3).if_absent().await.unwrap();
        assert!(!created.existed);
    });
}

#[test]
fn an_expired_key_does_not_exist_for_operations() {
    let (app, clock) = TestServer::with_clock();
    block_on(async {
        let namespace = app.namespace("ns");
        for key in ["set", "keep", "del", "add", "append", "touch"] {
            let write = namespace.set(key, &40).ttl(Duration::from_secs(1));
            write.await.unwrap();
        }
        clock.advance(1_000);
        assert!(!namespace.set("set", &1).await.unwrap().existed);
        let kept = namespace.set("keep", &1).keep_ttl().await.unwrap();
        assert_eq!((kept.existed, kept.expires), (false, None));
        assert!(!namespace.del("del").await.unwrap());
        assert_eq!(namespace.add("add", 2).await.unwrap(), 2);
        assert!(!namespace.append("append", "2").await.unwrap().existed);
        assert_eq!(namespace.get_bytes_or("append", "").await.unwrap(), "2");
        let day = Duration::from_secs(86_400);
        assert!(namespace.touch("touch").ttl(day).await.unwrap().is_none());
        assert!(namespace.get_bytes("touch").await.unwrap().is_none());
        // The key that was created again has no deadline.
        clock.advance(100_000_000);
        for key in ["set", "keep", "add", "append"] {
            let entry = namespace.get_bytes(key).await.unwrap();
            assert_eq!(entry.expect(key).expires, None, "{key}");
        }
    });
}

#[test]
fn a_key_expires_on_time_by_the_system_clock() {
    let app = TestServer::on_disk();
    let clock = SystemClock::new();
    let now = || SystemTime::UNIX_EPOCH + Duration::from_millis(clock.now().as_millis());
    block_on(async {
        let namespace = app.namespace("ns");
        let write = namespace.set("key", &1).ttl(Duration::from_millis(60));
        let expires = write.await.unwrap().expires.unwrap();
        loop {
            let before = now();
            let found = namespace.get_bytes("key").await.unwrap().is_some();
            // Between the two times, either answer is correct.
            assert!(found || now() >= expires, "expired too early");
            assert!(!found || before < expires, "expired too late");
            if before >= expires {
                break;
            }
        }
        assert!(namespace.set("key", &1).if_absent().await.is_ok());
    });
}

#[test]
fn the_client_sends_and_returns_deadlines_to_the_millisecond() {
    let (app, clock) = TestServer::with_clock();
    block_on(async {
        let namespace = app.namespace("ns");
        for (ttl, millis) in [
            (Duration::from_millis(1), 1),
            (Duration::from_millis(1_500), 1_500),
            (Duration::from_micros(1), 1),
            (Duration::from_secs(90), 90_000),
        ] {
            let written = namespace.set("key", &1).ttl(ttl).await.unwrap();
            assert_eq!(written.expires, Some(clock.after(millis)), "{ttl:?}");
        }
    });
}

#[test]
fn the_client_refuses_a_ttl_of_zero_before_it_sends_anything() {
    // No server listens there: a request that is sent fails with another error.
    let client = Client::new("http://127.0.0.1:1").unwrap();
    let namespace = client.namespace("ns").unwrap();
    block_on(async {
        let none = Duration::ZERO;
        for error in [
            namespace.set("key", &1).ttl(none).await.unwrap_err(),
            namespace.touch("key").ttl(none).await.unwrap_err(),
            namespace.add("key", 1).ttl(none).await.unwrap_err(),
        ] {
            assert!(matches!(error, Error::Invalid(_)), "{error:?}");
        }
    });
}
