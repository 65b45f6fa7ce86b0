//! Section 12, watching: the events of each change, the watchers that receive them, and the form of the stream.

mod filters;
mod many_watchers;
mod resume;
mod sse;
mod state;

use std::time::Duration;

use akvs_http::Options;
use serde_json::json;

use akvs_testing::raw::Answer;
use akvs_testing::server::TestServer;
use sse::{Part, Watch, comment_revision};

/// Starts a server with a short interval of comments.
fn with_heartbeat(millis: u64) -> TestServer {
    TestServer::with(Options {
        heartbeat: Duration::from_millis(millis),
        ..Options::default()
    })
}

#[test]
fn every_kind_of_change_is_sent_with_its_data() {
    let (app, clock) = TestServer::with_clock();
    let mut watch = Watch::open(&app, "");
    let mut writer = app.connect();
    let mut last = watch.start_revision();
    let mut assert_event = |answer: Answer, name: &str, data: serde_json::Value| {
        let event = watch.event();
        let revision = event.revision();
        assert!(revision > last, "{event:?} after {last}");
        if answer.header("ETag").is_some() {
            assert_eq!(answer.revision(), revision, "{event:?}");
        }
        let mut expected = data;
        expected["revision"] = revision.into();
        assert_eq!((&*event.name, event.id), (name, Some(revision)));
        assert_eq!(event.data, expected);
        last = revision;
    };
    let set = |key: &str, size: usize| {
        json!({"key": key, "size": size, "content_type": "application/octet-stream",
            "modified": "2023-11-14T22:13:20.789Z", "expires": null})
    };
    let stored = writer.ask("POST", "/kv/ns/a", "", b"one");
    assert_event(stored, "set", set("a", 3));
    let headers = "Content-Type: text/plain\r\nContent-Encoding: gzip\r\n";
    let stored = writer.ask("POST", "/kv/ns/b%2Fb?ttl=1s", headers, b"");
    let expected = json!({"key": "b/b", "size": 0, "content_type": "text/plain", "content_encoding": "gzip",
        "modified": "2023-11-14T22:13:20.789Z", "expires": "2023-11-14T22:13:21.789Z"});
    assert_event(stored, "set", expected);
    let stored = writer.ask("POST", "/kv/ns/n?op=add", "", b"42");
    assert_event(stored, "set", set("n", 2));
    let stored = writer.ask("POST", "/kv/ns/a?op=append", "", b" two");
    assert_event(stored, "set", set("a", 7));
    let stored = writer.ask("POST", "/kv/ns/n?op=touch&ttl=1500ms", "", b"");
    let mut expected = set("n", 2);
    expected["expires"] = "2023-11-14T22:13:22.289Z".into();
    assert_event(stored, "set", expected);
    let removed = writer.ask("DELETE", "/kv/ns/a", "", b"");
    assert_event(removed, "delete", json!({"key": "a"}));
    clock.advance(1_000);
    // The request makes the server check the clock.
    writer.ask("POST", "/kv/other/key", "", b"");
    let gone = writer.ask("GET", "/kv/ns/b%2Fb", "", b"");
    assert_event(gone, "expire", json!({"key": "b/b"}));
    let dropped = writer.ask("DELETE", "/kv/ns?confirm=ns", "", b"");
    assert_eq!(dropped.status, 200);
    assert_event(dropped, "drop", json!({}));
    let stored = writer.ask("POST", "/kv/ns/a", "", b"next");
    let mut expected = set("a", 4);
    expected["modified"] = "2023-11-14T22:13:21.789Z".into();
    assert_event(stored, "set", expected);
}

#[test]
fn writes_without_effect_are_not_reported() {
    let app = TestServer::start();
    let mut connection = app.connect();
    connection.ask("POST", "/kv/ns/key", "", b"word");
    let mut watch = Watch::open(&app, "");
    for (method, path, headers) in [
        ("DELETE", "/kv/ns/missing", ""),
        ("POST", "/kv/ns/key", "If-None-Match: *\r\n"),
        ("DELETE", "/kv/ns/key", "If-Match: \"0\"\r\n"),
        ("POST", "/kv/ns/key?op=add", ""),
        ("POST", "/kv/ns/missing?op=touch", ""),
        ("POST", "/kv/other/key", ""),
        ("DELETE", "/kv/never?confirm=never", ""),
    ] {
        connection.ask(method, path, headers, b"");
    }
    let stored = connection.ask("POST", "/kv/ns/key", "", b"");
    assert_eq!(watch.event().change(), ("set", "key", stored.revision()));
}

