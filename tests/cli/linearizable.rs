//! Linearizability: what concurrent clients observe of a server that is killed and restarted has an order that one copy
//! of each key would produce, and that agrees with the times of the requests.
//!
//! A few clients work on a few keys until the server is killed; this repeats on the same keys and directory, then on
//! new keys. Each key is an object: all are linearizable if each is. `AKVS_LINEARIZABLE_ROUNDS` sets the number of
//! rounds.

mod account;
mod library;
mod search;

use std::io;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Sender, channel};

use fastrand::Rng;

use crate::common::{self, Connection, Server, TIMEOUT};
use crate::history::{Answer, Client, Condition, History, Operation};

const ROUNDS: u64 = 8;
/// The number of kills in a round.
const LIVES: u64 = 3;
const CLIENTS: usize = 6;
const KEYS: usize = 5;
/// The maximum number of answers between two kills.
const MAX_ANSWERS: u64 = 400;
/// The minimum number of events in a part that the library confirms, and its maximum number of steps.
const LIBRARY_EVENTS: usize = 40;
const LIBRARY_STEPS: u64 = 10_000;

#[test]
fn every_key_has_one_order_over_many_kills() {
    let rounds = std::env::var("AKVS_LINEARIZABLE_ROUNDS");
    let rounds = rounds.map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let mut random = Rng::with_seed(u64::from(std::process::id()));
    let mut totals = Totals::default();
    for number in 0..rounds {
        let durability = ["fsync", "interval"][usize::from(number % 2 == 1)];
        let round = Round::new(number);
        for _ in 0..LIVES {
            round.run_until_killed(folder.path(), durability, &mut random);
        }
        round.read_all(folder.path(), durability);
        for (key, history) in round.keys.iter().enumerate() {
            totals.check(&round.path(key), &history.lock().unwrap());
        }
    }
    println!("{totals:?}");
    assert!(totals.unanswered > 0, "the server was never killed at work");
    let confirmed = totals.confirmed_by_library;
    assert!(
        confirmed > totals.parts / 2,
        "it is too slow to confirm them"
    );
}

/// The totals of what was checked.
#[derive(Debug, Default)]
struct Totals {
    histories: usize,
    answers: usize,
    unanswered: usize,
    /// The maximum number of states that a search had to keep.
    max_states: usize,
    parts: usize,
    confirmed_by_library: usize,
}

impl Totals {
    fn check(&mut self, path: &str, history: &History) {
        let events = history.events();
        let Ok(max_states) = search::explain(events) else {
            panic!("{path}: {}", account::account(events))
        };
        for (start, part) in search::parts(events, LIBRARY_EVENTS) {
            let confirmed = library::confirm(&start, part, LIBRARY_STEPS);
            assert_ne!(confirmed, Some(false), "{path}: {start:?}: {part:#?}");
            self.parts += 1;
            self.confirmed_by_library += usize::from(confirmed.is_some());
        }
        let (answers, unanswered) = history.counts();
        self.histories += 1;
        self.answers += answers;
        self.unanswered += unanswered;
        self.max_states = self.max_states.max(max_states);
    }
}

/// A round: its keys and their histories.
struct Round {
    number: u64,
    keys: Vec<Mutex<History>>,
    clients: AtomicU32,
    values: AtomicU32,
}

impl Round {
    fn new(number: u64) -> Round {
        Round {
            number,
            keys: (0..KEYS).map(|_| Mutex::default()).collect(),
            clients: AtomicU32::new(0),
            values: AtomicU32::new(0),
        }
    }

    fn path(&self, key: usize) -> String {
        format!("/kv/round-{}/{key}", self.number)
    }

    /// Starts a server, sends requests, and kills it while they are in flight.
    fn run_until_killed(&self, data: &Path, durability: &str, random: &mut Rng) {
        let server = Server::start(data, &["--durability", durability]);
        let wanted = random.u64(1..=MAX_ANSWERS);
        let (sender, answers) = channel();
        std::thread::scope(|scope| {
            for _ in 0..CLIENTS {
                let (address, sender, random) = (server.address(), sender.clone(), random.fork());
                let address = address.to_owned();
                scope.spawn(move || self.work_until_killed(&address, random, &sender));
            }
            drop(sender);
            for _ in 0..wanted {
                answers.recv_timeout(TIMEOUT).expect("the clients go on");
            }
            server.kill();
        });
        for history in &self.keys {
            history.lock().expect("a whole history").killed();
        }
    }

    /// Reads all keys after all other clients have ended.
    fn read_all(&self, data: &Path, durability: &str) {
        let server = Server::start(data, &["--durability", durability]);
        let mut worker = self.worker(server.address(), Rng::with_seed(0)).unwrap();
        for key in 0..KEYS {
            worker.ask(key, Operation::Get).unwrap();
        }
        server.kill();
    }

