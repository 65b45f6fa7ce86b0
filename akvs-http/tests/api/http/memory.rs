//! The memory that one HTTP/2 connection may make the server hold: heads that cost their sender a few bytes, bodies,
//! answers and trailers, of the maximum number of concurrent requests.

use std::time::Duration;

use akvs_http::Options;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use h2::client::{Builder, ResponseFuture};
use h2::{RecvStream, SendStream};
use http::{Request, Response};
use serde_json::Value;
use tokio::net::TcpStream;

use super::frames::{END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, WINDOW_UPDATE, fields, frame};
use super::limits::{ENHANCE_YOUR_CALM, INITIAL_WINDOW_SIZE, Raw, setting};
use super::streams::{Client, request, whole};
use akvs_testing::server::{TestServer, block_on};

/// The maximum number of concurrent requests on a connection.
const MAX_REQUESTS: usize = 128;

/// A request with large fields, which the client's library compresses to a few bytes once it has sent the first.
fn large(method: &str, path: &str) -> Request<()> {
    let mut request = request(method, path);
    let value: http::HeaderValue = "a".repeat(3_900).parse().expect("a value");
    for _ in 0..30 {
        request.headers_mut().append("x-large", value.clone());
    }
    request
}

/// Starts a request.
async fn begin(client: &Client, request: Request<()>) -> (ResponseFuture, SendStream<Bytes>) {
    let mut requests = client.requests.clone().ready().await.expect("a turn");
    requests.send_request(request, false).expect("a stream")
}

/// Returns the next of these answers.
async fn next(answers: &mut FuturesUnordered<ResponseFuture>) -> Response<RecvStream> {
    let answer = answers.next().await.expect("an answer");
    answer.expect("an answer")
}

/// Asserts that an answer is a refusal for lack of memory, and returns its document.
async fn refusal(answer: Response<RecvStream>) -> Value {
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "1");
    let body = whole(answer.into_body()).await.expect("a document");
    let problem: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(problem["code"], "overloaded", "{problem}");
    problem
}

#[test]
fn the_heads_of_a_connection_are_limited() {
    let app = TestServer::start();
    block_on(async {
        let client = Client::connect(&app).await;
        let mut answers = FuturesUnordered::new();
        let mut bodies = Vec::new();
        for number in 0..MAX_REQUESTS {
            let post = large("POST", &format!("/kv/ns/{number}"));
            let (answer, body) = begin(&client, post).await;
            answers.push(answer);
            bodies.push(body);
        }
        for _ in 0..MAX_REQUESTS - 20 {
            let problem = refusal(next(&mut answers).await).await;
            assert_eq!(problem["limit"], 2 << 20);
        }
        // The others are answered, and then there is memory again.
        for body in &mut bodies {
            let _ = body.send_data("v".into(), true);
        }
        let mut stored = 0;
        while !answers.is_empty() {
            stored += usize::from(next(&mut answers).await.status() == 201);
        }
        assert!((10..20).contains(&stored), "{stored}");
        let (answer, mut body) = begin(&client, large("POST", "/kv/ns/key")).await;
        body.send_data("v".into(), true).expect("a stream");
        assert_eq!(answer.await.expect("an answer").status(), 201);
        // A head of usual size is accepted for all concurrent requests.
        let mut waiting = Vec::new();
        for _ in 0..MAX_REQUESTS - 1 {
            waiting.push(begin(&client, request("POST", "/kv/ns/key")).await);
        }
        assert_eq!(client.ask("GET", "/ping", "").await.status, 200);
    });
}

#[test]
fn the_heads_of_all_connections_are_limited() {
    let app = TestServer::with(Options {
        max_body_memory_bytes: 1 << 20,
        ..Options::default()
    });
    block_on(async {
        let (mut clients, mut answers) = (Vec::new(), FuturesUnordered::new());
        let mut bodies = Vec::new();
        for _ in 0..4 {
            let client = Client::connect(&app).await;
            for _ in 0..6 {
                let (answer, body) = begin(&client, large("POST", "/kv/ns/key")).await;
                answers.push(answer);
                bodies.push(body);
            }
            clients.push(client);
        }
        for _ in 0..8 {
            let problem = refusal(next(&mut answers).await).await;
            assert_eq!(problem["setting"], "limits.max_body_memory_bytes");
        }
        // Other requests are not refused because of it.
        let client = Client::connect(&app).await;
        assert_eq!(client.ask("POST", "/kv/ns/other", "v").await.status, 201);
        drop((bodies, clients));
    });
}

