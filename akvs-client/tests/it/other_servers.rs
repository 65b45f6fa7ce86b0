//! Answers of proxies and other programs, truncated or endless answers: none passes for a value, a missing key or a
//! write.

use std::io::Write;
use std::net::{TcpListener, TcpStream};

use akvs_client::{Client, Code, Error, Namespace, RetryPolicy};

use akvs_testing::scripted::{ScriptedServer, Step, read_request};
use akvs_testing::server::block_on;

/// A server with this answer to each request.
fn answering(answer: impl Into<Vec<u8>>) -> ScriptedServer {
    ScriptedServer::new([Step::send(answer)])
}

/// A namespace of this server, without retries.
fn namespace(server: &ScriptedServer) -> Namespace {
    let client = server.builder().retry(RetryPolicy::disabled()).build();
    let client = client.expect("a client");
    client.namespace("ns").expect("a namespace")
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}\r\n{body}")
}

fn api(error: &Error) -> (u16, Option<Code>, String) {
    let Error::Api(problem) = error else {
        panic!("{error:?}")
    };
    (
        problem.status(),
        problem.code(),
        problem.message().to_owned(),
    )
}

#[test]
fn requests_accept_problem_documents_and_no_encoding() {
    let server = answering(answer("200 OK", "ETag: W/\"9\"\r\n", "1"));
    let entry = block_on(namespace(&server).get::<u8>("a b/c"))
        .unwrap()
        .unwrap();
    assert_eq!(entry.revision, Some(akvs_client::Revision::new(9)));
    assert_eq!(entry.content_type, "application/octet-stream");
    let request = server.requests().concat().to_lowercase();
    assert!(
        request.starts_with("get /kv/ns/~64/ysbil2m http/1.1\r\n"),
        "{request}"
    );
    assert!(
        request.contains("\r\naccept: application/problem+json, */*\r\n"),
        "{request}"
    );
    assert!(!request.contains("accept-encoding"), "{request}");
}

#[test]
fn a_404_of_another_program_is_not_a_missing_key() {
    for body in ["Not Found", "<html>", ""] {
        let server = answering(answer("404 Not Found", "Content-Type: text/html\r\n", body));
        let error = block_on(namespace(&server).get_bytes("key")).unwrap_err();
        let text = "the server answered 404 Not Found without a problem document";
        assert_eq!(api(&error), (404, None, text.into()));
        assert!(!error.is_not_found());
    }
}

