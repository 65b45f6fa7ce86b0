//! Section 7, `Prefer: wait=N` with `If-None-Match`: a read that waits for a change.

use std::time::Duration;

use tokio::time::Instant;

use akvs_testing::raw::{Answer, Connection, request};
use akvs_testing::server::TestServer;

/// Longer than any test takes; a read that is not woken answers 304 after it.
const WAIT: u64 = 15;

/// Returns a connection that has read the key, and the revision.
fn reader(app: &TestServer, path: &str) -> (Connection, u64) {
    let mut connection = app.connect();
    let answer = connection.ask("GET", path, "", b"");
    assert_eq!(answer.status, 200, "{path}");
    (connection, answer.revision())
}

fn wait_for(known: u64, wait: impl std::fmt::Display) -> String {
    format!("If-None-Match: \"{known}\"\r\nPrefer: wait={wait}\r\n")
}

/// Returns a connection that waits for another revision of a key, and the known revision.
fn waiter(app: &TestServer, path: &str) -> (Connection, u64) {
    let (mut connection, known) = reader(app, path);
    connection.send(request("GET", path, &wait_for(known, WAIT), b""));
    (connection, known)
}

fn applied(answer: &Answer) -> Option<&str> {
    answer.header("Preference-Applied")
}

#[test]
fn a_long_poll_with_another_revision_is_answered_at_once() {
    let app = TestServer::start();
    let known = app.post("/kv/ns/key", "old").revision();
    let newest = app.post("/kv/ns/key", "new").revision();
    let mut connection = app.connect();
    for other in [known, 0, newest + 1] {
        let answer = connection.ask("GET", "/kv/ns/key", &wait_for(other, 60), b"");
        assert_eq!(answer.summary(), (200, "new"));
        assert_eq!(answer.revision(), newest);
        assert_eq!(applied(&answer), Some("wait=60"));
    }
    let answer = connection.ask("GET", "/kv/ns/missing", &wait_for(known, 60), b"");
    assert_eq!(answer.status, 404);
    let answer = connection.ask("GET", "/kv/never/key", &wait_for(known, 60), b"");
    assert_eq!(answer.status, 404);
    assert_eq!(app.namespaces(), ["ns"]);
}

#[test]
fn a_long_poll_without_a_change_is_304_after_the_wait() {
    let app = TestServer::start();
    app.post("/kv/ns/key?ttl=1h", "value");
    let (mut connection, known) = reader(&app, "/kv/ns/key");
    for (wait, least) in [("1", 1), ("\"1\"", 1), ("0", 0)] {
        for method in ["GET", "HEAD"] {
            let begun = Instant::now();
            let answer = connection.ask(method, "/kv/ns/key", &wait_for(known, wait), b"");
            assert!(begun.elapsed() >= Duration::from_secs(least), "{wait}");
            assert_eq!(answer.status, 304, "{wait}");
            assert_eq!(answer.revision(), known);
            assert!(answer.header("Last-Modified").is_some());
            assert!(answer.header("AKVS-Expires").is_some());
            assert_eq!(applied(&answer), Some(&*format!("wait={least}")));
            if wait != "0" {
                break;
            }
        }
    }
    // The connection stays usable.
    let answer = connection.ask("GET", "/kv/ns/key", "", b"");
    assert_eq!((answer.summary(), applied(&answer)), ((200, "value"), None));
}

#[test]
fn every_kind_of_change_ends_a_long_poll() {
    let app = TestServer::start();
    let mut writer = app.connect();
    for (method, query, body) in [
        ("POST", "", "7"),
        ("POST", "?op=add", "1"),
        ("POST", "?op=append", "0"),
        ("POST", "?op=touch&ttl=60", ""),
    ] {
        for round in 0..20 {
            writer.ask("POST", "/kv/ns/key", "", round.to_string().as_bytes());
            let (mut connection, known) = waiter(&app, "/kv/ns/key");
            let path = format!("/kv/ns/key{query}");
            let stored = writer.ask(method, &path, "", body.as_bytes()).revision();
            let answer = connection.answer();
            assert_eq!((answer.status, answer.revision()), (200, stored), "{query}");
            assert!(stored > known);
            assert_eq!(answer.body, app.value("/kv/ns/key"));
            assert_eq!(applied(&answer), Some("wait=15"));
        }
    }
}

