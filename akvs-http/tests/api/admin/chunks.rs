//! Long answers to the owner: in parts as they are made, and cut off where one cannot be, so that nobody takes half of
//! a backup for a whole one.

use akvs_core::{Code, Error, Result};
use bytes::Bytes;

use super::api::{Made, Recorder, with};
use akvs_testing::raw::{ANSWER_TIMEOUT, Connection, request};
use akvs_testing::server::block_on;

/// Both long answers, and their media types.
const LONG: [(&str, &str, &str); 2] = [
    ("GET", "/admin/backup", "application/octet-stream"),
    ("POST", "/admin/verify", "application/x-ndjson"),
];

fn broken() -> Result<Bytes> {
    Err(Error::new(Code::Storage, "the disk is gone"))
}

fn part(byte: u8, length: usize) -> Result<Bytes> {
    Ok(vec![byte; length].into())
}

/// What comes of a body in chunks, and whether it came to its end.
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
fn all_parts_come_in_their_order() {
    for (method, path, media_type) in LONG {
        let parts = vec![part(1, 10), part(2, 300_000), part(3, 1)];
        let (recorder, _let_go) = Recorder::making(Ok(parts));
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
        // The connection goes on; an answer may have no parts at all.
        owner.send(request(method, path, "", b""));
        assert_eq!(owner.head().expect("a head").status, 200);
        assert_eq!(body(&mut owner), (vec![], true));
        assert_eq!(recorder.asked().len(), 2);
    }
}

#[test]
fn a_part_that_fails_cuts_the_answer_off() {
    let made: [fn() -> Vec<Result<Bytes>>; 3] = [
        || vec![broken(), part(1, 1)],
        || vec![part(1, 10), broken(), part(2, 10)],
        || vec![part(1, 400_000), part(2, 10), broken()],
    ];
    for (method, path, _) in LONG {
        for made in made {
            let before: usize = made()
                .into_iter()
                .map_while(Result::ok)
                .map(|part| part.len())
                .sum();
            let (recorder, let_go) = Recorder::making(Ok(made()));
            let (app, sockets, _recorder) = with(recorder);
            let mut owner = Connection::open_unix(&sockets.owner());
            owner.send(request(method, path, "", b""));
            // Where nothing was sent yet, not even a head need come.
            if owner.head().is_some() {
                let (came, is_ended) = body(&mut owner);
                assert!(!is_ended, "{path}: taken for whole");
                assert!(came.len() <= before, "{path}: something after the failure");
            }
            assert!(owner.is_ended());
            let_go
                .recv_timeout(ANSWER_TIMEOUT)
                .expect("the parts are let go of");
            assert_eq!(app.ask("GET", "/ping").status, 200);
        }
    }
}

#[test]
fn a_part_that_fails_cuts_a_stream_of_http_2_off() {
    let parts = vec![part(1, 10), broken()];
    let (recorder, _let_go) = Recorder::making(Ok(parts));
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
        let error = cut.expect_err("a whole backup");
        assert!(error.is_reset(), "{error}");
    });
}

#[test]
fn a_stream_that_cannot_start_is_a_problem() {
    for (method, path, _) in LONG {
        let busy = Error::new(Code::Overloaded, "a check is under way already");
        let made: Made = Err(busy.with("retry_after_s", 5));
        let (recorder, _let_go) = Recorder::making(made);
        let (_app, sockets, _recorder) = with(recorder);
        let mut owner = Connection::open_unix(&sockets.owner());
        let answer = owner.ask(method, path, "", b"");
        assert_eq!(answer.refusal(), (503, "overloaded".into()));
        assert_eq!(answer.header("Retry-After"), Some("5"));
        assert_eq!(answer.problem()["detail"], "a check is under way already");
    }
}

#[test]
fn a_closed_watch_leaves_nothing() {
    for (method, path, _) in LONG {
        // More than all buffers on the way hold.
        let parts = (0..200).map(|_| part(7, 100_000)).collect();
        let (recorder, let_go) = Recorder::making(Ok(parts));
        let (_app, sockets, _recorder) = with(recorder);
        let mut owner = Connection::open_unix(&sockets.owner());
        owner.send(request(method, path, "", b""));
        assert_eq!(owner.head().expect("a head").status, 200);
        assert!(owner.chunk().is_some_and(|chunk| !chunk.is_empty()));
        assert!(let_go.try_recv().is_err(), "it reads ahead without an end");
        drop(owner);
        let_go
            .recv_timeout(ANSWER_TIMEOUT)
            .expect("the parts are let go of");
    }
}