#[test]
fn values_are_sent_on_request() {
    let app = TestServer::start();
    let mut with = Watch::open(&app, "values=true");
    let mut without = [Watch::open(&app, ""), Watch::open(&app, "values=false")];
    let long = "long \"text\"\r\n".repeat(20_000);
    for (value, member, expected) in [
        (&b"text"[..], "value", "text"),
        (b"", "value", ""),
        (b"a\nb\rc\0", "value", "a\nb\rc\0"),
        ("\u{feff}\u{2028}".as_bytes(), "value", "\u{feff}\u{2028}"),
        (b"\xfe\xff", "value64", "_v8"),
        (long.as_bytes(), "value", &long),
    ] {
        app.post("/kv/ns/key", value);
        let event = with.event();
        assert!(
            event.data[member] == expected,
            "{value:.20?}: {event:.200?}"
        );
        assert_eq!(event.data["size"], value.len());
        let members = ["value", "value64"].map(|name| event.data.get(name).is_some());
        assert_eq!(members, [member == "value", member != "value"]);
        for watch in &mut without {
            let event = watch.event();
            assert_eq!(event.data["size"], value.len());
            assert!(
                event
                    .data
                    .get("value")
                    .or(event.data.get("value64"))
                    .is_none()
            );
        }
    }
}

#[test]
fn a_watch_starts_at_the_newest_revision() {
    let app = TestServer::start();
    let before = app.post("/kv/ns/before", "").revision();
    let mut watch = Watch::open(&app, "");
    assert_eq!(watch.first_comment, format!("revision {before}"));
    let after = app.post("/kv/ns/after", "").revision();
    assert_eq!(watch.event().change(), ("set", "after", after));
}

#[test]
fn a_namespace_that_does_not_exist_can_be_watched_and_is_not_created() {
    let app = TestServer::start();
    let mut watch = Watch::open(&app, "");
    assert_eq!(app.namespaces(), [""; 0]);
    let stored = app.post("/kv/ns/key", "");
    assert_eq!(watch.event().change(), ("set", "key", stored.revision()));
}

#[test]
fn a_watch_continues_after_a_drop() {
    let app = TestServer::start();
    let mut watch = Watch::open(&app, "");
    let mut state = Watch::open(&app, "since=0");
    assert_eq!(state.state().0, []);
    let mut connection = app.connect();
    for round in 0..20 {
        let path = format!("/kv/ns/{round}");
        let stored = connection.ask("POST", &path, "", b"").revision();
        assert_eq!(
            connection
                .ask("DELETE", "/kv/ns?confirm=ns", "", b"")
                .status,
            200
        );
        for watch in [&mut watch, &mut state] {
            assert_eq!(watch.event().change(), ("set", &*round.to_string(), stored));
            let dropped = watch.event();
            assert_eq!(
                (&*dropped.name, dropped.id),
                ("drop", Some(dropped.revision()))
            );
        }
    }
}

#[test]
fn the_stream_has_its_media_type_and_is_not_buffered() {
    let app = TestServer::start();
    for query in ["", "since=0", "values=true&prefix=a"] {
        let watch = Watch::open(&app, query);
        for (name, value) in [
            ("Content-Type", "text/event-stream"),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            ("X-Accel-Buffering", "no"),
            ("Transfer-Encoding", "chunked"),
        ] {
            assert_eq!(watch.head.header(name), Some(value), "{query}");
        }
        let first_comment = if query == "since=0" {
            "the state"
        } else {
            "revision 0"
        };
        assert_eq!(watch.first_comment, first_comment, "{query}");
    }
}

#[test]
fn head_returns_the_head_only() {
    let app = TestServer::start();
    let mut connection = app.connect();
    for path in ["/watch/ns", "/watch/ns?since=0&values=true"] {
        let answer = connection.ask("HEAD", path, "", b"");
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("Content-Type"), Some("text/event-stream"));
        assert_eq!(answer.header("Cache-Control"), Some("no-store"));
    }
    assert_eq!(
        connection.ask("HEAD", "/watch/ns?since=7", "", b"").status,
        410
    );
    assert_eq!(
        connection.ask("HEAD", "/watch/ns?sicne=7", "", b"").status,
        400
    );
    assert_eq!(
        connection.ask("GET", "/ping", "", b"").summary(),
        (200, "pong")
    );
}

