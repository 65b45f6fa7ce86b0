//! `Content-Range` on writes, and the last bytes of an empty value.

use akvs_testing::server::TestServer;

const PART: &str = "Content-Range: bytes 3-9/10\r\n";

#[test]
fn a_part_is_never_stored_as_the_whole() {
    let app = TestServer::start();
    app.post("/kv/n/k", "whole");
    app.post("/kv/n/sum", "1");
    let mut connection = app.connect();
    for (method, path, body) in [
        ("POST", "/kv/n/k", "part"),
        ("POST", "/kv/n/~64/aw", "part"),
        ("POST", "/kv/n/new", "part"),
        ("POST", "/kv/n/k?op=append", "part"),
        ("POST", "/kv/n/sum?op=add", "1"),
        ("PUT", "/kv/n", "{\"max_keys\":1}"),
        ("PATCH", "/kv/n", "{\"max_keys\":1}"),
        (
            "POST",
            "/txn/n",
            "{\"ops\":[{\"op\":\"delete\",\"key\":\"k\"}]}",
        ),
        ("POST", "/get/n", "{\"keys\":[\"k\"]}"),
        ("POST", "/import/n", "{\"akvs\":1}"),
        ("POST", "/import", "{\"akvs\":1}"),
    ] {
        for field in [
            PART,
            "content-range: bytes */10\r\n",
            "Content-Range: x\r\n",
        ] {
            let answer = connection.ask(method, path, field, body.as_bytes());
            let expected = (400, "invalid_request".to_owned());
            assert_eq!(answer.refusal(), expected, "{method} {path} {field}");
            assert_eq!(
                answer.problem()["field"],
                "content-range",
                "{method} {path}"
            );
        }
    }
    assert_eq!(app.value("/kv/n/k"), b"whole");
    assert_eq!(app.value("/kv/n/sum"), b"1");
    assert_eq!(app.ask("GET", "/kv/n/new").status, 404);
    // Another method is 405, and a method without a body ignores it.
    assert_eq!(connection.ask("PUT", "/kv/n/k", PART, b"part").status, 405);
    assert_eq!(connection.ask("GET", "/kv/n/k", PART, b"").status, 200);
}

#[test]
fn a_client_with_expect_is_refused_before_the_body() {
    let app = TestServer::start();
    let mut connection = app.connect();
    connection.send(format!(
        "POST /kv/n/k HTTP/1.1\r\nHost: localhost\r\n{PART}Content-Length: 7\r\nExpect: 100-continue\r\n\r\n"
    ));
    assert_eq!(
        connection.answer().refusal(),
        (400, "invalid_request".into())
    );
}

#[test]
fn a_suffix_range_of_an_empty_value_is_the_whole_value() {
    let app = TestServer::start();
    app.post("/kv/n/k", "");
    for (range, status) in [
        ("bytes=-1", 200),
        ("bytes=-99999999999999999999", 200),
        ("bytes= -5 ,", 200),
        ("bytes=-0", 416),
        ("bytes=0-", 416),
        ("bytes=0-0", 416),
        ("bytes=-1,-2", 200),
    ] {
        let headers = format!("Range: {range}\r\n");
        let answer = app.connect().ask("GET", "/kv/n/k", &headers, b"");
        assert_eq!(answer.status, status, "{range}");
        let content_range = (status == 416).then_some("bytes */0");
        assert_eq!(answer.header("Content-Range"), content_range, "{range}");
    }
}
