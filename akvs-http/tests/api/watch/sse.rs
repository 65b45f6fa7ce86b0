//! A watch over a bare socket, read as strictly as the contract is written: what is not allowed there panics here.

use std::io::BufRead;

use serde_json::Value;
use tokio::time::Instant;

use akvs_testing::raw::{ANSWER_TIMEOUT, Answer, Connection, request};
use akvs_testing::server::TestServer;

/// An event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) id: Option<u64>,
    pub(crate) data: Value,
}

impl Event {
    /// Its key, which is text.
    pub(crate) fn key(&self) -> &str {
        let key = self.data["key"].as_str();
        key.unwrap_or_else(|| panic!("a key: {self:?}"))
    }

    /// The revision in its data.
    pub(crate) fn revision(&self) -> u64 {
        let revision = self.data["revision"].as_u64();
        revision.unwrap_or_else(|| panic!("a revision: {self:?}"))
    }

    /// Its name and its revision, which its id says too, of one that is about no key.
    pub(crate) fn change_of_all(&self) -> (&str, u64) {
        assert_eq!(self.id, Some(self.revision()), "{self:?}");
        assert_eq!(self.data.get("key"), None, "{self:?}");
        (&self.name, self.revision())
    }

    /// Its name, its key and its revision, which its id says too.
    pub(crate) fn change(&self) -> (&str, &str, u64) {
        assert_eq!(self.id, Some(self.revision()), "{self:?}");
        (&self.name, self.key(), self.revision())
    }
}

/// What comes next.
#[derive(Debug, PartialEq)]
pub(crate) enum Told {
    Comment(String),
    Event(Event),
    /// The body ended as it should.
    End,
    /// The connection ended in the middle of it.
    Cut,
}

/// An open watch.
pub(crate) struct Watch {
    pub(crate) connection: Connection,
    pub(crate) head: Answer,
    /// What it said first.
    pub(crate) hello: String,
    text: Vec<u8>,
    /// So much of it are lines of which a blank one is still to come.
    seen: usize,
    /// Up to this revision everything was told, as far as it was said.
    position: u64,
}

impl Watch {
    /// Watches the namespace `ns`; returns once that has begun.
    pub(crate) fn open(app: &TestServer, query: &str) -> Watch {
        Watch::resume(app, query, None)
    }

    /// The same, of a client that has seen an event with this id.
    pub(crate) fn resume(app: &TestServer, query: &str, last: Option<u64>) -> Watch {
        let path = format!("/watch/ns?{query}");
        let header = last.map_or(String::new(), |last| format!("Last-Event-ID: {last}\r\n"));
        Watch::over(app.connect(), &path, &header)
    }

    /// Watches over this connection.
    pub(crate) fn over(mut connection: Connection, path: &str, headers: &str) -> Watch {
        connection.send(request("GET", path, headers, b""));
        let head = connection.head().expect("a head");
        assert_eq!(head.status, 200, "{path}: {head:?}");
        let mut watch = Watch {
            connection,
            head,
            hello: String::new(),
            text: Vec::new(),
            seen: 0,
            position: 0,
        };
        let Told::Comment(hello) = watch.next() else {
            panic!("no comment comes first")
        };
        watch.hello = hello;
        watch
    }

    /// The revision after which it began.
    pub(crate) fn begin(&self) -> u64 {
        revision_of(&self.hello).expect("a revision")
    }

    /// Waits for a comment that says this revision, which must be the next that comes but earlier ones.
    pub(crate) fn comment_of(&mut self, revision: u64) {
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        loop {
            assert!(Instant::now() < deadline, "revision {revision} is not said");
            let Told::Comment(comment) = self.next() else {
                panic!("something else before revision {revision}")
            };
            let said = revision_of(&comment).expect("a revision");
            assert!(said <= revision, "{said} instead of {revision}");
            if said == revision {
                return;
            }
        }
    }

