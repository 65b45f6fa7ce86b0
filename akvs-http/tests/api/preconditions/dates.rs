//! `If-Unmodified-Since` and `If-Modified-Since`: dates of whole seconds.

use std::time::{Duration, SystemTime};

use akvs_testing::raw::Answer;
use akvs_testing::server::{ManualClock, TestServer};

/// Starts a server with the key `/kv/ns/key`, and returns the date at which it was written.
fn stored() -> (TestServer, std::sync::Arc<ManualClock>, SystemTime) {
    let (app, clock) = TestServer::with_clock();
    assert_eq!(app.post("/kv/ns/key", "1").status, 201);
    let answer = app.ask("GET", "/kv/ns/key");
    let date = answer.header("Last-Modified").expect("a date");
    let date = httpdate::parse_http_date(date).expect("a date");
    (app, clock, date)
}

fn ask(app: &TestServer, method: &str, path: &str, headers: &str) -> Answer {
    let body = if method == "POST" && !path.contains("touch") {
        "2"
    } else {
        ""
    };
    app.connect().ask(method, path, headers, body.as_bytes())
}

fn text(date: SystemTime) -> String {
    httpdate::fmt_http_date(date)
}

const SECOND: Duration = Duration::from_secs(1);
/// Past dates in other forms.
const PAST: [&str; 6] = [
    "Sat, 01 Jan 2000 00:00:00 GMT",
    "Saturday, 01-Jan-00 00:00:00 GMT",
    "Sat Jan  1 00:00:00 2000",
    "Thu, 01 Jan 1970 00:00:00 GMT",
    "Sun, 06 Nov 1904 08:49:37 GMT",
    // Not the weekday of that date, but a valid time.
    "Mon, 01 Jan 2000 00:00:00 GMT",
];
const NO_DATES: [&str; 4] = ["yesterday", "0", "2000-01-01T00:00:00Z", "\"1\""];
const WRITES: [(&str, &str, u16); 5] = [
    ("POST", "/kv/ns/key", 201),
    ("POST", "/kv/ns/key?op=add", 200),
    ("POST", "/kv/ns/key?op=append", 200),
    ("POST", "/kv/ns/key?op=touch&ttl=1h", 200),
    ("DELETE", "/kv/ns/key", 200),
];

#[test]
fn a_write_with_if_unmodified_since_is_412_after_a_later_write() {
    for (method, path, done) in WRITES {
        let (app, _clock, date) = stored();
        let before = text(date - SECOND);
        let past = PAST.iter().copied().chain([&*before]);
        for past in past {
            let answer = ask(
                &app,
                method,
                path,
                &format!("If-Unmodified-Since: {past}\r\n"),
            );
            let expected = (412, "precondition_failed".into());
            assert_eq!(answer.refusal(), expected, "{method} {path} {past}");
            assert!(answer.header("ETag").is_some(), "{method} {path}");
            assert_eq!(app.value("/kv/ns/key"), b"1", "{method} {path} {past}");
        }
        // The date that a read returns allows a write, although it has no milliseconds.
        let headers = format!("If-Unmodified-Since: {}\r\n", text(date));
        assert_eq!(ask(&app, method, path, &headers).status, done, "{path}");
    }
}

#[test]
fn a_read_with_if_unmodified_since_is_412_after_a_later_write() {
    let (app, _clock, date) = stored();
    for method in ["GET", "HEAD"] {
        for past in PAST {
            let headers = format!("If-Unmodified-Since: {past}\r\n");
            let answer = ask(&app, method, "/kv/ns/key", &headers);
            assert_eq!(answer.status, 412, "{method} {past}");
            assert!(answer.header("ETag").is_some(), "{method} {past}");
        }
        for date in [date, date + SECOND] {
            let headers = format!("If-Unmodified-Since: {}\r\n", text(date));
            let answer = ask(&app, method, "/kv/ns/key", &headers);
            assert_eq!(answer.status, 200, "{method}");
        }
    }
}

#[test]
fn a_read_with_if_modified_since_is_304_if_unchanged() {
    let (app, clock, date) = stored();
    let read = |method: &str, headers: &str| ask(&app, method, "/kv/ns/key", headers);
    for method in ["GET", "HEAD"] {
        for (date, status) in [(date - SECOND, 200), (date, 304), (date + SECOND, 304)] {
            let answer = read(method, &format!("If-Modified-Since: {}\r\n", text(date)));
            assert_eq!(answer.status, status, "{method}");
            assert!(answer.header("ETag").is_some() && answer.header("Last-Modified").is_some());
        }
        for past in PAST {
            let answer = read(method, &format!("If-Modified-Since: {past}\r\n"));
            assert_eq!(answer.status, 200, "{method} {past}");
        }
    }
    clock.advance(1_000);
    app.post("/kv/ns/key", "2");
    let answer = read("GET", &format!("If-Modified-Since: {}\r\n", text(date)));
    assert_eq!(answer.summary(), (200, "2"));
}