#[test]
fn open_requests_count_until_their_streams_end() {
    // With 128 KiB that are free, room for at most 72 requests of 16 KiB.
    const MAX_OPEN: usize = 72;
    let app = TestServer::with(Options {
        max_body_memory_bytes: 1 << 20,
        ..Options::default()
    });
    block_on(async {
        let client = Client::connect(&app).await;
        // The answer to a watch begins at once and does not end.
        let (mut watches, mut refused) = (Vec::new(), 0);
        for _ in 0..MAX_REQUESTS - 1 {
            let mut requests = client.requests.clone().ready().await.expect("a turn");
            let (answer, _) = requests
                .send_request(request("GET", "/watch/ns"), true)
                .expect("a stream");
            let answer = answer.await.expect("a head");
            if answer.status() == 200 {
                watches.push(answer);
            } else {
                let problem = refusal(answer).await;
                assert_eq!(problem["setting"], "limits.max_body_memory_bytes");
                refused += 1;
            }
        }
        let accepted = watches.len();
        assert!((60..=MAX_OPEN).contains(&accepted), "{accepted}, {refused}");
        // A few on another connection are free.
        let other = Client::connect(&app).await;
        let few: Vec<_> = futures_util::future::join_all((0..6).map(|_| async {
            let (answer, _) = begin(&other, request("GET", "/watch/ns")).await;
            answer.await.expect("a head")
        }))
        .await;
        assert!(few.iter().all(|answer| answer.status() == 200));
        // Once the watches are reset, as much is left for writes without their bodies.
        drop((watches, few));
        // The connections send the resets while this waits.
        while !app
            .ask("GET", "/metrics")
            .text()
            .contains("\nakvs_watchers 0\n")
        {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let (mut answers, mut bodies) = (FuturesUnordered::new(), Vec::new());
        for _ in 0..MAX_REQUESTS - 1 {
            let (answer, body) = begin(&client, request("POST", "/kv/ns/key")).await;
            answers.push(answer);
            bodies.push(body);
        }
        for _ in MAX_OPEN..MAX_REQUESTS - 1 {
            refusal(next(&mut answers).await).await;
        }
        for body in &mut bodies {
            let _ = body.send_data("v".into(), true);
        }
        let mut stored = 0;
        while !answers.is_empty() {
            stored += usize::from(next(&mut answers).await.status().is_success());
        }
        assert!((60..=MAX_OPEN).contains(&stored), "{stored}");
    });
}

#[test]
fn many_small_bodies_of_a_connection_count() {
    let app = TestServer::with(Options {
        max_body_memory_bytes: 256 << 10,
        ..Options::default()
    });
    block_on(async {
        let client = Client::connect(&app).await;
        let (mut answers, mut bodies) = (FuturesUnordered::new(), Vec::new());
        for _ in 0..20 {
            let (answer, mut body) = begin(&client, request("POST", "/kv/ns/key")).await;
            body.send_data(vec![b'x'; 10_000].into(), false)
                .expect("a stream");
            answers.push(answer);
            bodies.push(body);
        }
        let problem = refusal(next(&mut answers).await).await;
        assert_eq!(problem["setting"], "limits.max_body_memory_bytes");
    });
}

#[test]
fn many_small_answers_of_a_connection_count() {
    let app = TestServer::with(Options {
        max_response_memory_bytes: 256 << 10,
        ..Options::default()
    });
    let keys: Vec<_> = (0..MAX_REQUESTS)
        .map(|key| format!("/kv/ns/{key}"))
        .collect();
    for key in &keys {
        app.post(key, vec![b'x'; 16 << 10]);
    }
    block_on(async {
        let stream = TcpStream::connect(app.address).await.expect("a connection");
        let mut builder = Builder::new();
        // The client does not read them.
        let (requests, frames) = builder
            .initial_window_size(0)
            .handshake::<_, Bytes>(stream)
            .await
            .expect("a preface");
        let frames = tokio::spawn(frames);
        let (mut heads, mut taken, mut refused) = (Vec::new(), 0, 0);
        for key in &keys {
            let mut requests = requests.clone().ready().await.expect("a turn");
            let (answer, _) = requests
                .send_request(request("GET", key), true)
                .expect("a stream");
            let answer = answer.await.expect("a head");
            match answer.status().as_u16() {
                200 => taken += 1,
                503 => refused += 1,
                other => panic!("{other}"),
            }
            heads.push(answer);
        }
        assert!((10..=20).contains(&taken), "{taken}, {refused}");
        // The first answer of another connection counts as small.
        assert_eq!(app.ask("GET", "/kv/ns/1").status, 200);
        // Once reset, they are no longer held.
        drop(heads);
        while app.ask("GET", "/kv/ns?values=true&limit=20").status != 200 {
            tokio::task::yield_now().await;
        }
        frames.abort();
    });
}

#[test]
fn an_answer_counts_until_it_is_sent() {
    const LARGE: usize = 15 << 20;
    let app = TestServer::with(Options {
        max_response_memory_bytes: LARGE + (10 << 20),
        ..Options::default()
    });
    app.post("/kv/ns/large", vec![b'x'; LARGE]);
    app.post("/kv/ns/other", vec![b'y'; 6 << 20]);
    let keys: Vec<_> = (0..MAX_REQUESTS - 1)
        .map(|key| format!("/kv/ns/{key}"))
        .collect();
    for key in &keys {
        app.post(key, vec![b'x'; 50 << 10]);
    }
    assert_eq!(app.ask("GET", "/kv/ns/other").status, 200);
    let widest = 0x7000_0000_u32;
    let mut raw = Raw::connect(&app, &setting(INITIAL_WINDOW_SIZE, widest));
    raw.send(&frame(WINDOW_UPDATE, 0, 0, &widest.to_be_bytes()));
    // The first fills the buffers between server and client; the others wait for it.
    let paths = std::iter::once("/kv/ns/large").chain(keys.iter().map(|key| &**key));
    let answered = |app: &TestServer| {
        let metrics = String::from_utf8(app.ask("GET", "/metrics").body).expect("text");
        let lines = metrics.lines().filter(|line| {
            line.starts_with("akvs_http_requests_total{") && line.contains("route=\"key\"")
        });
        let counts = lines.filter(|line| line.contains("GET"));
        counts
            .filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok())
            .sum::<u64>()
    };
    let before = answered(&app);
    for (number, path) in (0_u32..).zip(paths) {
        let flags = END_HEADERS | END_STREAM;
        raw.send(&frame(HEADERS, flags, 2 * number + 1, &fields("GET", path)));
    }
    while answered(&app) < before + MAX_REQUESTS as u64 {
        std::thread::yield_now();
    }
    let refused = app.ask("GET", "/kv/ns/other");
    assert_eq!(refused.refusal(), (503, "overloaded".into()));
    drop(raw);
    while app.ask("GET", "/kv/ns/other").status != 200 {
        std::thread::yield_now();
    }
}

#[test]
fn unread_trailers_are_limited() {
    let app = TestServer::start();
    for (bytes, is_taken) in [(20, true), (200, false)] {
        let mut raw = Raw::connect(&app, b"");
        for number in 0..u32::try_from(MAX_REQUESTS).expect("a number") - 1 {
            let stream = 2 * number + 1;
            let watch = fields("GET", "/watch/ns");
            raw.send(&frame(HEADERS, END_HEADERS, stream, &watch));
            // Each byte is a whole field of the static table.
            let trailers = vec![0x90; bytes];
            raw.send(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &trailers));
        }
        if is_taken {
            assert!(raw.is_read());
        } else {
            // Some frames sent before it were not read.
            raw.send(&frame(PING, 0, 0, b"are you?"));
            let end = std::iter::from_fn(|| raw.next())
                .find(|frame| matches!(frame.kind, GOAWAY | PING))
                .expect("an end");
            assert_eq!((end.kind, end.code()), (GOAWAY, ENHANCE_YOUR_CALM));
        }
        assert_eq!(app.ask("GET", "/ping").text(), "pong");
    }
}