    /// What comes next.
    pub(crate) fn next(&mut self) -> Told {
        let end = loop {
            if let Some(end) = self.end_of_block() {
                break end;
            }
            match self.connection.chunk() {
                Some(chunk) if chunk.is_empty() => {
                    assert!(self.text.is_empty(), "it ends in the middle of an event");
                    return Told::End;
                }
                Some(chunk) => self.text.extend(chunk),
                None => return Told::Cut,
            }
        };
        let block: Vec<u8> = self.text.drain(..end).collect();
        let block = String::from_utf8(block).expect("text");
        let told = parse(block.trim_end_matches('\n'));
        self.check(&told);
        told
    }

    /// Where the first block in the text ends, if all of it is there.
    fn end_of_block(&mut self) -> Option<usize> {
        loop {
            let mut rest = &self.text[self.seen..];
            let line = rest.skip_until(b'\n').expect("memory");
            if line == 0 || self.text[self.seen + line - 1] != b'\n' {
                return None;
            }
            self.seen += line;
            if line == 1 {
                return Some(std::mem::take(&mut self.seen));
            }
        }
    }

    /// Nothing may be told of what was said to be over.
    fn check(&mut self, told: &Told) {
        let reached = match told {
            Told::Comment(comment) => revision_of(comment),
            Told::Event(event) => event.id.inspect(|id| {
                let is_new = *id > self.position || event.name == "synced";
                assert!(is_new, "{event:?} after {}", self.position);
            }),
            Told::End | Told::Cut => None,
        };
        if let Some(reached) = reached {
            let position = self.position;
            assert!(reached >= position, "{told:?} after {position}");
            self.position = reached;
        }
    }

    /// The next that is no comment.
    pub(crate) fn past_comments(&mut self) -> Told {
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        loop {
            match self.next() {
                Told::Comment(_) => assert!(Instant::now() < deadline, "nothing but comments"),
                told @ (Told::Event(_) | Told::End | Told::Cut) => return told,
            }
        }
    }

    /// The next event.
    pub(crate) fn event(&mut self) -> Event {
        match self.past_comments() {
            Told::Event(event) => event,
            other @ (Told::Comment(_) | Told::End | Told::Cut) => panic!("no event, but {other:?}"),
        }
    }

    /// So many events.
    pub(crate) fn events(&mut self, count: usize) -> Vec<Event> {
        (0..count).map(|_| self.event()).collect()
    }

    /// The entries of the state, and the event behind them.
    pub(crate) fn state(&mut self) -> (Vec<Event>, Event) {
        let mut entries = Vec::new();
        loop {
            let event = self.event();
            if event.name == "synced" {
                return (entries, event);
            }
            assert_eq!((&*event.name, event.id), ("set", None), "{event:?}");
            entries.push(event);
        }
    }

    /// All changes up to the one of this key, as name, key and revision.
    pub(crate) fn changes_until(&mut self, key: &str) -> Vec<(String, String, u64)> {
        let mut changes = Vec::new();
        loop {
            let event = self.event();
            let (name, changed, revision) = event.change();
            changes.push((name.to_owned(), changed.to_owned(), revision));
            if changed == key {
                return changes;
            }
        }
    }
}

/// The revision that a comment says.
pub(crate) fn revision_of(comment: &str) -> Option<u64> {
    comment.strip_prefix("revision ")?.parse().ok()
}

fn parse(block: &str) -> Told {
    if let Some(comment) = block.strip_prefix(':') {
        assert!(!comment.contains('\n'), "{block:?}");
        return Told::Comment(comment.trim_start().to_owned());
    }
    let mut lines = block.split('\n');
    let mut field = |name: &str| {
        let next = lines.clone().next()?;
        let value = next.strip_prefix(name)?.strip_prefix(": ")?;
        lines.next();
        Some(value)
    };
    let name = field("event").unwrap_or_else(|| panic!("an event: {block:?}"));
    let id = field("id").map(|id| id.parse().expect("a revision"));
    let data = field("data").unwrap_or_else(|| panic!("data: {block:?}"));
    let data = serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {block:?}"));
    let event = Event {
        name: name.to_owned(),
        id,
        data,
    };
    assert_eq!(lines.next(), None, "{block:?}");
    Told::Event(event)
}