#[test]
fn methods_other_than_get_and_head_are_405() {
    let app = TestServer::start();
    let mut connection = app.connect();
    let allow = Some("GET, HEAD, OPTIONS");
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let answer = connection.ask(method, "/watch/ns", "", b"");
        assert_eq!(answer.summary(), (405, "Method Not Allowed"), "{method}");
        assert_eq!(answer.header("Allow"), allow, "{method}");
    }
    let answer = connection.ask("OPTIONS", "/watch/ns", "", b"");
    assert_eq!((answer.status, answer.header("Allow")), (204, allow));
    assert_eq!(app.namespaces(), [""; 0]);
}

#[test]
fn a_path_without_a_namespace_is_refused() {
    let app = TestServer::start();
    let mut connection = app.connect();
    for (path, refusal) in [
        ("/watch", (404, "not_found")),
        ("/watch/", (404, "not_found")),
        ("/watch/ns/key", (404, "not_found")),
        ("/watch/%00", (400, "invalid_namespace")),
        ("/watch/%FF", (400, "invalid_namespace")),
    ] {
        let answer = connection.ask("GET", path, "Accept: application/json\r\n", b"");
        assert_eq!(answer.refusal(), (refusal.0, refusal.1.into()), "{path}");
    }
    assert_eq!(connection.ask("GET", "/watch/%zz", "", b"").status, 400);
}

#[test]
fn an_invalid_parameter_is_400_with_its_name() {
    let app = TestServer::start();
    let mut connection = app.connect();
    for (query, name) in [
        ("sicne=7", "sicne"),
        ("since=7&limit=1", "limit"),
        ("since=", "since"),
        ("since=-1", "since"),
        ("since=0x7", "since"),
        ("since=18446744073709551616", "since"),
        ("since=1&since=1", "since"),
        ("values=1", "values"),
        ("values", "values"),
        ("prefix64=a*", "prefix64"),
        ("key64=a", "key64"),
        ("prefix=a&prefix64=YQ", "prefix64"),
        ("key=a&prefix=a", "key"),
    ] {
        let answer = connection.ask("GET", &format!("/watch/ns?{query}"), "", b"");
        assert_eq!(answer.refusal(), (400, "invalid_request".into()), "{query}");
        assert_eq!(answer.problem()["parameter"], name, "{query}");
    }
    for last in ["x", "-1", "1 2", "\"7\"", "\u{fc}"] {
        let header = format!("Last-Event-ID: {last}\r\n");
        let answer = connection.ask("GET", "/watch/ns", &header, b"");
        assert_eq!(answer.refusal(), (400, "invalid_request".into()), "{last}");
        assert_eq!(answer.problem()["parameter"], "last-event-id", "{last}");
    }
    let answer = connection.ask("GET", "/watch/ns?key=", "", b"");
    assert_eq!(answer.refusal(), (400, "invalid_key".into()));
}

#[test]
fn comments_have_the_revision_up_to_which_all_was_sent() {
    assert_eq!(Options::default().heartbeat, Duration::from_secs(15));
    let app = with_heartbeat(1);
    let mut all = Watch::open(&app, "");
    let mut state = Watch::open(&app, "since=0");
    let mut filtered = [Watch::open(&app, "prefix=x"), Watch::open(&app, "key=x")];
    let mut connection = app.connect();
    for _ in 0..50 {
        let stored = connection.ask("POST", "/kv/ns/key", "", b"").revision();
        // A comment must not report a revision whose changes were not sent.
        for watch in [&mut all, &mut state] {
            loop {
                match watch.next() {
                    Part::Comment(comment) => {
                        let said = comment_revision(&comment).unwrap_or_default();
                        assert!(said < stored, "{said} before the change {stored}");
                    }
                    Part::Event(event) if event.name == "synced" => {}
                    Part::Event(event) => break assert_eq!(event.revision(), stored),
                    other @ (Part::End | Part::Cut) => panic!("{other:?}"),
                }
            }
        }
        for watch in &mut filtered {
            watch.wait_for_comment(stored);
        }
        all.wait_for_comment(stored);
    }
}

#[test]
fn a_stop_ends_watches_normally_and_starts_no_more() {
    let app = TestServer::start();
    let mut watches = ["", "since=0", "key=a"].map(|query| Watch::open(&app, query));
    app.post("/kv/ns/a", "");
    app.end_watches();
    for watch in &mut watches {
        while let Part::Event(event) = watch.next_without_comments() {
            assert!(["set", "synced"].contains(&&*event.name), "{event:?}");
        }
        let answer = watch.connection.ask("GET", "/watch/ns", "", b"");
        assert_eq!(answer.refusal(), (503, "closing".into()));
        assert_eq!(answer.header("Retry-After"), Some("1"));
    }
}