#[test]
fn a_problem_document_of_another_program_is_not_a_missing_key() {
    let (json, problem) = ("application/json", "application/problem+json");
    let about_blank = r#"{"type":"about:blank","title":"Not Found","status":404}"#;
    for (media_type, body) in [
        (json, r#"{"detail":"Not Found"}"#),
        (json, r#"{"code":"not_found","message":"no such route"}"#),
        (problem, about_blank),
        (
            problem,
            r#"{"type":"https://example.com/not-found","code":"not_found"}"#,
        ),
        (problem, ""),
        (problem, "{}"),
    ] {
        let field = format!("Content-Type: {media_type}\r\n");
        let server = answering(answer("404 Not Found", &field, body));
        let error = block_on(namespace(&server).get_bytes("key")).unwrap_err();
        assert!(!error.is_not_found(), "{media_type} {body}: {error:?}");
        // Without a body too.
        let head = format!("HTTP/1.1 404 Not Found\r\n{field}Content-Length: 7\r\n\r\n");
        let server = answering(head);
        let error = block_on(namespace(&server).head("key")).unwrap_err();
        assert!(!error.is_not_found(), "{media_type}: {error:?}");
    }
}

#[test]
fn a_problem_document_of_akvs_is_a_missing_key() {
    let problem =
        r#"{"type":"urn:akvs:problem:not_found","code":"not_found","detail":"no such key"}"#;
    let field = "Content-Type: application/problem+json; charset=utf-8\r\n";
    let server = answering(answer("404 Not Found", field, problem));
    assert!(
        block_on(namespace(&server).get_bytes("key"))
            .unwrap()
            .is_none()
    );
}

#[test]
fn a_redirect_is_not_followed() {
    for status in [
        "301 Moved Permanently",
        "302 Found",
        "303 See Other",
        "307 Temporary Redirect",
    ] {
        let headers = "Location: http://127.0.0.1:1/\r\n";
        let server = answering(answer(status, headers, ""));
        let write = namespace(&server).set("key", &1);
        let error = block_on(async { write.await }).unwrap_err();
        assert_eq!(api(&error).0.to_string(), status[..3]);
    }
}

#[test]
fn an_unexpected_status_of_success_is_an_error() {
    let server = answering(answer("200 OK", "AKVS-Existed: ?0\r\n", "welcome"));
    let write = namespace(&server).set("key", &1);
    assert_eq!(api(&block_on(async { write.await }).unwrap_err()).0, 200);

    let server = answering(answer("202 Accepted", "AKVS-Existed: ?0\r\n", ""));
    assert_eq!(
        api(&block_on(namespace(&server).del("key")).unwrap_err()).0,
        202
    );

    let server = answering("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(
        api(&block_on(namespace(&server).get_bytes("key")).unwrap_err()).0,
        204
    );
}

#[test]
fn a_write_without_akvs_existed_is_an_error() {
    for field in ["", "AKVS-Existed: yes\r\n"] {
        let server = answering(answer("201 Created", field, "Created"));
        let write = namespace(&server).set("key", &1);
        let (status, code, message) = api(&block_on(async { write.await }).unwrap_err());
        assert_eq!((status, code), (201, None));
        assert!(message.contains("no AKVS-Existed field"), "{message}");
    }
}

#[test]
fn a_write_succeeds_without_its_answers_body() {
    let head = "HTTP/1.1 201 Created\r\nAKVS-Existed: ?1\r\nContent-Length: 7\r\n\r\nCre";
    let server = answering(head);
    let write = namespace(&server).set("key", &1);
    assert!(block_on(async { write.await }).unwrap().existed);
}

/// Returns the number of connections that this number of calls takes, each with the same answer.
fn connections_of(calls: usize, answer: String, call: &impl AsyncFn(&Namespace)) -> usize {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let server = std::thread::spawn(move || {
        let mut connections = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().expect("a connection");
            if stopped.try_recv().is_ok() {
                return connections.len();
            }
            let answer = answer.clone();
            connections.push(std::thread::spawn(move || {
                stream.set_nodelay(true).expect("an option");
                // In two packets, as proxies often send them.
                let body = answer.find("\r\n\r\n").expect("a head") + 4;
                while !read_request(&mut stream).is_empty() {
                    let parts = [&answer.as_bytes()[..body], &answer.as_bytes()[body..]];
                    if parts.iter().any(|part| stream.write_all(part).is_err()) {
                        return;
                    }
                }
            }));
        }
    });
    let client = Client::new(&format!("http://{address}")).expect("a client");
    let namespace = client.namespace("ns").expect("a namespace");
    block_on(async {
        for _ in 0..calls {
            call(&namespace).await;
        }
    });
    stop.send(()).expect("a server");
    TcpStream::connect(address).expect("a connection");
    server.join().expect("a count")
}

#[test]
fn consecutive_calls_share_a_connection() {
    const CALLS: usize = 12;
    let problem = r#"{"code":"not_found","detail":"no such key"}"#;
    let media_type = "Content-Type: application/problem+json\r\n";
    // The HTTP library opens another connection if a call precedes the end of the previous body.
    let few = |connections: usize, what: &str| {
        assert!(
            connections <= CALLS / 2,
            "{connections} connections: {what}"
        );
    };
    let value = async |namespace: &Namespace| {
        namespace.get_bytes("key").await.unwrap().unwrap();
    };
    few(
        connections_of(CALLS, answer("200 OK", "", "1"), &value),
        "a value",
    );
    few(
        connections_of(CALLS, answer("200 OK", "", ""), &value),
        "nothing",
    );
    let large = answer("200 OK", "", &"x".repeat(1_000_000));
    few(connections_of(CALLS, large, &value), "a large value");
    let missing = answer("404 Not Found", media_type, problem);
    let get = async |namespace: &Namespace| {
        assert_eq!(namespace.get_or("key", 2).await.unwrap(), 2);
    };
    few(connections_of(CALLS, missing, &get), "no value");
    let proxy = answer("502 Bad Gateway", "", "a page of a proxy");
    let refused = async |namespace: &Namespace| {
        assert_eq!(api(&namespace.get_bytes("key").await.unwrap_err()).0, 502);
    };
    few(connections_of(CALLS, proxy, &refused), "a proxy's page");
    let deleted = answer("200 OK", "AKVS-Existed: ?1\r\n", &"OK".repeat(30_000));
    let delete = async |namespace: &Namespace| assert!(namespace.del("key").await.unwrap());
    few(
        connections_of(CALLS, deleted, &delete),
        "more than was expected",
    );
}

#[test]
fn a_truncated_value_is_an_error() {
    for cut in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "",
    ] {
        let server = answering(cut);
        let error = block_on(namespace(&server).get_bytes("key")).unwrap_err();
        assert!(
            matches!(error, Error::Transport { .. }),
            "{cut:?}: {error:?}"
        );
        assert_eq!(error.to_string(), "the request to the server failed");
    }
}

