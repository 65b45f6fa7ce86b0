//! HTTP/2 with prior knowledge (RFC 9113, section 3.3): the same answers, with many concurrent requests on one
//! connection.

use std::time::Duration;

use ::http::{HeaderMap, Request, StatusCode};
use akvs_http::Options;
use bytes::Bytes;
use futures_util::future::join_all;
use h2::client::SendRequest;
use h2::{Reason, RecvStream};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use akvs_testing::raw::ANSWER_TIMEOUT;
use akvs_testing::server::{TestServer, block_on};

/// A connection, and the task that drives it.
pub(super) struct Client {
    pub(super) requests: SendRequest<Bytes>,
    frames: JoinHandle<Result<(), h2::Error>>,
}

/// A complete answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Answer {
    fn summary(&self) -> (u16, &str) {
        (self.status, std::str::from_utf8(&self.body).expect("text"))
    }

    pub(super) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).map(|value| value.to_str());
        value.and_then(Result::ok).unwrap_or_default()
    }
}

impl Client {
    pub(super) async fn connect(app: &TestServer) -> Client {
        let stream = TcpStream::connect(app.address).await.expect("a connection");
        let (requests, frames) = h2::client::handshake(stream).await.expect("a preface");
        Client {
            requests,
            frames: tokio::spawn(frames),
        }
    }

    pub(super) async fn ask(&self, method: &str, path: &str, body: impl Into<Bytes>) -> Answer {
        let request = request(method, path);
        self.send(request, body.into()).await.expect("an answer")
    }

    async fn send(&self, request: Request<()>, body: Bytes) -> Result<Answer, h2::Error> {
        let mut requests = self.requests.clone().ready().await?;
        let (answer, mut stream) = requests.send_request(request, body.is_empty())?;
        if !body.is_empty() {
            // It respects the server's flow-control window.
            stream.send_data(body, true)?;
        }
        let answer = answer.await?;
        let (head, body) = answer.into_parts();
        Ok(Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: whole(body).await?,
        })
    }
}

pub(super) fn request(method: &str, path: &str) -> Request<()> {
    let uri = format!("http://localhost{path}");
    let request = Request::builder().method(method).uri(uri);
    request.body(()).expect("a request")
}

pub(super) async fn whole(mut body: RecvStream) -> Result<Vec<u8>, h2::Error> {
    let mut all = Vec::new();
    while let Some(data) = body.data().await {
        let data = data?;
        all.extend_from_slice(&data);
        body.flow_control().release_capacity(data.len())?;
    }
    Ok(all)
}

#[test]
fn requests_over_http_2_are_answered_as_over_http_1() {
    let app = TestServer::start();
    block_on(async {
        let client = Client::connect(&app).await;
        let created = client.ask("POST", "/kv/ns/a%2Fb", "value").await;
        assert_eq!(created.summary(), (201, "Created"));
        assert_eq!(created.header("etag"), "\"1\"");
        let read = client.ask("GET", "/kv/ns/a%2Fb", "").await;
        assert_eq!(read.summary(), (200, "value"));
        assert_eq!(read.header("x-content-type-options"), "nosniff");
        let head = client.ask("HEAD", "/kv/ns/a%2Fb", "").await;
        assert_eq!(head.summary(), (200, ""));
        assert_eq!(head.header("content-length"), "5");
        let missing = client.ask("GET", "/kv/ns/missing", "").await;
        assert_eq!(missing.summary(), (404, "Not Found"));
        let put = client.ask("PUT", "/kv/ns/key", "x").await;
        assert_eq!(put.summary(), (405, "Method Not Allowed"));
        assert_eq!(put.header("allow"), "GET, HEAD, POST, DELETE, OPTIONS");
        let options = client.ask("OPTIONS", "/kv/ns/key", "").await;
        assert_eq!(options.summary(), (204, ""));
        let refused = client.ask("POST", "/kv/ns/%", "x").await;
        assert_eq!(refused.status, 400);
        assert_eq!(refused.header("content-type"), "application/problem+json");
        let problem: serde_json::Value = serde_json::from_slice(&refused.body).expect("JSON");
        assert_eq!(problem["code"], "invalid_key");
        let deleted = client.ask("DELETE", "/kv/ns/a%2Fb", "").await;
        assert_eq!(deleted.summary(), (200, "OK"));
        assert_eq!(app.ask("GET", "/kv/ns/a%2Fb").status, 404);
    });
}

