//! Watches of a real server: resumed over restarts and crashes, open during a stop, and stalled.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use tokio::time::Instant;

use crate::common::{Connection, Server, TIMEOUT, akvs};

/// The number of ends of the server, alternately by a crash and a stop.
const ROUNDS: usize = 6;
/// The number of concurrent writers.
const WRITERS: usize = 3;

/// A change: its revision and its description.
type Change = (u64, String);

/// Sets and deletes a few keys until the server is gone; returns the answered changes.
fn write(address: &str, writer: &str, answered: &Sender<()>) -> Vec<Change> {
    let mut changes = Vec::new();
    let Ok(mut connection) = Connection::to(address) else {
        return changes;
    };
    for number in 0.. {
        let key = format!("{writer}-{}", number % 5);
        let path = format!("/kv/ns/{key}");
        let value = format!("{writer}/{number}");
        let (answer, done, change) = if number % 7 == 6 {
            let answer = connection.ask("DELETE", &path, b"");
            (answer, 200, format!("delete {key}"))
        } else {
            let answer = connection.ask("POST", &path, value.as_bytes());
            (answer, 201, format!("set {key} {value}"))
        };
        let Ok(answer) = answer else { break };
        if answer.status != done {
            assert_eq!(answer.status, 503, "{path}");
            break;
        }
        let revision = answer.headers["etag"].trim_matches('"').parse().unwrap();
        changes.push((revision, change));
        _ = answered.send(());
    }
    changes
}

/// A client that resumes its watch after each end.
#[derive(Default)]
struct Follower {
    last: u64,
    received: Vec<Change>,
    clean_ends: usize,
}

impl Follower {
    /// Resumes the watch.
    fn connect(&self, server: &Server) -> Connection {
        let mut connection = server.connect();
        let last = self.last;
        let request = format!(
            "GET /watch/ns?values=true HTTP/1.1\r\nHost: akvs\r\nLast-Event-ID: {last}\r\n\r\n"
        );
        connection.send(request).unwrap();
        assert_eq!(connection.head().unwrap().status, 200);
        connection
    }

    /// Receives events until the connection ends, or up to this change.
    fn follow(&mut self, mut connection: Connection, end: Option<&str>) {
        let mut text = Vec::new();
        while let Ok(chunk) = connection.chunk() {
            if chunk.is_empty() {
                self.clean_ends += 1;
                return;
            }
            text.extend(chunk);
            while let Some(at) = text.windows(2).position(|two| two == b"\n\n") {
                let block: Vec<u8> = text.drain(..at + 2).collect();
                self.take(std::str::from_utf8(&block).unwrap());
            }
            if end.is_some() && self.received.last().map(|(_, change)| &**change) == end {
                return;
            }
        }
        assert_eq!(end, None, "the watch ended early");
    }

    fn take(&mut self, block: &str) {
        let lines: Vec<&str> = block.trim_end().split('\n').collect();
        let [name, id, data] = lines[..] else {
            assert!(block.starts_with(": revision "), "{block}");
            return;
        };
        let part = |line: &str, name: &str| line.strip_prefix(name).unwrap().to_owned();
        let (name, id) = (part(name, "event: "), part(id, "id: "));
        let data: serde_json::Value = serde_json::from_str(&part(data, "data: ")).unwrap();
        let revision: u64 = id.parse().unwrap();
        assert!(revision > self.last, "{block} after {}", self.last);
        assert_eq!(data["revision"], revision);
        self.last = revision;
        let key = data["key"].as_str().unwrap();
        let change = match &*name {
            "set" => format!("set {key} {}", data["value"].as_str().unwrap()),
            other => format!("{other} {key}"),
        };
        self.received.push((revision, change));
    }
}

/// Runs a server with writers and the follower until this number of writes is answered.
fn live(folder: &Path, round: usize, follower: &mut Follower, wanted: u64) -> Vec<Change> {
    let server = Server::start(folder, &[]);
    let address = server.address().to_owned();
    let (sender, answers) = channel();
    std::thread::scope(|scope| {
        let writers = std::array::from_fn::<_, WRITERS, _>(|writer| {
            let (address, sender) = (&address, sender.clone());
            scope.spawn(move || write(address, &format!("{round}.{writer}"), &sender))
        });
        drop(sender);
        // The watch starts while they write.
        let connection = follower.connect(&server);
        scope.spawn(|| follower.follow(connection, None));
        for _ in 0..wanted {
            answers.recv_timeout(TIMEOUT).expect("the writers go on");
        }
        // A kill and a stop alternate.
        if round.is_multiple_of(2) {
            server.kill();
        } else {
            server.stop();
        }
        writers.map(|writer| writer.join().unwrap()).concat()
    })
}

