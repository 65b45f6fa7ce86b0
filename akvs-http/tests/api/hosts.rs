//! Section 14.1, host names: a server without tokens refuses names that another site can have, so that a page of that
//! site whose name resolves to this machine (DNS rebinding) gets no data.

use akvs_http::{Options, Right};

use crate::tokens::{options, token};
use akvs_testing::raw::{Answer, Connection};
use akvs_testing::server::{TestServer, block_on};

const REFUSED: (u16, &str) = (421, "misdirected_request");

fn ask(mut connection: Connection, request: &str) -> Answer {
    let method = request.split(' ').next().unwrap_or_default();
    connection.send(format!("{request}\r\n"));
    connection.answer_to(method)
}

/// Returns the status of the answer to a request with this target and these header lines.
fn status(app: &TestServer, target: &str, lines: &str) -> u16 {
    let request = format!("GET {target} HTTP/1.1\r\n{lines}");
    ask(app.connect(), &request).status
}

#[test]
fn a_host_of_another_site_is_refused() {
    let app = TestServer::start();
    app.post("/kv/n/k", "v");
    for (method, path, body) in [
        ("GET", "/kv/n/k", ""),
        ("HEAD", "/kv/n/k", ""),
        ("POST", "/kv/n/k", "other"),
        ("DELETE", "/kv/n/k", ""),
        ("GET", "/kv", ""),
        ("GET", "/kv/n", ""),
        ("PUT", "/kv/new", ""),
        ("PATCH", "/kv/n", "{\"max_keys\":1}"),
        ("GET", "/settings/n", ""),
        ("DELETE", "/kv/n?confirm=n", ""),
        (
            "POST",
            "/txn/n",
            "{\"ops\":[{\"op\":\"delete\",\"key\":\"k\"}]}",
        ),
        ("POST", "/get/n", "{\"keys\":[\"k\"]}"),
        ("GET", "/export", ""),
        ("GET", "/export/n", ""),
        ("POST", "/import", ""),
        ("GET", "/watch/n?since=0", ""),
        ("GET", "/metrics", ""),
        ("GET", "/version", ""),
        ("GET", "/whoami", ""),
        ("GET", "/openapi.json", ""),
        ("GET", "/", ""),
        ("GET", "/ping", ""),
        ("OPTIONS", "/kv/n/k", ""),
        ("GET", "/nowhere", ""),
    ] {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: evil.example:8080\r\nAccept: text/html\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let mut connection = app.connect();
        connection.send(&request);
        let answer = connection.answer_to(method);
        assert_eq!(answer.status, 421, "{method} {path}: {answer:?}");
        if method != "HEAD" {
            let (status, code) = answer.refusal();
            assert_eq!((status, &*code), REFUSED, "{method} {path}");
            let problem = answer.problem();
            let detail = problem["detail"].as_str().expect("a text");
            assert!(
                detail.contains("http.hosts") && detail.contains("evil.example"),
                "{detail}"
            );
        }
        // The connection stays open for the next request.
        assert_eq!(
            connection.ask("GET", "/ping", "", b"").status,
            200,
            "{path}"
        );
    }
    assert_eq!(app.value("/kv/n/k"), b"v");
    assert_eq!(app.namespaces(), ["n"]);
    // A client with `Expect: 100-continue` is refused before it sends the body.
    let request = "POST /kv/n/k HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 5\r\nExpect: 100-continue\r\n";
    assert_eq!(ask(app.connect(), request).status, 421);
}

#[test]
fn hosts_that_no_other_site_can_have_are_accepted() {
    let app = TestServer::with(Options {
        hosts: vec!["db.example.com".into()],
        ..Options::default()
    });
    for (host, expected) in [
        ("127.0.0.1", 200),
        ("192.168.1.9:8080", 200),
        ("[::1]:8080", 200),
        ("LOCALHOST:1", 200),
        ("localhost.", 200),
        ("a.localhost", 200),
        ("akvs", 200),
        ("akvs:8080", 200),
        ("DB.example.com.:443", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example", 421),
        ("a.db.example.com", 421),
        ("example.com", 421),
    ] {
        let found = status(&app, "/version", &format!("Host: {host}\r\n"));
        assert_eq!(found, expected, "{host}");
    }
}

#[test]
fn the_host_in_the_target_takes_precedence() {
    let app = TestServer::start();
    for (target, host, expected) in [
        ("http://localhost/version", "localhost", 200),
        ("http://127.0.0.1:1/version", "127.0.0.1:1", 200),
        ("http://evil.example/version", "localhost", 421),
        ("http://evil.example:80/version", "evil.example:80", 421),
    ] {
        let found = status(&app, target, &format!("Host: {host}\r\n"));
        assert_eq!(found, expected, "{target} {host}");
    }
}

#[test]
fn an_http_1_0_request_without_a_host_is_accepted() {
    let app = TestServer::start();
    for (lines, expected) in [
        ("", 200),
        ("Host: localhost\r\n", 200),
        ("Host: a.example\r\n", 421),
    ] {
        let request = format!("GET /version HTTP/1.0\r\n{lines}");
        assert_eq!(ask(app.connect(), &request).status, expected, "{lines}");
    }
}

#[test]
fn http_2_is_checked_by_its_authority() {
    let app = TestServer::start();
    block_on(async {
        for (authority, host, expected) in [
            ("localhost:8080", None, 200),
            ("[::1]", None, 200),
            ("evil.example", None, 421),
            ("evil.example:8080", None, 421),
            ("localhost", Some("evil.example"), 421),
        ] {
            let stream = tokio::net::TcpStream::connect(app.address).await;
            let connected = h2::client::handshake(stream.expect("a connection")).await;
            let (mut requests, frames) = connected.expect("a preface");
            tokio::spawn(frames);
            let uri = format!("http://{authority}/version");
            let mut request = ::http::Request::builder().uri(uri);
            if let Some(host) = host {
                request = request.header("host", host);
            }
            let request = request.body(()).expect("a request");
            let (answer, _) = requests.send_request(request, true).expect("a stream");
            let status = answer.await.map(|answer| answer.status().as_u16());
            // A server may also reject two names that differ as a malformed request.
            let is_refused = host.is_some() && !matches!(status, Ok(200));
            let is_expected = matches!(status, Ok(status) if status == expected);
            assert!(is_refused || is_expected, "{authority}: {status:?}");
        }
    });
}

#[test]
fn a_unix_socket_accepts_any_host() {
    let (_app, sockets) = TestServer::with_sockets(Options::default());
    for path in [sockets.unix(), sockets.owner()] {
        let request = "GET /version HTTP/1.1\r\nHost: any.example\r\n";
        assert_eq!(ask(Connection::open_unix(&path), request).status, 200);
    }
}

#[test]
fn a_server_with_tokens_accepts_any_host() {
    let tokens = vec![token("t", &[Right::Read], &["*"])];
    let app = TestServer::with(options(tokens));
    let lines = "Host: any.example\r\nAuthorization: Bearer t\r\n";
    assert_eq!(status(&app, "/version", lines), 200);
    assert_eq!(status(&app, "/version", "Host: any.example\r\n"), 401);
    // Once a server gets tokens, it accepts any host.
    let app = TestServer::start();
    assert_eq!(status(&app, "/version", lines), 421);
    let tokens = akvs_http::Tokens::new(vec![token("t", &[Right::Read], &["*"])]);
    app.handle().replace_tokens(tokens.expect("tokens"));
    assert_eq!(status(&app, "/version", lines), 200);
}