#[test]
fn concurrent_requests_get_their_own_answers() {
    let app = TestServer::start();
    block_on(async {
        let client = Client::connect(&app).await;
        let paths: Vec<_> = (0..500).map(|n| format!("/kv/ns/{n}")).collect();
        // The client's library fails where more small answers than this are unread.
        for paths in paths.chunks(100) {
            let writes = paths
                .iter()
                .map(|path| client.ask("POST", path, path.clone()));
            for answer in join_all(writes).await {
                assert_eq!(answer.summary(), (201, "Created"));
            }
            let reads = paths.iter().map(|path| client.ask("GET", path, ""));
            for (path, answer) in paths.iter().zip(join_all(reads).await) {
                assert_eq!(answer.summary(), (200, &**path));
            }
        }
    });
}

#[test]
fn the_largest_value_is_sent_through_the_smallest_windows() {
    let app = TestServer::start();
    let value: Bytes = (0..16_u32 << 20).map(|n| (n % 251) as u8).collect();
    block_on(async {
        let client = Client::connect(&app).await;
        let written = client.ask("POST", "/kv/ns/key", value.clone()).await;
        assert_eq!(written.status, 201);
        let read = client.ask("GET", "/kv/ns/key", "").await;
        assert!(read.body == value);
        let more = client.ask("POST", "/kv/ns/more", vec![0; (16 << 20) + 1]);
        // The reset of a stream whose body is not read may overtake the answer.
        assert_eq!(more.await.status, 413);
        assert_eq!(
            client.ask("GET", "/ping", "").await.summary(),
            (200, "pong")
        );
    });
}

#[test]
fn a_reset_write_stores_nothing() {
    let app = TestServer::start();
    block_on(async {
        let client = Client::connect(&app).await;
        for fields in [None, Some(("content-length", "8"))] {
            let mut post = request("POST", "/kv/ns/key");
            if let Some((name, value)) = fields {
                post.headers_mut()
                    .insert(name, value.parse().expect("a value"));
            }
            let mut requests = client.requests.clone().ready().await.expect("a turn");
            let (answer, mut stream) = requests.send_request(post, false).expect("a stream");
            stream.send_data("half".into(), false).expect("a window");
            // Frames keep their order: when this answer arrives, those before it have been read.
            assert_eq!(client.ask("GET", "/ping", "").await.status, 200);
            stream.send_reset(Reason::CANCEL);
            assert!(answer.await.is_err());
            assert_eq!(client.ask("GET", "/kv/ns/key", "").await.status, 404);
        }
        assert_eq!(client.ask("POST", "/kv/ns/key", "whole").await.status, 201);
    });
}

#[test]
fn a_body_shorter_than_content_length_stores_nothing() {
    let app = TestServer::start();
    block_on(async {
        for length in ["3", "9"] {
            let client = Client::connect(&app).await;
            let mut post = request("POST", "/kv/ns/key");
            let length = length.parse().expect("a value");
            post.headers_mut().insert("content-length", length);
            let answer = client.send(post, "hello".into()).await;
            let refused = match &answer {
                Ok(answer) => answer.status == 400,
                Err(error) => error.is_reset() || error.is_go_away(),
            };
            assert!(refused, "{answer:?}");
            assert_eq!(app.ask("GET", "/kv/ns/key").status, 404);
        }
    });
}

#[test]
fn an_unread_answer_does_not_block_others() {
    let app = TestServer::start();
    app.post("/kv/ns/large", vec![b'x'; 1 << 20]);
    block_on(async {
        // While its own window is closed, a stream leaves the connection's window to the others.
        let stream = TcpStream::connect(app.address).await.expect("a connection");
        let mut builder = h2::client::Builder::new();
        let builder = builder.initial_window_size(1_000);
        let (requests, frames) = builder.handshake(stream).await.expect("a preface");
        let frames = tokio::spawn(frames);
        let client = Client { requests, frames };
        let mut unread = Vec::new();
        for _ in 0..50 {
            let mut requests = client.requests.clone().ready().await.expect("a turn");
            let get = request("GET", "/kv/ns/large");
            let (answer, _) = requests.send_request(get, true).expect("a stream");
            let answer = answer.await.expect("a head");
            assert_eq!(answer.status(), StatusCode::OK);
            unread.push(answer);
        }
        assert_eq!(
            client.ask("GET", "/ping", "").await.summary(),
            (200, "pong")
        );
        // Dropped answers are reset; the answer that is read is complete.
        let last = unread.pop().expect("an answer").into_body();
        drop(unread);
        let value = whole(last).await.expect("the rest");
        assert_eq!(value.len(), 1 << 20);
    });
}