#[test]
fn a_deleted_expired_or_dropped_key_ends_a_long_poll() {
    let (app, clock) = TestServer::with_clock();
    let mut writer = app.connect();
    for round in 0..20 {
        for end in ["delete", "drop", "expire"] {
            writer.ask("POST", "/kv/ns/key?ttl=1s", "", b"value");
            let (mut connection, _) = waiter(&app, "/kv/ns/key");
            match end {
                "delete" => drop(writer.ask("DELETE", "/kv/ns/key", "", b"")),
                "drop" => drop(writer.ask("DELETE", "/kv/ns?confirm=ns", "", b"")),
                _ => {
                    clock.advance(1_000);
                    // The request makes the server check the clock.
                    writer.ask("POST", "/kv/other/key", "", b"");
                }
            }
            let answer = connection.answer();
            assert_eq!(answer.summary(), (404, "Not Found"), "{end} {round}");
            assert_eq!(answer.header("ETag"), None);
            // The connection stays usable.
            assert_eq!(connection.ask("GET", "/ping", "", b"").status, 200);
        }
    }
}

#[test]
fn changes_of_other_keys_do_not_end_a_long_poll() {
    let app = TestServer::start();
    for key in ["ns/key", "ns/keys", "ns/ke", "other/key"] {
        app.post(&format!("/kv/{key}"), "old");
    }
    let (mut connection, known) = waiter(&app, "/kv/ns/key");
    let mut writer = app.connect();
    for _ in 0..50 {
        for path in ["/kv/ns/keys", "/kv/ns/ke", "/kv/other/key"] {
            writer.ask("POST", path, "", b"new");
            writer.ask("DELETE", path, "", b"");
        }
    }
    writer.ask("DELETE", "/kv/other?confirm=other", "", b"");
    // Written again with the same value.
    let stored = writer.ask("POST", "/kv/ns/key", "", b"old").revision();
    let answer = connection.answer();
    assert_eq!(
        (answer.summary(), answer.revision()),
        ((200, "old"), stored)
    );
    assert!(stored > known);
}

#[test]
fn all_long_polls_of_a_key_are_answered() {
    let app = TestServer::start();
    let mut stored = app.post("/kv/ns/key", "0").revision();
    let mut waiters: Vec<_> = (0..100).map(|_| app.connect()).collect();
    let mut writer = app.connect();
    for round in 1..=10 {
        let request = request("GET", "/kv/ns/key", &wait_for(stored, WAIT), b"");
        for (number, waiter) in waiters.iter_mut().enumerate() {
            waiter.send(&request);
            // Some long polls wait before the write, others start after it.
            if number == 10 * round - 5 {
                let value = round.to_string();
                stored = writer
                    .ask("POST", "/kv/ns/key", "", value.as_bytes())
                    .revision();
            }
        }
        for waiter in &mut waiters {
            let answer = waiter.answer();
            assert_eq!(answer.summary(), (200, &*round.to_string()));
            assert_eq!(answer.revision(), stored);
        }
    }
}

#[test]
fn no_change_between_the_read_and_the_wait_is_missed() {
    let app = TestServer::start();
    let (mut waiter, mut writer) = (app.connect(), app.connect());
    let mut known = writer.ask("POST", "/kv/ns/key", "", b"").revision();
    for _ in 0..500 {
        waiter.send(request("GET", "/kv/ns/key", &wait_for(known, WAIT), b""));
        let stored = writer.ask("POST", "/kv/ns/key", "", b"").revision();
        let answer = waiter.answer();
        assert_eq!((answer.status, answer.revision()), (200, stored));
        known = stored;
    }
}

#[test]
fn a_long_poll_waits_at_most_a_minute() {
    let app = TestServer::start();
    let known = app.post("/kv/ns/key", "").revision();
    for (wait, expected) in [
        ("60", "wait=60"),
        ("61", "wait=60"),
        ("18446744073709551615", "wait=60"),
    ] {
        let mut connection = app.connect();
        let answer = connection.ask("GET", "/kv/ns/key", &wait_for(known + 1, wait), b"");
        assert_eq!(
            (answer.status, applied(&answer)),
            (200, Some(expected)),
            "{wait}"
        );
    }
}

