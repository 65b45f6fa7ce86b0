//! The history of one key: what clients sent and received, and the sequential meaning of a key.
//!
//! It owns the record of events, and the meaning of operations by sections 1, 3 and 4 of http-api: a number with a
//! revision, or nothing. It searches no order (`linearizable::search` does), and does not know servers and HTTP.

use std::fmt;

/// A client, which has at most one operation in flight.
pub(crate) type Client = u32;

/// The condition of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    None,
    Absent,
    Exists,
    Revision(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Get,
    Set(i64, Condition),
    Add(i64, Condition),
    Delete(Condition),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Found {
        value: i64,
        revision: u64,
    },
    Missing,
    /// The write was applied. Deleting a missing key has no revision; only an addition has a sum.
    Done {
        existed: bool,
        revision: Option<u64>,
        sum: Option<i64>,
    },
    /// The condition failed; with the current revision.
    Refused {
        current: Option<u64>,
    },
    /// No answer was received.
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Sent(Client, Operation),
    Answered(Client, Answer),
    /// The server was killed. A write without an answer was applied before, or never will be.
    Killed,
}

impl Operation {
    fn condition(self) -> Condition {
        match self {
            Operation::Get => Condition::None,
            Operation::Set(_, condition)
            | Operation::Add(_, condition)
            | Operation::Delete(condition) => condition,
        }
    }

    /// Returns the value after the operation, if its condition holds.
    fn result(self, old: Option<i64>) -> Option<i64> {
        match self {
            Operation::Get => old,
            Operation::Set(value, _) => Some(value),
            Operation::Add(by, _) => Some(old.unwrap_or(0) + by),
            Operation::Delete(_) => None,
        }
    }
}

impl Answer {
    pub(crate) fn revision(self) -> Option<u64> {
        match self {
            Answer::Found { revision, .. } => Some(revision),
            Answer::Done { revision, .. } => revision,
            Answer::Refused { current } => current,
            Answer::Missing | Answer::Unknown => None,
        }
    }

    /// Returns whether the answer means that nothing changed.
    pub(crate) fn is_unchanged(self) -> bool {
        match self {
            Answer::Found { .. } | Answer::Missing | Answer::Refused { .. } => true,
            Answer::Done { revision, .. } => revision.is_none(),
            Answer::Unknown => false,
        }
    }
}

/// A possible state of the key. If no answer had the newest revision, this state stands for all with a greater one: it
/// permits what any of them permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OneKey {
    value: Option<i64>,
    revision: u64,
    /// Whether the revision is a lower bound.
    is_lower_bound: bool,
}

impl OneKey {
    /// The state before the first operation.
    pub(crate) const NEW: OneKey = OneKey {
        value: None,
        revision: 0,
        is_lower_bound: false,
    };

    /// Returns the newest revision, or its lower bound.
    pub(crate) fn revision(self) -> u64 {
        self.revision
    }

    /// Returns the state after this operation, if the operation can have this answer.
    pub(crate) fn after(self, operation: Operation, answer: Answer) -> Option<OneKey> {
        let reads = operation == Operation::Get;
        match answer {
            Answer::Missing => (reads && self.value.is_none()).then_some(self),
            Answer::Found { value, revision } if reads && self.value == Some(value) => {
                self.at(revision)
            }
            Answer::Done {
                existed,
                revision,
                sum,
            } if !reads => self.after_write(operation, (existed, revision, sum)),
            Answer::Refused { current } if !reads => {
                let key = match current {
                    Some(revision) => self.at(revision)?,
                    None if self.value.is_none() => self,
                    None => return None,
                };
                let holds = key.meets(operation.condition()).is_some();
                (!holds).then_some(key)
            }
            Answer::Unknown => Some(self.after_unanswered(operation)),
            Answer::Found { .. } | Answer::Done { .. } | Answer::Refused { .. } => None,
        }
    }

    fn after_write(
        self,
        operation: Operation,
        (existed, revision, sum): (bool, Option<u64>, Option<i64>),
    ) -> Option<OneKey> {
        let key = self.meets(operation.condition())?;
        let value = operation.result(key.value);
        let adds = matches!(operation, Operation::Add(..));
        let changes = existed || value.is_some();
        let fits = existed == key.value.is_some()
            && sum == value.filter(|_| adds)
            && changes == revision.is_some()
            && revision.is_none_or(|revision| revision > key.revision);
        fits.then_some(OneKey {
            value,
            revision: revision.unwrap_or(key.revision),
            is_lower_bound: false,
        })
    }

