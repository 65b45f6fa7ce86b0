//! Linearizability: what concurrent clients see of a server that is killed and started again is what one copy of each
//! key would have shown them, in one order that agrees with the order in which they saw it.
//!
//! A few clients work on a few keys until the server is killed; so several times over the same keys and folder, then on
//! new keys. Each key is an object of its own: all are linearizable if each is. `AKVS_LINEARIZABLE_ROUNDS` asks for
//! more.

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
/// How often the server is killed under the clients of one round.
const LIVES: u64 = 3;
const CLIENTS: usize = 6;
const KEYS: usize = 5;
/// Answers in one life of the server, at most, before it is killed.
const MAX_ANSWERS: u64 = 400;
/// Events in one part of what the library is asked to confirm, at least; and the steps for which it is waited for.
const LIBRARY_EVENTS: usize = 40;
const LIBRARY_STEPS: u64 = 10_000;

#[test]
fn every_key_has_one_order_over_many_kills() {
    let rounds = std::env::var("AKVS_LINEARIZABLE_ROUNDS");
    let rounds = rounds.map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let mut random = Rng::with_seed(u64::from(std::process::id()));
    let mut seen = Seen::default();
    for number in 0..rounds {
        let durability = ["fsync", "interval"][usize::from(number % 2 == 1)];
        let round = Round::new(number);
        for _ in 0..LIVES {
            round.live_and_die(folder.path(), durability, &mut random);
        }
        round.read_all(folder.path(), durability);
        for (key, history) in round.keys.iter().enumerate() {
            seen.check(&round.path(key), &history.lock().unwrap());
        }
    }
    println!("{seen:?}");
    assert!(seen.left_open > 0, "the server was never killed at work");
    let confirmed = seen.confirmed_by_library;
    assert!(confirmed > seen.parts / 2, "it is too slow to confirm them");
}

/// What was checked.
#[derive(Debug, Default)]
struct Seen {
    histories: usize,
    answers: usize,
    left_open: usize,
    /// The most that a search had to keep in mind.
    most: usize,
    parts: usize,
    confirmed_by_library: usize,
}

impl Seen {
    fn check(&mut self, path: &str, history: &History) {
        let events = history.events();
        let Ok(most) = search::explain(events) else {
            panic!("{path}: {}", account::account(events))
        };
        for (start, part) in search::parts(events, LIBRARY_EVENTS) {
            let confirmed = library::judge(&start, part, LIBRARY_STEPS);
            assert_ne!(confirmed, Some(false), "{path}: {start:?}: {part:#?}");
            self.parts += 1;
            self.confirmed_by_library += usize::from(confirmed.is_some());
        }
        let (answers, left_open) = history.counts();
        self.histories += 1;
        self.answers += answers;
        self.left_open += left_open;
        self.most = self.most.max(most);
    }
}

/// Keys of its own, and all that happened to them.
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

    /// The server starts, is asked, and is killed while it is being asked.
    fn live_and_die(&self, data: &Path, durability: &str, random: &mut Rng) {
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

    /// What is there in the end, seen by one who came after all others.
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
            // Some hang up before the answer: their last operation stays open while the server lives.
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

/// A client with one connection, as long as that lasts.
struct Worker<'round> {
    round: &'round Round,
    client: Client,
    connection: Connection,
    random: Rng,
}

impl Worker<'_> {
    fn choose(&mut self, key: usize) -> Operation {
        let condition = self.condition(key);
        // No two sets write the same, and no sum of additions reaches the next one.
        let value = || 1_000_000 * i64::from(1 + self.round.values.fetch_add(1, Ordering::Relaxed));
        match self.random.u32(0..20) {
            0..8 => Operation::Get,
            8..14 => Operation::Set(value(), condition),
            14..17 => Operation::Add(self.random.i64(1..10), condition),
            // Deleting what is not there would be no change: the server refuses to be asked for it.
            _ if condition == Condition::Absent => Operation::Delete(Condition::Exists),
            _ => Operation::Delete(condition),
        }
    }

    fn condition(&mut self, key: usize) -> Condition {
        // Mostly the newest, so that several clients name it at once and one of them wins.
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

/// What an answer says, if it is one that the contract knows for this operation.
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
