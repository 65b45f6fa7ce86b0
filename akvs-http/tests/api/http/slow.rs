//! Slow clients, and more clients than the server accepts: each wait has a timeout.

use std::time::Duration;

use akvs_http::Options;

use akvs_testing::raw::{ANSWER_TIMEOUT, Connection, request};
use akvs_testing::server::TestServer;

/// More than half a second: the framework's timers use a clock with that resolution.
const SOON: Duration = Duration::from_millis(700);

fn with_short_timeouts() -> TestServer {
    TestServer::with(Options {
        header_timeout: SOON,
        request_timeout: SOON,
        keep_alive: SOON,
        ..Options::default()
    })
}

/// Sends these bytes repeatedly, at short intervals, until the server sends something.
fn trickle(connection: &mut Connection, bytes: &str) {
    while !connection.has_input(Duration::from_millis(10)) {
        connection.send(bytes);
    }
}

#[test]
fn a_silent_client_is_disconnected() {
    let app = with_short_timeouts();
    assert!(app.connect().is_ended());
}

#[test]
fn a_slow_head_times_out() {
    let app = with_short_timeouts();
    for begin in ["G", "GET /ping HTTP/1.1\r\nHost: localhost\r\n"] {
        let mut connection = app.connect();
        connection.send(begin);
        let answer = connection.answer();
        assert_eq!(
            answer.refusal(),
            (408, "invalid_request".into()),
            "{begin:?}"
        );
        assert_eq!(answer.problem()["setting"], "limits.header_timeout");
        assert!(connection.is_ended());
    }
    // A byte from time to time does not extend the time.
    let mut connection = app.connect();
    trickle(&mut connection, "G");
    assert_eq!(connection.answer().status, 408);
    assert!(connection.is_ended());
}

#[test]
fn a_slow_head_of_a_later_request_times_out() {
    let app = TestServer::with(Options {
        keep_alive: Duration::from_secs(3_600),
        header_timeout: SOON,
        ..Options::default()
    });
    for begin in ["G", "GET /ping HTTP/1.1\r\nHost: localhost\r\n"] {
        let mut connection = app.connect();
        assert_eq!(connection.ask("GET", "/ping", "", b"").text(), "pong");
        connection.send(begin);
        let answer = connection.answer();
        assert_eq!(answer.refusal(), (408, "invalid_request".into()));
        assert_eq!(answer.problem()["setting"], "limits.header_timeout");
        assert!(connection.is_ended(), "{begin:?}");
    }
    // A byte from time to time does not extend the time.
    let mut connection = app.connect();
    assert_eq!(connection.ask("GET", "/ping", "", b"").text(), "pong");
    trickle(&mut connection, "G");
    assert_eq!(connection.answer().status, 408);
    assert!(connection.is_ended());
    // The answer to another request does not extend it either.
    let mut connection = app.connect();
    connection.send([&request("GET", "/ping", "", b"")[..], b"G"].concat());
    assert_eq!(connection.answer().text(), "pong");
    assert_eq!(connection.answer().status, 408);
    // A client whose request is complete may wait for its answer for any time.
    let mut watcher = app.connect();
    watcher.send(request("GET", "/watch/ns", "", b""));
    assert_eq!(watcher.head().map(|head| head.status), Some(200));
    assert!(watcher.chunk().is_some());
    assert!(!watcher.has_input(4 * SOON));
    assert_eq!(app.post("/kv/ns/key", "v").status, 201);
    assert!(watcher.chunk().is_some_and(|chunk| !chunk.is_empty()));
}

