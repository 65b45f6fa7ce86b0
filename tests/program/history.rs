//! What clients saw of one key, and whether one order of their operations explains it (linearizability).
//!
//! Owns the record of a key and the sequential meaning of a key, as http-api's sections 1, 3 and 4 promise it: a number
//! with a revision, or nothing. The search for an order is the library's. An operation without an answer stays open: it
//! may have happened at any time after it was sent, or never. Knows no server and no HTTP.

use std::cell::Cell;
use std::fmt::Write as _;
use std::rc::Rc;

use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};

/// Far more than the search takes where there is an order; it is exponential where there is none.
const MAX_STEPS: u64 = 100_000;

/// One who has at most one operation under way. The search tries low numbers first: give later clients lower ones, and
/// what earlier ones left open is supposed to have happened only where nothing else explains what was seen.
pub(crate) type Client = u32;

/// What must hold for a write to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    None,
    Absent,
    Exists,
    /// Only one that an answer about this key has named: whoever names it was told of it before.
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
    /// The write was done. Deleting nothing takes no revision; only adding tells the value.
    Done {
        existed: bool,
        revision: Option<u64>,
        sum: Option<i64>,
    },
    /// The condition did not hold, with the revision there was.
    Refused {
        current: Option<u64>,
    },
    /// What the search says of an open operation.
    Unknown,
}

impl Answer {
    fn revision(self) -> Option<u64> {
        match self {
            Answer::Found { revision, .. } => Some(revision),
            Answer::Done { revision, .. } => revision,
            Answer::Refused { current } => current,
            Answer::Missing | Answer::Unknown => None,
        }
    }
}

/// One key, with the revision only where an answer told it.
#[derive(Clone, Debug)]
struct OneKey {
    entry: Option<(i64, Option<u64>)>,
    highest: u64,
    steps: Rc<Cell<u64>>,
}

impl OneKey {
    fn new(steps: &Rc<Cell<u64>>) -> OneKey {
        OneKey {
            entry: None,
            highest: 0,
            steps: Rc::clone(steps),
        }
    }

    fn holds(&self, condition: Condition) -> bool {
        match condition {
            Condition::None => true,
            Condition::Absent => self.entry.is_none(),
            Condition::Exists => self.entry.is_some(),
            // A revision that nobody was told of is none that anybody names.
            Condition::Revision(wanted) => {
                self.entry.and_then(|(_, revision)| revision) == Some(wanted)
            }
        }
    }

    /// Does it, if its condition holds; `revision` is the one it took, where that is known.
    fn write(&mut self, operation: Operation, revision: Option<u64>) -> bool {
        let (condition, value) = match operation {
            Operation::Get => return false,
            Operation::Set(value, condition) => (condition, Some(value)),
            Operation::Add(by, condition) => {
                (condition, Some(self.entry.map_or(0, |(old, _)| old) + by))
            }
            Operation::Delete(condition) => (condition, None),
        };
        let newer = revision.is_none_or(|revision| revision > self.highest);
        let done = newer && self.holds(condition);
        if done {
            self.highest = revision.unwrap_or(self.highest);
            self.entry = value.map(|value| (value, revision));
        }
        done
    }

    /// The entry has this revision; an open write's is learnt here.
    fn has(&mut self, told: u64) -> bool {
        match &mut self.entry {
            Some((_, Some(revision))) => *revision == told,
            Some((_, unknown)) if told > self.highest => {
                *unknown = Some(told);
                self.highest = told;
                true
            }
            Some(_) | None => false,
        }
    }

    fn done(&mut self, operation: Operation, answer: (bool, Option<u64>, Option<i64>)) -> bool {
        let (existed, revision, sum) = answer;
        let takes_one = existed || !matches!(operation, Operation::Delete(_));
        let adds = matches!(operation, Operation::Add(..));
        existed == self.entry.is_some()
            && takes_one == revision.is_some()
            && self.write(operation, revision)
            && sum == self.entry.map(|(value, _)| value).filter(|_| adds)
    }