#[test]
fn a_chunked_value_is_complete() {
    let pieces = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
    let server = answering(pieces);
    let entry = block_on(namespace(&server).get_bytes("key"))
        .unwrap()
        .unwrap();
    assert_eq!(entry.value, "hello world");
}

#[test]
fn a_value_beyond_the_limit_is_not_read() {
    let chunked =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n1234\r\n4\r\n5678\r\n0\r\n\r\n";
    let chunked = chunked.to_owned();
    for answer in [answer("200 OK", "", "12345678"), chunked] {
        for (bound, taken) in [(7, false), (8, true)] {
            let server = answering(&*answer);
            let client = server
                .builder()
                .retry(RetryPolicy::disabled())
                .max_value_bytes(bound)
                .build()
                .unwrap();
            let read = block_on(client.namespace("ns").unwrap().get_bytes("key"));
            assert_eq!(read.is_ok(), taken, "{bound}: {read:?}");
        }
    }
    let endless = "HTTP/1.1 200 OK\r\nContent-Length: 1099511627776\r\n\r\n";
    let server = answering(endless);
    let error = block_on(namespace(&server).get_bytes("key")).unwrap_err();
    assert!(api(&error).2.contains("1073741824 bytes"), "{error}");
}

#[test]
fn an_endless_value_is_an_error_at_the_limit() {
    const ENOUGH: usize = 64 << 20;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let endless = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        read_request(&mut stream);
        let mut piece = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        let mut sent = 0;
        while sent < ENOUGH && stream.write_all(&piece).is_ok() {
            sent += piece.len();
            piece = [b"10000\r\n", &[b'x'; 0x1_0000][..], b"\r\n"].concat();
        }
        sent
    });
    let client = Client::builder().base_url(url).max_value_bytes(1 << 20);
    let namespace = client.build().unwrap().namespace("ns").unwrap();
    let error = block_on(namespace.get_bytes("key")).unwrap_err();
    assert!(api(&error).2.contains("1048576 bytes"), "{error}");
    assert!(endless.join().unwrap() < ENOUGH, "all of it was read");
}

#[test]
fn an_error_with_an_endless_body_is_returned() {
    let headers = "Content-Type: application/problem+json\r\n";
    let server = answering(answer(
        "503 Service Unavailable",
        headers,
        &"x".repeat(100_000),
    ));
    let error = block_on(namespace(&server).get_bytes("key")).unwrap_err();
    assert_eq!(api(&error).0, 503);
}

#[test]
fn a_given_http_client_is_used() {
    let server = answering(answer("200 OK", "", "1"));
    let http = akvs_testing::scripted::http()
        .user_agent("mine/1")
        .build()
        .unwrap();
    let client = server.builder().http_client(http).build().unwrap();
    assert_eq!(
        block_on(client.namespace("ns").unwrap().get_or("key", 0)).unwrap(),
        1
    );
    assert!(server.requests().concat().contains("mine/1"));
}
