//! A watch over a bare socket, whose parser panics at everything that the contract does not allow.

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
    /// Returns the key, which must be text.
    pub(crate) fn key(&self) -> &str {
        let key = self.data["key"].as_str();
        key.unwrap_or_else(|| panic!("a key: {self:?}"))
    }

    /// Returns the revision in the data.
    pub(crate) fn revision(&self) -> u64 {
        let revision = self.data["revision"].as_u64();
        revision.unwrap_or_else(|| panic!("a revision: {self:?}"))
    }

    /// Returns the name and the revision, which must equal the id, of an event without a key.
    pub(crate) fn change_of_all(&self) -> (&str, u64) {
        assert_eq!(self.id, Some(self.revision()), "{self:?}");
        assert_eq!(self.data.get("key"), None, "{self:?}");
        (&self.name, self.revision())
    }

    /// Returns the name, the key and the revision, which must equal the id.
    pub(crate) fn change(&self) -> (&str, &str, u64) {
        assert_eq!(self.id, Some(self.revision()), "{self:?}");
        (&self.name, self.key(), self.revision())
    }
}

/// The next part of a stream.
#[derive(Debug, PartialEq)]
pub(crate) enum Part {
    Comment(String),
    Event(Event),
    /// The body ended normally.
    End,
    /// The connection ended within the body.
    Cut,
}

/// An open watch.
pub(crate) struct Watch {
    pub(crate) connection: Connection,
    pub(crate) head: Answer,
    /// The first comment.
    pub(crate) first_comment: String,
    text: Vec<u8>,
    /// The bytes of `text` that are complete lines of an unfinished block.
    complete_bytes: usize,
    /// The revision up to which all changes were sent, according to ids and comments.
    position: u64,
}

impl Watch {
    /// Watches the namespace `ns`, and returns once the watch has started.
    pub(crate) fn open(app: &TestServer, query: &str) -> Watch {
        Watch::resume(app, query, None)
    }

    /// Watches the namespace `ns` as a client that has received an event with this id.
    pub(crate) fn resume(app: &TestServer, query: &str, last: Option<u64>) -> Watch {
        let path = format!("/watch/ns?{query}");
        let header = last.map_or(String::new(), |last| format!("Last-Event-ID: {last}\r\n"));
        Watch::on_connection(app.connect(), &path, &header)
    }

    /// Watches over this connection.
    pub(crate) fn on_connection(mut connection: Connection, path: &str, headers: &str) -> Watch {
        connection.send(request("GET", path, headers, b""));
        let head = connection.head().expect("a head");
        assert_eq!(head.status, 200, "{path}: {head:?}");
        let mut watch = Watch {
            connection,
            head,
            first_comment: String::new(),
            text: Vec::new(),
            complete_bytes: 0,
            position: 0,
        };
        let Part::Comment(first_comment) = watch.next() else {
            panic!("expected a comment first")
        };
        watch.first_comment = first_comment;
        watch
    }

    /// Returns the revision after which the watch started.
    pub(crate) fn start_revision(&self) -> u64 {
        comment_revision(&self.first_comment).expect("a revision")
    }

    /// Waits for a comment with this revision, before which only comments with earlier revisions may come.
    pub(crate) fn wait_for_comment(&mut self, revision: u64) {
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        loop {
            assert!(
                Instant::now() < deadline,
                "revision {revision} is not reported"
            );
            let Part::Comment(comment) = self.next() else {
                panic!("expected only comments before revision {revision}")
            };
            let found = comment_revision(&comment).expect("a revision");
            assert!(found <= revision, "{found} instead of {revision}");
            if found == revision {
                return;
            }
        }
    }

    /// Returns the next part.
    pub(crate) fn next(&mut self) -> Part {
        let end = loop {
            if let Some(end) = self.end_of_block() {
                break end;
            }
            match self.connection.chunk() {
                Some(chunk) if chunk.is_empty() => {
                    assert!(self.text.is_empty(), "the body ends within an event");
                    return Part::End;
                }
                Some(chunk) => self.text.extend(chunk),
                None => return Part::Cut,
            }
        };
        let block: Vec<u8> = self.text.drain(..end).collect();
        let block = String::from_utf8(block).expect("text");
        let part = parse(block.trim_end_matches('\n'));
        self.check(&part);
        part
    }

    /// Returns the end of the first block in the text, if it is complete.
    fn end_of_block(&mut self) -> Option<usize> {
        loop {
            let mut rest = &self.text[self.complete_bytes..];
            let line = rest.skip_until(b'\n').expect("memory");
            if line == 0 || self.text[self.complete_bytes + line - 1] != b'\n' {
                return None;
            }
            self.complete_bytes += line;
            if line == 1 {
                return Some(std::mem::take(&mut self.complete_bytes));
            }
        }
    }

    /// Asserts that no event or comment is older than the position.
    fn check(&mut self, part: &Part) {
        let reached = match part {
            Part::Comment(comment) => comment_revision(comment),
            Part::Event(event) => event.id.inspect(|id| {
                let is_new = *id > self.position || event.name == "synced";
                assert!(is_new, "{event:?} after {}", self.position);
            }),
            Part::End | Part::Cut => None,
        };
        if let Some(reached) = reached {
            let position = self.position;
            assert!(reached >= position, "{part:?} after {position}");
            self.position = reached;
        }
    }

    /// Returns the next part that is not a comment.
    pub(crate) fn next_without_comments(&mut self) -> Part {
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        loop {
            match self.next() {
                Part::Comment(_) => assert!(Instant::now() < deadline, "nothing but comments"),
                part @ (Part::Event(_) | Part::End | Part::Cut) => return part,
            }
        }
    }

    /// The next event.
    pub(crate) fn event(&mut self) -> Event {
        match self.next_without_comments() {
            Part::Event(event) => event,
            other @ (Part::Comment(_) | Part::End | Part::Cut) => {
                panic!("expected an event, found {other:?}")
            }
        }
    }

    /// Returns the next `count` events.
    pub(crate) fn events(&mut self, count: usize) -> Vec<Event> {
        (0..count).map(|_| self.event()).collect()
    }

    /// Returns the entries of the state, and the event after them.
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

    /// Returns all changes up to that of this key, as name, key and revision.
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

/// Returns the revision in a comment.
pub(crate) fn comment_revision(comment: &str) -> Option<u64> {
    comment.strip_prefix("revision ")?.parse().ok()
}

fn parse(block: &str) -> Part {
    if let Some(comment) = block.strip_prefix(':') {
        assert!(!comment.contains('\n'), "{block:?}");
        return Part::Comment(comment.trim_start().to_owned());
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
    Part::Event(event)
}