#[test]
fn the_wait_for_an_unread_body_is_bounded() {
    let app = with_short_timeouts();
    for rest in ["", "1\r\nx\r\n"] {
        let mut connection = app.connect();
        connection
            .send("POST /nope HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert_eq!(connection.answer().status, 404);
        if !rest.is_empty() {
            trickle(&mut connection, rest);
        }
        assert!(connection.is_ended(), "{rest:?}");
    }
}

#[test]
fn a_slow_body_times_out() {
    let app = with_short_timeouts();
    for path in ["/kv/ns/key", "/txn/ns"] {
        let mut connection = app.connect();
        connection.send(format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n{{"
        ));
        trickle(&mut connection, "x");
        let answer = connection.answer();
        assert_eq!(answer.refusal(), (400, "invalid_request".into()), "{path}");
        assert_eq!(answer.problem()["setting"], "limits.request_timeout");
        assert_eq!(answer.header("Connection"), Some("close"));
        assert!(connection.is_ended());
    }
    assert_eq!(app.ask("GET", "/kv/ns/key").status, 404);
}

#[test]
fn a_slow_chunked_body_times_out() {
    let app = with_short_timeouts();
    let mut connection = app.connect();
    connection
        .send("POST /kv/ns/key HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    trickle(&mut connection, "1\r\nx\r\n");
    assert_eq!(
        connection.answer().refusal(),
        (400, "invalid_request".into())
    );
    assert_eq!(app.ask("GET", "/kv/ns/key").status, 404);
}

#[test]
fn a_connection_is_closed_soon_after_its_body_times_out() {
    let app = TestServer::with(Options {
        header_timeout: SOON,
        request_timeout: SOON,
        keep_alive: Duration::from_secs(3_600),
        ..Options::default()
    });
    for (framing, begin) in [
        ("Content-Length: 100000", "x"),
        ("Transfer-Encoding: chunked", ""),
        ("Transfer-Encoding: chunked", "5\r\nhe"),
        ("Transfer-Encoding: chunked", "1\r\nx\r\n"),
    ] {
        let mut connection = app.connect();
        connection.send(format!(
            "POST /kv/ns/key HTTP/1.1\r\nHost: localhost\r\n{framing}\r\n\r\n{begin}"
        ));
        let answer = connection.answer();
        assert_eq!(answer.refusal(), (400, "invalid_request".into()));
        assert!(connection.is_ended(), "{framing}: {begin:?}");
    }
    // The same where the answer does not wait for the body.
    let mut connection = app.connect();
    connection.send("GET /ping HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(connection.answer().text(), "pong");
    assert!(connection.is_ended());
}

#[test]
fn an_idle_connection_is_closed() {
    let app = with_short_timeouts();
    let mut connection = app.connect();
    for _ in 0..3 {
        assert_eq!(connection.ask("GET", "/ping", "", b"").text(), "pong");
    }
    assert!(connection.is_ended());
}

#[test]
fn an_http_2_client_that_stops_within_its_preface_is_disconnected() {
    let app = with_short_timeouts();
    for begin in ["PRI", "PRI * HTTP/2", "PRI * HTTP/2.0\r\n\r\n"] {
        let mut connection = app.connect();
        connection.send(begin);
        assert!(connection.is_ended(), "{begin:?}");
    }
}

#[test]
fn an_http_2_client_that_does_not_answer_a_ping_is_disconnected() {
    let app = with_short_timeouts();
    let mut connection = app.connect();
    connection.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    assert!(connection.is_ended());
}

#[test]
fn a_connection_above_the_limit_waits_until_another_is_closed() {
    // Each of the two workers has one connection.
    let app = TestServer::with(Options {
        max_connections: 2,
        ..Options::default()
    });
    let mut served: Vec<_> = (0..2).map(|_| app.connect()).collect();
    for connection in &mut served {
        assert_eq!(connection.ask("GET", "/ping", "", b"").text(), "pong");
    }
    let mut waiting = app.connect();
    waiting.send("GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(!waiting.has_input(SOON));
    for connection in &mut served {
        assert_eq!(connection.ask("GET", "/ping", "", b"").text(), "pong");
    }
    drop(served.pop());
    assert_eq!(waiting.answer().text(), "pong");
}

#[test]
fn the_admin_socket_works_when_all_connections_are_in_use() {
    let (app, sockets) = TestServer::with_sockets(Options {
        max_connections: 2,
        ..Options::default()
    });
    let mut served: Vec<_> = (0..2).map(|_| app.connect()).collect();
    for connection in &mut served {
        assert_eq!(connection.ask("GET", "/ping", "", b"").text(), "pong");
    }
    let mut waiting = Connection::open_unix(&sockets.unix());
    waiting.send(request("GET", "/ping", "", b""));
    let mut owners: Vec<_> = (0..20)
        .map(|_| Connection::open_unix(&sockets.owner()))
        .collect();
    for owner in &mut owners {
        for path in ["/ping", "/readyz", "/admin/status"] {
            assert_eq!(owner.ask("GET", path, "", b"").status, 200, "{path}");
        }
        let written = owner.ask("POST", "/kv/ns/key", "", b"value");
        assert_eq!(written.status, 201);
    }
    assert!(!waiting.has_input(Duration::from_millis(50)));
    drop(served);
    assert_eq!(waiting.answer().text(), "pong");
    // Each worker answers, including that of the admin socket.
    let works = async { app.handle().is_healthy().await };
    assert!(actix_web::rt::System::new().block_on(works));
}

#[test]
fn announced_bodies_take_no_memory_before_they_arrive() {
    let app = TestServer::with(Options {
        max_body_memory_bytes: 1 << 20,
        ..Options::default()
    });
    let begin = |bytes: usize| {
        let mut connection = app.connect();
        let head =
            "POST /kv/ns/key HTTP/1.1\r\nHost: localhost\r\nContent-Length: 16777216\r\n\r\n";
        connection.send([head.as_bytes(), &vec![b'x'; bytes]].concat());
        connection
    };
    // A byte of each: there is memory for all of them, and for a whole body as well.
    let mut small: Vec<_> = (0..100).map(|_| begin(1)).collect();
    assert_eq!(app.post("/kv/ns/whole", vec![b'x'; 200_000]).status, 201);
    // The bytes that arrive count, and so does the memory reserved for more.
    let mut large: Vec<_> = (0..16).map(|_| begin(100_000)).collect();
    let mut refused = 0;
    while refused < 6 {
        large.retain_mut(|connection| {
            if !connection.has_input(Duration::from_millis(10)) {
                return true;
            }
            assert_eq!(connection.answer().refusal(), (503, "overloaded".into()));
            refused += 1;
            false
        });
    }
    // None of the requests was refused.
    let soon = Duration::from_millis(1);
    assert!(!small.iter_mut().any(|one| one.has_input(soon)));
}

#[test]
fn an_unread_answer_is_aborted_on_a_unix_socket() {
    let (app, sockets) = TestServer::with_sockets(Options {
        stall_timeout: SOON,
        ..Options::default()
    });
    assert_eq!(app.post("/kv/ns/key", vec![b'x'; 16 << 20]).status, 201);
    for path in [sockets.unix(), sockets.owner()] {
        let mut connection = Connection::open_unix(&path);
        connection.send(request("GET", "/kv/ns/key", "", b""));
        assert!(connection.has_input(ANSWER_TIMEOUT));
        let open = || {
            let metrics = String::from_utf8(app.ask("GET", "/metrics").body).expect("text");
            !metrics.contains("\nakvs_http_connections 1\n")
        };
        let is_closed = (0..500).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            !open()
        });
        assert!(is_closed);
        drop(connection);
    }
}