#[test]
fn a_tag_takes_precedence_over_a_date() {
    let (app, _clock, date) = stored();
    let tag = app.ask("GET", "/kv/ns/key");
    let tag = tag.header("ETag").expect("a tag");
    let (past, date) = (PAST[0], text(date));
    for (headers, get) in [
        (
            format!("If-Match: {tag}\r\nIf-Unmodified-Since: {past}\r\n"),
            200,
        ),
        (
            format!("If-Match: \"0\"\r\nIf-Unmodified-Since: {date}\r\n"),
            412,
        ),
        (
            format!("If-None-Match: \"0\"\r\nIf-Modified-Since: {date}\r\n"),
            200,
        ),
        (
            format!("If-None-Match: {tag}\r\nIf-Modified-Since: {past}\r\n"),
            304,
        ),
        (format!("If-Match: {tag}\r\nIf-None-Match: {tag}\r\n"), 304),
        (format!("If-Match: \"0\"\r\nIf-None-Match: {tag}\r\n"), 412),
        (
            format!("If-Unmodified-Since: {past}\r\nIf-None-Match: {tag}\r\n"),
            412,
        ),
        (
            format!("If-Unmodified-Since: {date}\r\nIf-Modified-Since: {date}\r\n"),
            304,
        ),
        (
            format!("If-Unmodified-Since: {past}\r\nRange: bytes=0-0\r\n"),
            412,
        ),
        (
            format!("If-Modified-Since: {date}\r\nRange: bytes=0-0\r\n"),
            304,
        ),
    ] {
        let answer = ask(&app, "GET", "/kv/ns/key", &headers);
        assert_eq!(answer.status, get, "{headers}");
    }
    let headers = format!("If-Match: \"0\"\r\nIf-Unmodified-Since: {date}\r\n");
    assert_eq!(ask(&app, "POST", "/kv/ns/key", &headers).status, 412);
    let headers = format!("If-Match: {tag}\r\nIf-Unmodified-Since: {past}\r\n");
    assert_eq!(ask(&app, "POST", "/kv/ns/key", &headers).status, 201);
}

#[test]
fn invalid_dates_are_ignored_as_is_if_modified_since_on_a_write() {
    let (app, _clock, date) = stored();
    let date = text(date);
    for other in NO_DATES {
        for field in ["If-Unmodified-Since", "If-Modified-Since"] {
            let headers = format!("{field}: {other}\r\n");
            for (method, status) in [("GET", 200), ("POST", 201)] {
                let answer = ask(&app, method, "/kv/ns/key", &headers);
                assert_eq!(answer.status, status, "{method} {headers}");
            }
        }
    }
    let twice = format!("If-Unmodified-Since: {}\r\n", PAST[0]).repeat(2);
    assert_eq!(ask(&app, "POST", "/kv/ns/key", &twice).status, 201);
    for (method, path, status) in WRITES {
        let headers = format!("If-Modified-Since: {date}\r\n");
        assert_eq!(ask(&app, method, path, &headers).status, status, "{path}");
    }
}

#[test]
fn a_missing_key_counts_as_unmodified() {
    let (app, _clock) = TestServer::with_clock();
    let headers = format!("If-Unmodified-Since: {}\r\n", PAST[0]);
    for (method, path, status) in [
        ("GET", "/kv/ns/key", 404),
        ("DELETE", "/kv/ns/key", 200),
        ("POST", "/kv/ns/key?op=touch", 404),
        ("POST", "/kv/ns/key", 201),
        ("DELETE", "/kv/ns/other", 200),
    ] {
        let answer = ask(&app, method, path, &headers);
        assert_eq!(answer.status, status, "{method} {path}");
    }
    let headers = format!("If-Modified-Since: {}\r\n", PAST[0]);
    assert_eq!(ask(&app, "GET", "/kv/ns/none", &headers).status, 404);
}

#[test]
fn of_concurrent_writers_with_one_date_the_first_wins() {
    let (app, clock, date) = stored();
    clock.advance(1_000);
    let headers = format!("If-Unmodified-Since: {}\r\n", text(date));
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let write = || ask(&app, "POST", "/kv/ns/key", &headers).status;
        let writers: Vec<_> = (0..16).map(|_| scope.spawn(write)).collect();
        let joined = writers.into_iter().map(|writer| writer.join());
        joined.map(|status| status.expect("a status")).collect()
    });
    let won = statuses.iter().filter(|status| **status == 201).count();
    let lost = statuses.iter().filter(|status| **status == 412).count();
    assert_eq!((won, lost), (1, 15), "{statuses:?}");
}

#[test]
fn if_range_with_a_date_returns_the_whole_value() {
    let (app, _clock, date) = stored();
    for date in [date, date + SECOND, date - SECOND] {
        let headers = format!("Range: bytes=0-0\r\nIf-Range: {}\r\n", text(date));
        assert_eq!(ask(&app, "GET", "/kv/ns/key", &headers).status, 200);
    }
}

#[test]
fn preconditions_of_a_long_poll_are_evaluated_before_it_waits() {
    let (app, _clock, _) = stored();
    let tag = app.ask("GET", "/kv/ns/key");
    let tag = tag.header("ETag").expect("a tag");
    for condition in [
        "If-Match: \"0\"".to_owned(),
        format!("If-Unmodified-Since: {}", PAST[0]),
    ] {
        let headers = format!("{condition}\r\nIf-None-Match: {tag}\r\nPrefer: wait=60\r\n");
        let answer = ask(&app, "GET", "/kv/ns/key", &headers);
        assert_eq!(answer.status, 412, "{condition}");
    }
}