#[test]
fn a_resumed_watch_receives_every_answered_change_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    let begin = server.ask("POST", "/kv/ns/begin", b"");
    server.stop();
    let mut follower = Follower {
        last: begin.headers["etag"].trim_matches('"').parse().unwrap(),
        ..Follower::default()
    };
    let mut answered = Vec::new();
    for round in 0..ROUNDS {
        let wanted = fastrand::u64(10..300);
        answered.extend(live(folder.path(), round, &mut follower, wanted));
    }
    let server = Server::start(folder.path(), &[]);
    assert_eq!(server.ask("POST", "/kv/ns/end", b"").status, 201);
    follower.follow(follower.connect(&server), Some("set end "));
    server.stop();
    follower.received.pop();

    // `Follower::take` has checked the order, and so that there are no repetitions.
    let received: BTreeSet<&Change> = follower.received.iter().collect();
    let missed: Vec<_> = answered
        .iter()
        .filter(|change| !received.contains(change))
        .collect();
    assert!(missed.is_empty(), "answered, but not received: {missed:?}");
    // At each end, one write of each writer may have been applied without an answer.
    let more = received.len() - answered.len();
    assert!(
        more <= ROUNDS * WRITERS,
        "{more} were received that were not answered"
    );
    assert_eq!(
        follower.clean_ends,
        ROUNDS / 2,
        "a stop ends a watch as it should"
    );
}

#[test]
fn open_watches_and_long_polls_do_not_delay_a_stop() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = akvs();
    // With one worker, requests are handled in order.
    command.env("AKVS_HTTP__WORKERS", "1");
    command.env("AKVS_LIMITS__DRAIN_TIMEOUT", "1h");
    let command = command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]);
    let server = Server::from_command(command.arg(folder.path()));
    let tag = server.ask("POST", "/kv/ns/key", b"value").headers["etag"].clone();
    let begin = |request: String| {
        let mut connection = server.connect();
        // A stop closes connections without a request at once.
        assert_eq!(connection.ask("GET", "/ping", b"").unwrap().status, 200);
        connection.send(request).unwrap();
        connection
    };
    let watches: Vec<_> = ["", "?since=0", "?key=other"]
        .repeat(10)
        .into_iter()
        .map(|query| {
            begin(format!(
                "GET /watch/ns{query} HTTP/1.1\r\nHost: akvs\r\n\r\n"
            ))
        })
        .map(|mut watch| {
            assert_eq!(watch.head().unwrap().status, 200);
            watch
        })
        .collect();
    let wait = format!("If-None-Match: {tag}\r\nPrefer: wait=60\r\n");
    let polls: Vec<_> = (0..30)
        .map(|_| {
            begin(format!(
                "GET /kv/ns/key HTTP/1.1\r\nHost: akvs\r\n{wait}\r\n"
            ))
        })
        .collect();
    // Once these are answered, the requests before them wait.
    for _ in 0..4 {
        assert_eq!(server.ask("GET", "/ping", b"").status, 200);
    }
    let begun = Instant::now();
    server.stop();
    let took = begun.elapsed();
    // Without waiting for the drain time of an hour.
    assert!(took < Duration::from_secs(30), "{took:?}");
    for mut watch in watches {
        while !watch.chunk().expect("an end as it should be").is_empty() {}
    }
    for mut poll in polls {
        let answer = poll.answer().expect("an answer");
        assert_eq!((answer.status, &answer.headers["etag"]), (304, &tag));
    }
}

/// Returns the memory of a process, in bytes.
fn resident(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kilobytes.unwrap().trim().parse::<u64>().unwrap() << 10
}

#[test]
fn slow_watchers_use_little_memory() {
    const STALLED: usize = 50;
    const VALUE: usize = 64 << 10;
    const VALUES: usize = 3_200;
    const BOUND: u64 = 64 << 20;

    let folder = tempfile::tempdir().unwrap();
    let mut command = akvs();
    command.env("AKVS_ENGINE__KIND", "memory");
    let command = command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]);
    let server = Server::from_command(command.arg(folder.path()));
    let mut writer = server.connect();
    let value = vec![b'x'; VALUE];
    let mut write = |values: usize| {
        for number in 0..values {
            let path = format!("/kv/ns/{}", number % 4);
            assert_eq!(writer.ask("POST", &path, &value).unwrap().status, 201);
        }
    };
    // Memory that the server needs anyway.
    write(400);
    let before = resident(&server);
    let watches: Vec<_> = (0..STALLED)
        .map(|_| {
            let mut watch = server.connect();
            watch
                .send("GET /watch/ns?values=true HTTP/1.1\r\nHost: akvs\r\n\r\n")
                .unwrap();
            assert_eq!(watch.head().unwrap().status, 200);
            watch
        })
        .collect();
    write(VALUES);
    let grown = resident(&server).saturating_sub(before);
    assert!(grown < BOUND, "{grown} bytes more, {before} before");
    drop(watches);
}
