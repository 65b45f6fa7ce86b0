//! Long answers of the admin socket: sent in chunks as they are produced, and cut off where one fails, so that no
//! client takes a part of a backup for a complete one.

use akvs_core::{Code, Error, Result};
use bytes::Bytes;

use super::api::{ChunksResult, Recorder, with};
use akvs_testing::raw::{ANSWER_TIMEOUT, Connection, request};
use akvs_testing::server::block_on;

/// Both long answers, with their media types.
const LONG: [(&str, &str, &str); 2] = [
    ("GET", "/admin/backup", "application/octet-stream"),
    ("POST", "/admin/verify", "application/x-ndjson"),
];

fn broken() -> Result<Bytes> {
    Err(Error::new(Code::Storage, "the disk failed"))
}

fn chunk(byte: u8, length: usize) -> Result<Bytes> {
    Ok(vec![byte; length].into())
}

/// Returns the received bytes of a chunked body, and whether it was complete.
fn body(connection: &mut Connection) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while let Some(chunk) = connection.chunk() {
        if chunk.is_empty() {
            return (body, true);
        }
        body.extend(chunk);
    }
    (body, false)
}

#[test]
fn all_chunks_are_sent_in_order() {
    for (method, path, media_type) in LONG {
        let parts = vec![chunk(1, 10), chunk(2, 300_000), chunk(3, 1)];
        let (recorder, _dropped) = Recorder::with_answer(Ok(parts));
        let (_app, sockets, recorder) = with(recorder);
        let mut owner = Connection::open_unix(&sockets.owner());
        owner.send(request(method, path, "", b""));
        let head = owner.head().expect("a head");
        assert_eq!(
            (head.status, head.header("Content-Type")),
            (200, Some(media_type))
        );
        let (whole, is_ended) = body(&mut owner);
        assert!(is_ended);
        assert!(whole == [vec![1; 10], vec![2; 300_000], vec![3; 1]].concat());
        // The connection stays open; an answer may have no chunks at all.
        owner.send(request(method, path, "", b""));
        assert_eq!(owner.head().expect("a head").status, 200);
        assert_eq!(body(&mut owner), (vec![], true));
        assert_eq!(recorder.calls().len(), 2);
    }
}

#[test]
fn a_failing_chunk_cuts_the_answer_off() {
    let made: [fn() -> Vec<Result<Bytes>>; 3] = [
        || vec![broken(), chunk(1, 1)],
        || vec![chunk(1, 10), broken(), chunk(2, 10)],
        || vec![chunk(1, 400_000), chunk(2, 10), broken()],
    ];
    for (method, path, _) in LONG {
        for made in made {
            let before: usize = made()
                .into_iter()
                .map_while(Result::ok)
                .map(|chunk| chunk.len())
                .sum();
            let (recorder, dropped) = Recorder::with_answer(Ok(made()));
            let (app, sockets, _recorder) = with(recorder);
            let mut owner = Connection::open_unix(&sockets.owner());
            owner.send(request(method, path, "", b""));
            // Where nothing was sent yet, even the head may be missing.
            if owner.head().is_some() {
                let (came, is_ended) = body(&mut owner);
                assert!(!is_ended, "{path}: complete");
                assert!(came.len() <= before, "{path}: bytes after the failure");
            }
            assert!(owner.is_ended());
            dropped
                .recv_timeout(ANSWER_TIMEOUT)
                .expect("the chunks are dropped");
            assert_eq!(app.ask("GET", "/ping").status, 200);
        }
    }
}

#[test]
fn a_failing_chunk_resets_the_http_2_stream() {
    let parts = vec![chunk(1, 10), broken()];
    let (recorder, _dropped) = Recorder::with_answer(Ok(parts));
    let (_app, sockets, _recorder) = with(recorder);
    block_on(async {
        let stream = tokio::net::UnixStream::connect(sockets.owner()).await;
        let connected = h2::client::handshake(stream.expect("a connection")).await;
        let (mut requests, frames) = connected.expect("a preface");
        tokio::spawn(frames);
        let uri = "http://localhost/admin/backup";
        let head = ::http::Request::get(uri).body(()).expect("a request");
        let (answer, _) = requests.send_request(head, true).expect("a stream");
        let cut = async {
            let mut body = answer.await?.into_body();
            while let Some(data) = body.data().await {
                body.flow_control().release_capacity(data?.len())?;
            }
            Ok::<_, h2::Error>(())
        };
        let cut = tokio::time::timeout(ANSWER_TIMEOUT, cut)
            .await
            .expect("an end");
        let error = cut.expect_err("a reset");
        assert!(error.is_reset(), "{error}");
    });
}

#[test]
fn a_long_answer_that_cannot_start_is_a_problem_document() {
    for (method, path, _) in LONG {
        let busy = Error::new(Code::Overloaded, "a check is already running");
        let made: ChunksResult = Err(busy.with("retry_after_s", 5));
        let (recorder, _dropped) = Recorder::with_answer(made);
        let (_app, sockets, _recorder) = with(recorder);
        let mut owner = Connection::open_unix(&sockets.owner());
        let answer = owner.ask(method, path, "", b"");
        assert_eq!(answer.refusal(), (503, "overloaded".into()));
        assert_eq!(answer.header("Retry-After"), Some("5"));
        assert_eq!(answer.problem()["detail"], "a check is already running");
    }
}

#[test]
fn a_client_that_disconnects_drops_the_chunks() {
    for (method, path, _) in LONG {
        // More than all buffers between the server and the client hold.
        let parts = (0..200).map(|_| chunk(7, 100_000)).collect();
        let (recorder, dropped) = Recorder::with_answer(Ok(parts));
        let (_app, sockets, _recorder) = with(recorder);
        let mut owner = Connection::open_unix(&sockets.owner());
        owner.send(request(method, path, "", b""));
        assert_eq!(owner.head().expect("a head").status, 200);
        assert!(owner.chunk().is_some_and(|chunk| !chunk.is_empty()));
        assert!(
            dropped.try_recv().is_err(),
            "it reads ahead without a bound"
        );
        drop(owner);
        dropped
            .recv_timeout(ANSWER_TIMEOUT)
            .expect("the chunks are dropped");
    }
}