#[test]
fn a_watch_over_http_2_reports_a_change() {
    let app = TestServer::start();
    block_on(async {
        let client = Client::connect(&app).await;
        let mut requests = client.requests.clone().ready().await.expect("a turn");
        let watch = request("GET", "/watch/ns?values=true");
        let (answer, _) = requests.send_request(watch, true).expect("a stream");
        let answer = answer.await.expect("a head");
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(client.ask("POST", "/kv/ns/key", "value").await.status, 201);
        let mut events = answer.into_body();
        let mut seen = String::new();
        while !seen.contains("\"value\"") {
            let data = events.data().await.expect("an event").expect("a frame");
            let freed = events.flow_control().release_capacity(data.len());
            freed.expect("a window");
            seen.push_str(std::str::from_utf8(&data).expect("text"));
        }
    });
}

#[test]
fn a_stopping_server_closes_its_connections() {
    let app = TestServer::start();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let client = runtime.block_on(Client::connect(&app));
    let asked = runtime.block_on(client.ask("GET", "/ping", ""));
    assert_eq!(asked.status, 200);
    drop(app);
    // With or without a GOAWAY, the connection ends.
    let ended = runtime.block_on(client.frames);
    ended.expect("a task that does not panic").ok();
    let late = runtime.block_on(async { client.requests.ready().await.map(|_| ()) });
    assert!(late.is_err());
}

#[test]
fn unfinished_requests_of_a_connection_are_limited() {
    let app = TestServer::start();
    block_on(async {
        let client = Client::connect(&app).await;
        assert_eq!(client.ask("GET", "/ping", "").await.status, 200);
        let most = client.requests.current_max_send_streams();
        assert_eq!(most, 128);
        let (mut streams, mut answers) = (Vec::new(), Vec::new());
        for number in 0..most {
            let mut requests = client.requests.clone().ready().await.expect("a stream");
            let post = request("POST", &format!("/kv/ns/{number}"));
            let (answer, stream) = requests.send_request(post, false).expect("a stream");
            streams.push(stream);
            answers.push(answer);
        }
        // One more request is not sent before one of them ends.
        let more = async { client.ask("GET", "/ping", "").await };
        let end = async {
            streams[0]
                .send_data("value".into(), true)
                .expect("a stream");
            answers.remove(0).await.expect("an answer").status()
        };
        let (pong, created) = futures_util::future::join(more, end).await;
        assert_eq!((pong.status, created.as_u16()), (200, 201));
    });
    // Other connections are served meanwhile.
    assert_eq!(app.value("/kv/ns/0"), b"value");
}

#[test]
fn only_pages_of_the_same_origin_may_write() {
    let app = TestServer::start();
    block_on(async {
        let client = Client::connect(&app).await;
        for (origin, status) in [
            ("http://localhost", 201),
            ("http://other.example", 403),
            ("http://localhost:81", 403),
            ("null", 403),
        ] {
            let mut post = request("POST", "/kv/ns/key");
            let origin = origin.parse().expect("a value");
            post.headers_mut().insert("origin", origin);
            let answer = client.send(post, "value".into()).await.expect("an answer");
            assert_eq!(answer.status, status);
        }
        // A host that differs from the authority is invalid.
        for (host, status) in [("LOCALHOST", 200), ("other.example", 400)] {
            let mut get = request("GET", "/ping");
            get.headers_mut()
                .insert("host", host.parse().expect("a value"));
            let answer = client.send(get, Bytes::new()).await.expect("an answer");
            assert_eq!(answer.status, status, "{host}");
        }
    });
}

