//! Section 3.3, ranges: a part of a value (RFC 9110, section 14).

use akvs_client::Code;

use akvs_testing::raw::Answer;
use akvs_testing::server::{TestServer, block_on};

const VALUE: &str = "hello world";

fn stored() -> TestServer {
    let app = TestServer::start();
    app.post("/kv/ns/key", VALUE);
    app
}

fn range(app: &TestServer, range: &str) -> Answer {
    let headers = format!("Range: {range}\r\n");
    app.connect().ask("GET", "/kv/ns/key", &headers, b"")
}

#[test]
fn one_range_is_206_with_content_range() {
    let app = stored();
    for (asked, place, part) in [
        ("bytes=0-4", "bytes 0-4/11", "hello"),
        ("bytes=4-4", "bytes 4-4/11", "o"),
        ("bytes=6-", "bytes 6-10/11", "world"),
        ("bytes=-5", "bytes 6-10/11", "world"),
        ("bytes=-99", "bytes 0-10/11", VALUE),
        ("bytes=6-99", "bytes 6-10/11", "world"),
        ("bytes=0-", "bytes 0-10/11", VALUE),
        ("bytes=10-99999999999999999999999", "bytes 10-10/11", "d"),
    ] {
        let answer = range(&app, asked);
        assert_eq!(answer.summary(), (206, part), "{asked}");
        assert_eq!(answer.header("Content-Range"), Some(place), "{asked}");
        let length = part.len().to_string();
        assert_eq!(answer.header("Content-Length"), Some(&*length), "{asked}");
    }
}

#[test]
fn a_part_has_the_headers_of_the_whole() {
    let app = TestServer::start();
    let headers = "Content-Type: text/plain\r\nContent-Encoding: x-own\r\n";
    let path = "/kv/ns/key?ttl=60";
    app.connect().ask("POST", path, headers, VALUE.as_bytes());
    let whole = app.ask("GET", "/kv/ns/key");
    let part = range(&app, "bytes=1-2");
    assert_eq!(part.status, 206);
    for name in [
        "Content-Type",
        "Content-Encoding",
        "ETag",
        "Last-Modified",
        "AKVS-Expires",
        "Accept-Ranges",
        "X-Content-Type-Options",
        "Content-Security-Policy",
    ] {
        assert!(whole.header(name).is_some(), "{name}");
        assert_eq!(part.header(name), whole.header(name), "{name}");
    }
    assert_eq!(whole.header("Content-Range"), None);
}

#[test]
fn a_range_after_the_value_is_416_with_its_length() {
    let app = stored();
    for asked in [
        "bytes=11-",
        "bytes=11-20",
        "bytes=-0",
        "bytes=99999999999999999999-",
    ] {
        let answer = range(&app, asked);
        assert_eq!(
            answer.refusal(),
            (416, "range_not_satisfiable".into()),
            "{asked}"
        );
        assert_eq!(answer.header("Content-Range"), Some("bytes */11"));
    }
    app.post("/kv/ns/key", "");
    let answer = range(&app, "bytes=0-");
    assert_eq!(answer.status, 416);
    assert_eq!(answer.header("Content-Range"), Some("bytes */0"));
}

#[test]
fn several_ranges_return_the_whole_value() {
    let app = stored();
    for asked in ["bytes=0-1,3-4", "bytes=0-1, -2"] {
        assert_eq!(range(&app, asked).summary(), (200, VALUE), "{asked}");
    }
}

#[test]
fn a_malformed_range_is_ignored() {
    let app = stored();
    for asked in [
        "bytes=4-2",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=+1-2",
        "bytes 0-1",
        "lines=0-1",
        "0-1",
    ] {
        assert_eq!(range(&app, asked).summary(), (200, VALUE), "{asked}");
    }
}

#[test]
fn a_range_on_head_is_ignored() {
    let app = stored();
    let headers = "Range: bytes=0-4\r\n";
    let answer = app.connect().ask("HEAD", "/kv/ns/key", headers, b"");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("Content-Length"), Some("11"));
}

#[test]
fn a_range_of_a_missing_key_is_404() {
    let app = TestServer::start();
    assert_eq!(range(&app, "bytes=0-1").status, 404);
}

#[test]
fn if_range_returns_the_part_only_of_the_same_revision() {
    let app = stored();
    let tag = app.ask("GET", "/kv/ns/key");
    let tag = tag.header("ETag").unwrap();
    for (condition, status) in [
        (tag.to_owned(), 206),
        ("\"0\"".to_owned(), 200),
        (format!("W/{tag}"), 200),
        ("garbage".to_owned(), 200),
    ] {
        let headers = format!("Range: bytes=0-4\r\nIf-Range: {condition}\r\n");
        let answer = app.connect().ask("GET", "/kv/ns/key", &headers, b"");
        assert_eq!(answer.status, status, "{condition}");
        let expected = if status == 206 { "hello" } else { VALUE };
        assert_eq!(answer.text(), expected, "{condition}");
    }
}

#[test]
fn if_none_match_takes_precedence_over_the_range() {
    let app = stored();
    let tag = app.ask("GET", "/kv/ns/key");
    let headers = format!(
        "Range: bytes=0-4\r\nIf-None-Match: {}\r\n",
        tag.header("ETag").unwrap()
    );
    let answer = app.connect().ask("GET", "/kv/ns/key", &headers, b"");
    assert_eq!(answer.status, 304);
}

#[test]
fn the_client_reads_parts() {
    let app = stored();
    block_on(async {
        let namespace = app.namespace("ns");
        let part = async |range: std::ops::Range<u64>| {
            let part = namespace.get_range("key", range).await.unwrap();
            let part = part.unwrap().value;
            (part.bytes, part.start, part.total)
        };
        assert_eq!(part(0..5).await, ("hello".into(), 0, 11));
        assert_eq!(part(6..99).await, ("world".into(), 6, 11));
        let whole = namespace.get_range("key", ..).await.unwrap().unwrap();
        assert_eq!(whole.value.bytes, VALUE);
        assert!(whole.revision.is_some());
        let tail = namespace.get_range("key", 10..).await.unwrap().unwrap();
        assert_eq!((tail.value.bytes, tail.value.start), ("d".into(), 10));
        let error = namespace.get_range("key", 11..).await.unwrap_err();
        assert_eq!(error.code(), Some(Code::RangeNotSatisfiable), "{error:?}");
        assert!(namespace.get_range("none", ..5).await.unwrap().is_none());
    });
}