    fn work_until_killed(&self, address: &str, mut random: Rng, answered: &Sender<()>) {
        while let Ok(mut worker) = self.worker(address, random.fork()) {
            // Some clients close the connection before the answer: their last operation stays open while the server
            // runs.
            for _ in 0..worker.random.u32(20..100) {
                let key = worker.random.usize(0..KEYS);
                let operation = worker.choose(key);
                if worker.ask(key, operation).is_err() {
                    return;
                }
                _ = answered.send(());
            }
            let key = worker.random.usize(0..KEYS);
            let operation = worker.choose(key);
            if worker.send(key, operation).is_err() {
                return;
            }
        }
    }

    fn worker(&self, address: &str, random: Rng) -> io::Result<Worker<'_>> {
        Ok(Worker {
            client: self.clients.fetch_add(1, Ordering::Relaxed),
            connection: Connection::to(address)?,
            round: self,
            random,
        })
    }
}

/// A client with one connection.
struct Worker<'round> {
    round: &'round Round,
    client: Client,
    connection: Connection,
    random: Rng,
}

impl Worker<'_> {
    fn choose(&mut self, key: usize) -> Operation {
        let condition = self.condition(key);
        // No two sets write the same value, and no sum reaches the next value.
        let value = || 1_000_000 * i64::from(1 + self.round.values.fetch_add(1, Ordering::Relaxed));
        match self.random.u32(0..20) {
            0..8 => Operation::Get,
            8..14 => Operation::Set(value(), condition),
            14..17 => Operation::Add(self.random.i64(1..10), condition),
            // The server refuses a delete with this condition, which could never change anything.
            _ if condition == Condition::Absent => Operation::Delete(Condition::Exists),
            _ => Operation::Delete(condition),
        }
    }

    fn condition(&mut self, key: usize) -> Condition {
        // Mostly the newest revision, so that several clients use it at once and one of them succeeds.
        let age = [0, 0, 0, 1][self.random.usize(0..4)];
        let known = self.round.keys[key].lock().unwrap().revisions().nth(age);
        match (self.random.u32(0..10), known) {
            (0..3, Some(revision)) => Condition::Revision(revision),
            (3..5, _) => Condition::Absent,
            (5..6, _) => Condition::Exists,
            (0..3 | 6.., _) => Condition::None,
        }
    }

    fn ask(&mut self, key: usize, operation: Operation) -> io::Result<()> {
        self.send(key, operation)?;
        let answer = self.connection.answer()?;
        let answer = read(operation, &answer).unwrap_or_else(|| {
            let text = String::from_utf8_lossy(&answer.body);
            panic!(
                "{operation:?}: {} {:?} {text}",
                answer.status, answer.headers
            )
        });
        let mut history = self.round.keys[key].lock().unwrap();
        history.answered(self.client, answer);
        Ok(())
    }

    fn send(&mut self, key: usize, operation: Operation) -> io::Result<()> {
        let mut history = self.round.keys[key].lock().unwrap();
        history.sent(self.client, operation);
        drop(history);
        self.connection
            .send(request(&self.round.path(key), operation))
    }
}

fn request(path: &str, operation: Operation) -> String {
    let (method, query, condition, body) = match operation {
        Operation::Get => ("GET", "", Condition::None, String::new()),
        Operation::Set(value, condition) => ("POST", "", condition, value.to_string()),
        Operation::Add(by, condition) => ("POST", "?op=add", condition, by.to_string()),
        Operation::Delete(condition) => ("DELETE", "", condition, String::new()),
    };
    let condition = match condition {
        Condition::None => String::new(),
        Condition::Absent => "If-None-Match: *\r\n".to_owned(),
        Condition::Exists => "If-Match: *\r\n".to_owned(),
        Condition::Revision(revision) => format!("If-Match: \"{revision}\"\r\n"),
    };
    let length = body.len();
    format!(
        "{method} {path}{query} HTTP/1.1\r\nHost: akvs\r\n{condition}Content-Length: {length}\r\n\r\n{body}"
    )
}

/// Parses an answer; returns `None` if the HTTP contract does not permit it for this operation.
fn read(operation: Operation, answer: &common::Answer) -> Option<Answer> {
    let number = || std::str::from_utf8(&answer.body).ok()?.parse().ok();
    let revision = match answer.headers.get("etag") {
        None => None,
        Some(text) => Some(text.strip_prefix('"')?.strip_suffix('"')?.parse().ok()?),
    };
    let done = |sum| {
        let existed = match answer.headers.get("akvs-existed")?.as_str() {
            "?0" => false,
            "?1" => true,
            _ => return None,
        };
        Some(Answer::Done {
            existed,
            revision,
            sum,
        })
    };
    match (operation, answer.status) {
        (Operation::Get, 200) => Some(Answer::Found {
            value: number()?,
            revision: revision?,
        }),
        (Operation::Get, 404) => Some(Answer::Missing),
        (Operation::Set(..), 201) | (Operation::Delete(_), 200) => done(None),
        (Operation::Add(..), 200) => done(Some(number()?)),
        (Operation::Set(..) | Operation::Add(..) | Operation::Delete(_), 412) => {
            Some(Answer::Refused { current: revision })
        }
        _ => None,
    }
}
