//! Errors that leave a connection usable, and the order of answers.

use akvs_testing::raw::request;
use akvs_testing::server::TestServer;

#[test]
fn a_connection_stays_open_after_errors_with_a_small_body() {
    let app = TestServer::start();
    let mut connection = app.connect();
    for (method, path, headers, status) in [
        ("PUT", "/kv/ns/key", "", 405),
        ("POST", "/nope", "", 404),
        ("POST", "/kv/a/b/c", "", 404),
        ("POST", "/kv/ns/%", "", 400),
        ("POST", "/kv/%00/key", "", 400),
        ("POST", "/kv/ns/key?tll=1", "", 400),
        ("PATCH", "/nope", "", 404),
        ("GET", "/kv/ns/missing", "", 404),
        ("DELETE", "/kv/ns/%zz", "", 400),
        ("POST", "/kv/ns/key", "", 201),
    ] {
        connection.send(request(method, path, headers, b"a small body\r\n\r\n"));
        let answer = connection.try_answer(method);
        assert_eq!(
            answer.map(|answer| answer.status),
            Some(status),
            "{method} {path}"
        );
    }
}

#[test]
fn a_connection_stays_open_after_errors_on_other_paths_with_a_small_body() {
    let app = TestServer::start();
    let mut connection = app.connect();
    for path in ["/ping", "/livez", "/readyz", "/", "/kv/ns/key"] {
        connection.send(request("PUT", path, "", b"a small body"));
        let status = connection.try_answer("PUT").map(|answer| answer.status);
        assert!(matches!(status, Some(404 | 405)), "{path}: {status:?}");
    }
}

#[test]
fn an_unexpected_body_leaves_the_connection_usable_or_closes_it() {
    let app = TestServer::start();
    app.post("/kv/ns/key", "hello");
    for (method, path) in [
        ("GET", "/kv/ns/key"),
        ("HEAD", "/kv/ns/key"),
        ("DELETE", "/kv/ns/key"),
        ("GET", "/ping"),
    ] {
        let mut connection = app.connect();
        let answer = connection.ask(method, path, "", b"a small body");
        assert_eq!(answer.status, 200);
        connection.send(request("GET", "/kv/ns/other", "", b""));
        let closed = connection.try_answer("GET").is_none();
        let said = answer
            .header("Connection")
            .is_some_and(|value| value == "close");
        assert_eq!(closed, said, "{method} {path}");
    }
}

#[test]
fn a_read_pipelined_after_a_write_returns_it() {
    let app = TestServer::start();
    for round in 0..200 {
        let (path, value) = (format!("/kv/ns/{round}"), format!("value {round}"));
        let mut connection = app.connect();
        let write = request("POST", &path, "", value.as_bytes());
        connection.send([write, request("GET", &path, "", b"")].concat());
        assert_eq!(connection.answer().summary(), (201, "Created"));
        assert_eq!(
            connection.answer().summary(),
            (200, &*value),
            "round {round}"
        );
    }
}

#[test]
fn many_requests_in_one_packet_are_answered_in_order() {
    let app = TestServer::start();
    let mut connection = app.connect();
    let mut packet = Vec::new();
    for round in 0..20 {
        let value = format!("value {round}");
        packet.extend(request("POST", "/kv/ns/key", "", value.as_bytes()));
        packet.extend(request("GET", "/kv/ns/key", "", b""));
        packet.extend(request("DELETE", "/kv/ns/key", "", b""));
        packet.extend(request("GET", "/kv/ns/key", "", b""));
    }
    connection.send(packet);
    for round in 0..20 {
        assert_eq!(connection.answer().status, 201);
        assert_eq!(connection.answer().text(), format!("value {round}"));
        assert_eq!(connection.answer().summary(), (200, "OK"));
        assert_eq!(connection.answer().summary(), (404, "Not Found"));
    }
}

#[test]
fn pipelined_bodies_larger_than_any_read_buffer_are_answered() {
    let app = TestServer::start();
    let mut connection = app.connect();
    let body = vec![b'x'; 100_000];
    let mut packet = Vec::new();
    for round in 0..3 {
        packet.extend(request("POST", &format!("/kv/ns/{round}"), "", &body));
    }
    connection.send(packet);
    for round in 0..3 {
        assert_eq!(connection.answer().status, 201);
        assert!(app.value(&format!("/kv/ns/{round}")) == body);
    }
}

#[test]
fn an_answered_write_is_visible_on_every_connection() {
    let app = TestServer::start();
    let (mut writer, mut reader) = (app.connect(), app.connect());
    for round in 0..200 {
        let value = round.to_string();
        assert_eq!(
            writer
                .ask("POST", "/kv/ns/key", "", value.as_bytes())
                .status,
            201
        );
        assert_eq!(reader.ask("GET", "/kv/ns/key", "", b"").text(), value);
    }
}

#[test]
fn a_body_with_expect_gets_100_continue() {
    let app = TestServer::start();
    let mut connection = app.connect();
    connection.send(
        "POST /kv/ns/key HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
    );
    assert_eq!(connection.answer().status, 100);
    connection.send("hello");
    assert_eq!(connection.answer().status, 201);
    assert_eq!(app.value("/kv/ns/key"), b"hello");
}

#[test]
fn a_body_that_is_cut_off_stores_nothing() {
    let app = TestServer::start();
    app.post("/kv/ns/key", "kept");
    for request in [
        "POST /kv/ns/key HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhello",
        "POST /kv/ns/key HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "POST /kv/ns/key HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello",
        "POST /kv/ns/key HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1",
        "POST /kv/ns/key HTTP/1.1\r\nHost: loc",
    ] {
        let mut connection = app.connect();
        connection.send(request);
        connection.end_sending();
        while let Some(answer) = connection.try_answer("POST") {
            assert!(
                (400..600).contains(&answer.status),
                "{request:?}: {answer:?}"
            );
        }
        assert_eq!(app.value("/kv/ns/key"), b"kept", "{request:?}");
    }
}

#[test]
fn connection_close_is_honoured_after_the_answer() {
    let app = TestServer::start();
    let mut connection = app.connect();
    let answer = connection.ask("POST", "/kv/ns/key", "Connection: close\r\n", b"hello");
    assert_eq!(answer.summary(), (201, "Created"));
    assert!(connection.is_ended());
}