    fn refused(&mut self, operation: Operation, current: Option<u64>) -> bool {
        let condition = match operation {
            Operation::Get => return false,
            Operation::Set(_, condition)
            | Operation::Add(_, condition)
            | Operation::Delete(condition) => condition,
        };
        !self.holds(condition)
            && match current {
                None => self.entry.is_none(),
                Some(current) => self.has(current),
            }
    }
}

impl SequentialSpec for OneKey {
    type Op = Operation;
    type Ret = Answer;

    fn invoke(&mut self, operation: &Operation) -> Answer {
        _ = self.write(*operation, None);
        Answer::Unknown
    }

    fn is_valid_step(&mut self, operation: &Operation, answer: &Answer) -> bool {
        let steps = self.steps.get() + 1;
        self.steps.set(steps);
        if steps > MAX_STEPS {
            return false;
        }
        match *answer {
            Answer::Missing => *operation == Operation::Get && self.entry.is_none(),
            Answer::Found { value, revision } => {
                let same = self.entry.is_some_and(|(current, _)| current == value);
                *operation == Operation::Get && same && self.has(revision)
            }
            Answer::Done {
                existed,
                revision,
                sum,
            } => self.done(*operation, (existed, revision, sum)),
            Answer::Refused { current } => self.refused(*operation, current),
            Answer::Unknown => false,
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Sent(Client, Operation),
    Answered(Client, Answer),
}

/// What happened to one key, in the order in which it was seen.
#[derive(Debug, Default)]
pub(crate) struct History(Vec<Event>);

impl History {
    /// Is told before the first byte is sent.
    pub(crate) fn sent(&mut self, client: Client, operation: Operation) {
        self.0.push(Event::Sent(client, operation));
    }

    /// Is told after the last byte was received.
    pub(crate) fn answered(&mut self, client: Client, answer: Answer) {
        self.0.push(Event::Answered(client, answer));
    }

    /// The revisions that answers have named, the newest answer's first.
    pub(crate) fn revisions(&self) -> impl Iterator<Item = u64> {
        self.0.iter().rev().filter_map(|event| match event {
            Event::Sent(..) => None,
            Event::Answered(_, answer) => answer.revision(),
        })
    }

    /// How many operations were answered, and how many were not.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let answered = self.0.iter();
        let answered = answered.filter(|event| matches!(event, Event::Answered(..)));
        let answered = answered.count();
        (answered, self.0.len() - 2 * answered)
    }

    /// How many steps the search for an order took; else an account of the first answer that no order explains.
    pub(crate) fn check(&self) -> Result<u64, String> {
        let (explained, steps) = explain(&self.0);
        if explained {
            return Ok(steps);
        }
        // What was once wrong stays wrong: the shortest start of it is the easiest to read, and to search.
        let mut ends = (1..=self.0.len()).map(|end| (end, explain(&self.0[..end])));
        let wrong = ends.find(|(_, (explained, _))| !explained);
        let (end, (_, steps)) = wrong.unwrap_or((self.0.len(), (false, steps)));
        let mut account = match steps > MAX_STEPS {
            true => format!("no order was found in {MAX_STEPS} steps"),
            false => "no order explains the last of these answers".to_owned(),
        };
        for event in &self.0[..end] {
            _ = write!(account, "\n{event:?}");
        }
        Err(account)
    }
}

/// Whether there is an order, and how many steps the search took.
fn explain(events: &[Event]) -> (bool, u64) {
    let steps = Rc::new(Cell::new(0));
    let mut tester = LinearizabilityTester::new(OneKey::new(&steps));
    for (at, event) in events.iter().enumerate() {
        let told = match *event {
            // A read that nobody saw the answer of says nothing.
            Event::Sent(client, Operation::Get) if is_open(client, &events[at..]) => continue,
            Event::Sent(client, operation) => tester.on_invoke(client, operation),
            Event::Answered(client, answer) => tester.on_return(client, answer),
        };
        assert!(told.is_ok(), "no history: {events:#?}");
    }
    (tester.is_consistent(), steps.get())
}

fn is_open(client: Client, rest: &[Event]) -> bool {
    !rest
        .iter()
        .any(|event| matches!(event, Event::Answered(other, _) if *other == client))
}

const SET_1: Operation = Operation::Set(1, Condition::None);
const SET_2: Operation = Operation::Set(2, Condition::None);
const FOUND_1: Answer = Answer::Found {
    value: 1,
    revision: 10,
};

fn done(existed: bool, revision: u64) -> Option<Answer> {
    Some(Answer::Done {
        existed,
        revision: Some(revision),
        sum: None,
    })
}

/// Each in turn, by a client of its own; what has no answer stays open.
fn one_by_one(operations: &[(Operation, Option<Answer>)]) -> Result<u64, String> {
    let mut history = History::default();
    let clients = (0..Client::MAX).rev();
    for (client, (operation, answer)) in clients.zip(operations) {
        history.sent(client, *operation);
        if let Some(answer) = answer {
            history.answered(client, *answer);
        }
    }
    history.check()
}

#[test]
fn an_answered_write_is_seen_by_every_later_read() {
    let set = (SET_1, done(false, 10));
    one_by_one(&[set, (Operation::Get, Some(FOUND_1))]).unwrap();
    one_by_one(&[set, (Operation::Get, Some(Answer::Missing))]).unwrap_err();
    let newer = (SET_2, done(true, 11));
    one_by_one(&[set, newer, (Operation::Get, Some(FOUND_1))]).unwrap_err();
}

#[test]
fn an_open_write_may_come_late_or_never_but_once() {
    let open = (SET_1, None);
    let (found, missing) = (Some(FOUND_1), Some(Answer::Missing));
    let get = |answer| (Operation::Get, answer);
    one_by_one(&[open, get(missing), get(missing)]).unwrap();
    one_by_one(&[open, get(missing), get(found), get(found)]).unwrap();
    one_by_one(&[open, get(found), get(missing)]).unwrap_err();
    one_by_one(&[get(found), open]).unwrap_err();
    let delete = (Operation::Delete(Condition::None), done(true, 11));
    one_by_one(&[open, get(found), delete, get(found)]).unwrap_err();
}

#[test]
fn of_two_conditional_writes_one_is_done() {
    let first = (SET_1, done(false, 10));
    let conditional = Operation::Set(2, Condition::Revision(10));
    let refused = |current| Some(Answer::Refused { current });
    let won = (conditional, done(true, 11));
    one_by_one(&[first, won, (conditional, refused(Some(11)))]).unwrap();
    one_by_one(&[first, won, (conditional, done(true, 12))]).unwrap_err();
    one_by_one(&[first, (conditional, refused(Some(10)))]).unwrap_err();
    one_by_one(&[first, won, (conditional, refused(None))]).unwrap_err();
}

#[test]
fn revisions_only_grow() {
    one_by_one(&[(SET_1, done(false, 10)), (SET_2, done(true, 11))]).unwrap();
    one_by_one(&[(SET_1, done(false, 10)), (SET_2, done(true, 10))]).unwrap_err();
}

#[test]
fn nothing_is_added_twice() {
    let add = Operation::Add(1, Condition::None);
    let sum = |existed, revision, sum| {
        let (revision, sum) = (Some(revision), Some(sum));
        let answer = Answer::Done {
            existed,
            revision,
            sum,
        };
        (add, Some(answer))
    };
    one_by_one(&[sum(false, 1, 1), (add, None), sum(true, 3, 3)]).unwrap();
    one_by_one(&[sum(false, 1, 1), sum(true, 3, 3)]).unwrap_err();
}