#[test]
fn a_malformed_preference_is_ignored() {
    let app = TestServer::start();
    let (mut connection, known) = {
        app.post("/kv/ns/key", "");
        reader(&app, "/kv/ns/key")
    };
    for prefer in [
        "wait",
        "wait=",
        "wait=x",
        "wait=-1",
        "wait=1.5",
        "wait=18446744073709551616",
        "waits=5",
        "respond-async",
        "",
        "=5",
        ",;,",
        "wait=\u{fc}",
        "handling=lenient; wait=5",
    ] {
        let headers = format!("If-None-Match: \"{known}\"\r\nPrefer: {prefer}\r\n");
        let begun = Instant::now();
        let answer = connection.ask("GET", "/kv/ns/key", &headers, b"");
        assert!(begun.elapsed() < Duration::from_secs(5), "{prefer}");
        assert_eq!((answer.status, applied(&answer)), (304, None), "{prefer}");
    }
    for prefer in [
        "respond-async, wait=0",
        "WAIT=0",
        "wait = 0",
        "wait=0; foo=bar",
        "respond-async\r\nPrefer: wait=0",
        "wait=0, wait=30",
    ] {
        let headers = format!("If-None-Match: \"{known}\"\r\nPrefer: {prefer}\r\n");
        let answer = connection.ask("GET", "/kv/ns/key", &headers, b"");
        assert_eq!(
            (answer.status, applied(&answer)),
            (304, Some("wait=0")),
            "{prefer}"
        );
    }
}

#[test]
fn a_long_poll_without_a_tag_does_not_wait() {
    let app = TestServer::start();
    app.post("/kv/ns/key", "value");
    let mut connection = app.connect();
    let begun = Instant::now();
    let answer = connection.ask("GET", "/kv/ns/key", "Prefer: wait=30\r\n", b"");
    assert_eq!((answer.summary(), applied(&answer)), ((200, "value"), None));
    // The request is a write, so it does not wait.
    let answer = connection.ask("POST", "/kv/ns/key", "Prefer: wait=30\r\n", b"");
    assert_eq!((answer.status, applied(&answer)), (201, None));
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_tag_that_cannot_be_read_is_refused_at_once() {
    let app = TestServer::start();
    app.post("/kv/ns/key", "value");
    let headers = "If-None-Match: seven\r\nPrefer: wait=30\r\n";
    let answer = app.connect().ask("GET", "/kv/ns/key", headers, b"");
    assert_eq!(answer.refusal(), (400, "invalid_request".into()));
}

#[test]
fn head_waits_too() {
    let app = TestServer::start();
    app.post("/kv/ns/key", "value");
    let (mut connection, known) = reader(&app, "/kv/ns/key");
    connection.send(request("HEAD", "/kv/ns/key", &wait_for(known, WAIT), b""));
    let stored = app.post("/kv/ns/key", "newer").revision();
    let answer = connection.answer_to("HEAD");
    assert_eq!((answer.status, answer.revision()), (200, stored));
    assert_eq!(answer.header("Content-Length"), Some("5"));
    assert_eq!(connection.ask("GET", "/kv/ns/key", "", b"").text(), "newer");
}

#[test]
fn a_stop_answers_all_waiting_requests() {
    let app = TestServer::start();
    app.post("/kv/ns/key", "value");
    let begun = Instant::now();
    let mut waiters: Vec<_> = (0..20).map(|_| waiter(&app, "/kv/ns/key")).collect();
    app.end_watches();
    for (waiter, known) in &mut waiters {
        let answer = waiter.answer();
        // A long poll that came too late to wait is refused with `closing`.
        match answer.status {
            304 => assert_eq!(answer.revision(), *known),
            other => assert_eq!(answer.refusal(), (503, "closing".into()), "{other}"),
        }
    }
    assert!(begun.elapsed() < Duration::from_secs(WAIT - 5));
}