#[test]
fn host_and_admin_socket_are_checked_as_over_http_1() {
    let (app, sockets) = TestServer::with_sockets(Options::default());
    let evil = || {
        let uri = "http://evil.example/kv/ns/key";
        Request::builder().uri(uri).body(()).expect("a request")
    };
    block_on(async {
        let client = Client::connect(&app).await;
        let asked = client.send(evil(), Bytes::new()).await.expect("an answer");
        let same = "GET /kv/ns/key HTTP/1.1\r\nHost: evil.example\r\n\r\n";
        let mut connection = app.connect();
        connection.send(same);
        assert_eq!(asked.status, connection.answer().status);
        assert!([403, 421].contains(&asked.status), "{}", asked.status);
        let status = client.ask("GET", "/admin/status", "").await;
        assert_eq!(status.status, 404);
        // Browsers do not connect to Unix sockets.
        for (path, status) in [(sockets.unix(), 404), (sockets.owner(), 200)] {
            let stream = tokio::net::UnixStream::connect(path).await;
            let stream = stream.expect("a connection");
            let (requests, frames) = h2::client::handshake(stream).await.expect("a preface");
            let frames = tokio::spawn(frames);
            let client = Client { requests, frames };
            let asked = client.send(evil(), Bytes::new()).await.expect("an answer");
            assert_eq!(asked.status, 404);
            let owner = client.ask("GET", "/admin/status", "").await;
            assert_eq!(owner.status, status);
        }
    });
}

#[test]
fn expect_100_continue_is_answered_or_refused() {
    let app = TestServer::start();
    block_on(async {
        let client = Client::connect(&app).await;
        for (length, status) in [("5", 201), ("99999999", 413)] {
            let mut post = request("POST", "/kv/ns/key");
            for (name, value) in [("expect", "100-continue"), ("content-length", length)] {
                post.headers_mut()
                    .insert(name, value.parse().expect("a value"));
            }
            let mut requests = client.requests.clone().ready().await.expect("a turn");
            let (mut answer, mut stream) = requests.send_request(post, false).expect("a stream");
            if status == 201 {
                let asked = std::future::poll_fn(|context| answer.poll_informational(context));
                let asked = asked.await.expect("an answer").expect("an answer");
                assert_eq!(asked.status(), StatusCode::CONTINUE);
                stream.send_data("hello".into(), true).expect("a window");
            }
            assert_eq!(answer.await.expect("an answer").status().as_u16(), status);
        }
    });
}

#[test]
fn a_graceful_stop_waits_for_requests_but_not_for_idle_connections() {
    let app = TestServer::with(Options {
        drain_timeout: Duration::from_secs(600),
        ..Options::default()
    });
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (idle, busy) = runtime.block_on(async {
        let idle = Client::connect(&app).await;
        assert_eq!(idle.ask("GET", "/ping", "").await.status, 200);
        (idle, Client::connect(&app).await)
    });
    let (answer, mut stream) = runtime.block_on(async {
        let mut requests = busy.requests.clone().ready().await.expect("a stream");
        let post = request("POST", "/kv/ns/key");
        requests.send_request(post, false).expect("a stream")
    });
    stream.reserve_capacity(5);
    runtime.block_on(std::future::poll_fn(|context| {
        stream.poll_capacity(context)
    }));
    // The window was open from the beginning; only the server knows that the request is in progress.
    let in_flight = || {
        let metrics = String::from_utf8(app.ask("GET", "/metrics").body).expect("text");
        metrics.contains("\nakvs_http_requests_in_flight 2\n")
    };
    while !in_flight() {
        std::thread::yield_now();
    }
    let (handle, (stopped_sender, stopped)) = (app.handle().clone(), std::sync::mpsc::channel());
    let system = std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(handle.stop(true));
        stopped_sender.send(()).expect("a receiver");
    });
    let ended = runtime.block_on(async { tokio::time::timeout(ANSWER_TIMEOUT, idle.frames).await });
    assert!(ended.is_ok(), "an idle connection ends");
    assert!(stopped.try_recv().is_err(), "a request is in progress");
    stream.send_data("value".into(), true).expect("a stream");
    let answer = runtime.block_on(answer).expect("an answer");
    assert_eq!(answer.status(), 201);
    stopped
        .recv_timeout(ANSWER_TIMEOUT)
        .expect("a stop that ends");
    system.join().expect("a thread that does not panic");
}
