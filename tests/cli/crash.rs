//! Durability: a server that is killed under load many times loses no answered write.
//!
//! Writers record each answered write. A write without an answer was applied as a whole or not at all. After each kill
//! the server is started again; all keys are compared, and the counts of each namespace with its keys.
//! `AKVS_CRASH_ROUNDS` sets the number of rounds.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use serde_json::Value;

use crate::common::{Connection, Server, TIMEOUT, akvs};

const WRITERS: u64 = 8;
const KEYS: u64 = 40;
const NAMESPACES: [&str; 3] = ["red", "green", "a%20blue%2Fone"];

/// The possible values of a key: one, or two if the last write was not answered.
type Possible = Vec<Option<Vec<u8>>>;

#[test]
fn nothing_answered_is_lost_with_fsync() {
    crash_rounds("fsync");
}

#[test]
fn nothing_answered_is_lost_with_interval() {
    crash_rounds("interval");
}

fn crash_rounds(durability: &str) {
    let rounds = std::env::var("AKVS_CRASH_ROUNDS").map_or(10, |rounds| rounds.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let flags = ["--durability", durability];
    let mut random = Random::new(u64::from(std::process::id()));
    let mut writers: Vec<Writer> = (0..WRITERS)
        .map(|number| Writer::new(number, random.next()))
        .collect();
    let mut answered = 0;
    for round in 0..rounds {
        if round % 3 == 2 {
            kill_while_starting(folder.path(), random.below(60));
        }
        let server = Server::start(folder.path(), &flags);
        for writer in &mut writers {
            writer.verify(&server, round);
        }
        verify_counts(&server);
        let wanted = 1 + random.below(600);
        let (sender, answers) = channel();
        std::thread::scope(|scope| {
            for writer in &mut writers {
                let (address, sender) = (server.address().to_owned(), sender.clone());
                scope.spawn(move || writer.write_until_killed(&address, &sender));
            }
            drop(sender);
            answered += wait_for_answers(&answers, wanted);
            server.kill();
        });
    }
    let server = Server::start(folder.path(), &flags);
    for writer in &mut writers {
        writer.verify(&server, rounds);
    }
    verify_counts(&server);
    server.stop();
    assert!(
        answered >= rounds,
        "too little was written to show anything"
    );
}

/// Waits until this number of writes is answered.
fn wait_for_answers(answers: &Receiver<()>, wanted: u64) -> u64 {
    for _ in 0..wanted {
        answers.recv_timeout(TIMEOUT).expect("the writers go on");
    }
    wanted
}

/// Compares the counts of the namespaces with their lists. An expired key counts until it is removed, for which there
/// is no event, so that this repeats.
fn verify_counts(server: &Server) {
    for tries in 0.. {
        let counted = counted(server);
        let listed: Counts = counted
            .keys()
            .map(|name| (name.clone(), listed(server, name)))
            .collect();
        if counted == listed {
            return;
        }
        assert!(tries < 2_000, "counted {counted:?}, listed {listed:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Keys and bytes by namespace.
type Counts = BTreeMap<String, (u64, u64)>;

fn counted(server: &Server) -> Counts {
    let answer = server.ask("GET", "/kv", b"");
    let document: Value = serde_json::from_slice(&answer.body).unwrap();
    let listed = document["namespaces"].as_array().unwrap().iter();
    listed
        .map(|listed| {
            let number = |member: &str| listed[member].as_u64().unwrap();
            let name = listed["name"].as_str().unwrap().to_owned();
            (name, (number("keys"), number("bytes")))
        })
        .collect()
}

fn listed(server: &Server, name: &str) -> (u64, u64) {
    let path = NAMESPACES
        .iter()
        .find(|path| path.replace("%20", " ").replace("%2F", "/") == name);
    let answer = server.ask("GET", &format!("/kv/{}?limit=1000", path.unwrap()), b"");
    let page: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(page["cursor"], Value::Null, "one page holds all of it");
    let items = page["items"].as_array().unwrap();
    let bytes = items.iter().map(|item| {
        let key = item["key"].as_str().unwrap().len() as u64;
        key + item["size"].as_u64().unwrap()
    });
    (items.len() as u64, bytes.sum())
}

/// Kills the server during its start, while it recovers from the previous crash. There is no event to wait for.
fn kill_while_starting(data: &Path, millis: u64) {
    let mut command = akvs();
    command
        .args(["--listen", "127.0.0.1:0", "--data-dir"])
        .arg(data);
    let server = Server::spawn(&mut command);
    std::thread::sleep(Duration::from_millis(millis));
    server.kill();
}

/// A client with its own keys, and their possible values.
struct Writer {
    number: u64,
    written: u64,
    random: Random,
    known: BTreeMap<u64, Possible>,
}

impl Writer {
    fn new(number: u64, seed: u64) -> Writer {
        Writer {
            number,
            written: 0,
            random: Random::new(seed),
            known: (0..KEYS).map(|key| (key, vec![None])).collect(),
        }
    }

    fn path(&self, key: u64) -> String {
        let namespace = NAMESPACES[usize::try_from(key).unwrap() % NAMESPACES.len()];
        format!("/kv/{namespace}/{}-{key}", self.number)
    }

    /// Sets and deletes at random, and reads back, until the connection ends.
    fn write_until_killed(&mut self, address: &str, answered: &Sender<()>) {
        let Ok(mut connection) = Connection::to(address) else {
            return;
        };
        loop {
            let key = self.random.below(KEYS);
            let value = (self.random.below(4) != 0).then(|| self.value());
            let path = self.path(key);
            let possible = self.known.get_mut(&key).unwrap();
            let before = possible.pop().unwrap();
            *possible = vec![before, value.clone()];
            let answer = match &value {
                Some(value) => connection.ask("POST", &path, value),
                None => connection.ask("DELETE", &path, b""),
            };
            let Ok(answer) = answer else {
                return;
            };
            assert_eq!(
                answer.status,
                if value.is_some() { 201 } else { 200 },
                "{path}"
            );
            *possible = vec![value];
            _ = answered.send(());
            if self.random.below(8) == 0 && !self.write_what_ends(&mut connection) {
                return;
            }
            if self.random.below(8) == 0 {
                let Ok(found) = read(&mut connection, &path) else {
                    return;
                };
                let wrong = brief(found.as_deref());
                assert!(
                    self.known[&key].contains(&found),
                    "{path} was just written, and holds {wrong}"
                );
            }
        }
    }

    /// Sets a key that expires soon, which only the server tracks; returns true if it was answered.
    fn write_what_ends(&mut self, connection: &mut Connection) -> bool {
        let (key, millis) = (self.random.below(KEYS), 1 + self.random.below(40));
        let path = format!("{}-ends?ttl={millis}ms", self.path(key));
        let value = self.value();
        let answer = connection.ask("POST", &path, &value);
        answer.is_ok_and(|answer| answer.status == 201)
    }

    /// Compares all keys with their possible values, and keeps the found ones.
    fn verify(&mut self, server: &Server, round: u64) {
        let mut connection = server.connect();
        for key in 0..KEYS {
            let path = self.path(key);
            let found = read(&mut connection, &path).unwrap();
            let possible = self.known.get_mut(&key).unwrap();
            assert!(
                possible.contains(&found),
                "round {round}: {path} holds {}, not one of {:?}",
                brief(found.as_deref()),
                possible
                    .iter()
                    .map(|value| brief(value.as_deref()))
                    .collect::<Vec<_>>()
            );
            *possible = vec![found];
        }
    }

    /// Returns a new value; some are large enough for the engine's value files.
    fn value(&mut self) -> Vec<u8> {
        self.written += 1;
        let length = match self.random.below(10) {
            0 => 0,
            1 => 5_000 + self.random.below(60_000),
            _ => self.random.below(2_000),
        };
        let mut value = format!("{}/{} ", self.number, self.written).into_bytes();
        let fill = b'a' + u8::try_from(self.written % 26).unwrap();
        value.resize(value.len() + usize::try_from(length).unwrap(), fill);
        value
    }
}

fn read(connection: &mut Connection, path: &str) -> io::Result<Option<Vec<u8>>> {
    let answer = connection.ask("GET", path, b"")?;
    match answer.status {
        200 => Ok(Some(answer.body)),
        404 => Ok(None),
        other => panic!("{path}: {other}"),
    }
}

fn brief(value: Option<&[u8]>) -> String {
    value.map_or("nothing".into(), |value| {
        let start = &value[..value.len().min(16)];
        format!("{} bytes {:?}", value.len(), String::from_utf8_lossy(start))
    })
}

/// A pseudo-random generator: xorshift.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}