    /// Applies an operation whose answer is unknown: nothing if the condition fails, else a change with an unknown
    /// revision.
    fn after_unanswered(self, operation: Operation) -> OneKey {
        let Some(key) = self.meets(operation.condition()) else {
            return self;
        };
        let value = operation.result(key.value);
        if operation == Operation::Get || (value.is_none() && key.value.is_none()) {
            return self;
        }
        OneKey {
            value,
            revision: key.revision + 1,
            is_lower_bound: value.is_some(),
        }
    }

    /// Returns the state if the condition holds.
    fn meets(self, condition: Condition) -> Option<OneKey> {
        match condition {
            Condition::None => Some(self),
            Condition::Absent => self.value.is_none().then_some(self),
            Condition::Exists => self.value.is_some().then_some(self),
            Condition::Revision(revision) => self.at(revision),
        }
    }

    /// Returns the state if the entry can have this revision.
    fn at(self, revision: u64) -> Option<OneKey> {
        let can = revision == self.revision || self.is_lower_bound && revision > self.revision;
        (can && self.value.is_some()).then_some(OneKey {
            revision,
            is_lower_bound: false,
            ..self
        })
    }
}

/// The events of one key, in the order in which they were observed.
#[derive(Debug, Default)]
pub(crate) struct History(Vec<Event>);

impl History {
    /// Records an operation; called before its first byte is sent.
    pub(crate) fn sent(&mut self, client: Client, operation: Operation) {
        self.0.push(Event::Sent(client, operation));
    }

    /// Records an answer; called after its last byte was received.
    pub(crate) fn answered(&mut self, client: Client, answer: Answer) {
        self.0.push(Event::Answered(client, answer));
    }

    /// Records the end of the server; called after its process has ended and all its answers were received.
    pub(crate) fn killed(&mut self) {
        self.0.push(Event::Killed);
    }

    pub(crate) fn events(&self) -> &[Event] {
        &self.0
    }

    /// Returns the revisions of the answers, newest first.
    pub(crate) fn revisions(&self) -> impl Iterator<Item = u64> {
        self.0.iter().rev().filter_map(|event| match event {
            Event::Sent(..) | Event::Killed => None,
            Event::Answered(_, answer) => answer.revision(),
        })
    }

    /// Returns the numbers of answered and unanswered operations.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let sent = self
            .0
            .iter()
            .filter(|event| matches!(event, Event::Sent(..)));
        let answered = self.0.iter();
        let answered = answered.filter(|event| matches!(event, Event::Answered(..)));
        let (sent, answered) = (sent.count(), answered.count());
        (answered, sent - answered)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Condition::None => Ok(()),
            Condition::Absent => f.write_str(" if it does not exist"),
            Condition::Exists => f.write_str(" if it exists"),
            Condition::Revision(revision) => write!(f, " if it is at revision {revision}"),
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Operation::Get => f.write_str("get"),
            Operation::Set(value, condition) => write!(f, "set {value}{condition}"),
            Operation::Add(by, condition) => write!(f, "add {by}{condition}"),
            Operation::Delete(condition) => write!(f, "delete{condition}"),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Found { value, revision } => write!(f, "{value} at revision {revision}"),
            Answer::Missing => f.write_str("nothing there (404)"),
            Answer::Done {
                existed,
                revision,
                sum,
            } => {
                f.write_str("done")?;
                if let Some(sum) = sum {
                    write!(f, ", now {sum}")?;
                }
                if let Some(revision) = revision {
                    write!(f, ", at revision {revision}")?;
                }
                f.write_str([", there was none", ", there was one"][usize::from(*existed)])
            }
            Answer::Refused {
                current: Some(revision),
            } => write!(f, "refused (412), it is at revision {revision}"),
            Answer::Refused { current: None } => f.write_str("refused (412), nothing there"),
            Answer::Unknown => f.write_str("unknown"),
        }
    }
}

impl fmt::Display for OneKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from = ["", " or later"][usize::from(self.is_lower_bound)];
        match self.value {
            Some(value) => write!(f, "{value} at revision {}{from}", self.revision),
            None => write!(f, "nothing since revision {}{from}", self.revision),
        }
    }
}
