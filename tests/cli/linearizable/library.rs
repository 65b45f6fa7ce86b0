//! A second implementation of the check, by stateright's tester.
//!
//! The tester keeps no memory of failed attempts and copies the history at each step, so that its time has no bound. It
//! checks many short random histories, correct and incorrect, and parts of the history of a real server. The state is
//! the set of possible states of the key, since the tester knows only one state: an operation without an answer may
//! have been applied or not.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;

use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};

use super::search::answer_to;
use crate::history::{Answer, Client, Event, OneKey, Operation};

/// Returns whether there is an order that starts in one of these states; `None` if that is unknown after this number of
/// steps.
pub(super) fn confirm(start: &BTreeSet<OneKey>, events: &[Event], max_steps: u64) -> Option<bool> {
    let left = Rc::new(Cell::new(max_steps));
    let mut tester = LinearizabilityTester::new(Possible {
        keys: start.clone(),
        steps_left: Rc::clone(&left),
    });
    let mut open: Vec<Client> = Vec::new();
    for (at, event) in events.iter().enumerate() {
        let accepted = match *event {
            // A read without an answer has no effect.
            Event::Sent(client, Operation::Get)
                if answer_to(client, &events[at..]) == Answer::Unknown =>
            {
                continue;
            }
            Event::Sent(client, operation) => {
                open.push(client);
                // The tester tries low numbers first: operations that a kill may have left open must be tried last.
                tester.on_invoke(Client::MAX - client, operation)
            }
            Event::Answered(client, answer) => {
                open.retain(|other| *other != client);
                tester.on_return(Client::MAX - client, answer)
            }
            Event::Killed => {
                for client in open.drain(..) {
                    let accepted = tester.on_return(Client::MAX - client, Answer::Unknown);
                    assert!(accepted.is_ok(), "no history: {events:#?}");
                }
                continue;
            }
        };
        assert!(accepted.is_ok(), "no history: {events:#?}");
    }
    let explained = tester.is_consistent();
    (explained || left.get() > 0).then_some(explained)
}

/// The possible states of one key.
#[derive(Clone)]
struct Possible {
    keys: BTreeSet<OneKey>,
    steps_left: Rc<Cell<u64>>,
}

impl SequentialSpec for Possible {
    type Op = Operation;
    type Ret = Answer;

    fn invoke(&mut self, operation: &Operation) -> Answer {
        let done = self.keys.iter();
        let done = done.filter_map(|key| key.after(*operation, Answer::Unknown));
        let done: Vec<OneKey> = done.collect();
        self.keys.extend(done);
        Answer::Unknown
    }

    fn is_valid_step(&mut self, operation: &Operation, answer: &Answer) -> bool {
        let left = self.steps_left.get().saturating_sub(1);
        self.steps_left.set(left);
        if *answer == Answer::Unknown {
            self.invoke(operation);
        } else {
            let keys = std::mem::take(&mut self.keys).into_iter();
            self.keys = keys
                .filter_map(|key| key.after(*operation, *answer))
                .collect();
        }
        left > 0 && !self.keys.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::*;
    use crate::history::{Condition, History};
    use crate::linearizable::account::{account, smallest};
    use crate::linearizable::search::{explain, explain_from};

    const HISTORIES: u64 = 5_000;

    /// A server with one key that makes mistakes, and the history that its clients observe.
    struct Simulation {
        random: Rng,
        history: History,
        value: Option<i64>,
        revision: u64,
        entry_revision: u64,
        /// The value before the last change, and its revision.
        older: (Option<i64>, u64),
        next_client: Client,
        /// One answer in this number is wrong.
        mistakes: u64,
    }

    /// An operation in flight, with its answer once it was applied.
    type Waiting = (Client, Operation, Option<Answer>);

    impl Simulation {
        fn new(seed: u64) -> Simulation {
            let mut random = Rng::with_seed(seed);
            Simulation {
                mistakes: [2, 6, u64::MAX][random.usize(0..3)],
                random,
                history: History::default(),
                value: None,
                revision: 0,
                entry_revision: 0,
                older: (None, 0),
                next_client: 0,
            }
        }

        fn run(mut self) -> History {
            let mut waiting: Vec<Waiting> = Vec::new();
            let mut left = self.random.u32(2..10);
            while left > 0 || !waiting.is_empty() {
                match self.random.u32(0..16) {
                    0 if left > 0 => {
                        self.history.killed();
                        waiting.clear();
                    }
                    1..6 if left > 0 && waiting.len() < 4 => {
                        left -= 1;
                        let operation = self.choose();
                        self.history.sent(self.next_client, operation);
                        waiting.push((self.next_client, operation, None));
                        self.next_client += 1;
                    }
                    6.. if !waiting.is_empty() => {
                        let one = self.random.usize(0..waiting.len());
                        self.advance(&mut waiting, one);
                    }
                    _ => {}
                }
            }
            self.history
        }

        /// Applies an operation, or delivers or loses its answer.
        fn advance(&mut self, waiting: &mut Vec<Waiting>, one: usize) {
            let (client, operation, done) = waiting[one];
            match done {
                None => waiting[one].2 = Some(self.answer(operation)),
                Some(answer) => {
                    waiting.remove(one);
                    if self.random.u32(0..8) > 0 {
                        self.history.answered(client, answer);
                    }
                }
            }
        }

        fn choose(&mut self) -> Operation {
            let known = self.history.revisions().next();
            let condition = match (self.random.u32(0..6), known) {
                (0..2, Some(revision)) => Condition::Revision(revision),
                (2, _) => Condition::Absent,
                (3, _) => Condition::Exists,
                _ => Condition::None,
            };
            // Few different values, so that it is not obvious which write was read.
            let value = self.random.i64(1..3);
            match self.random.u32(0..4) {
                0 => Operation::Get,
                1 => Operation::Set(value, condition),
                2 => Operation::Add(value, condition),
                _ => Operation::Delete(condition),
            }
        }

        fn answer(&mut self, operation: Operation) -> Answer {
            let wrong = self.random.u64(0..self.mistakes) == 0;
            let before = (self.value, self.revision, self.entry_revision);
            if wrong && self.random.bool() {
                (self.value, self.entry_revision) = self.older;
            }
            let answer = self.correct_answer(operation);
            if wrong && self.random.bool() {
                (self.value, self.revision, self.entry_revision) = before;
            }
            answer
        }

        fn correct_answer(&mut self, operation: Operation) -> Answer {
            let existed = self.value.is_some();
            let revision = self.entry_revision;
            let (condition, value) = match operation {
                Operation::Get => {
                    return self
                        .value
                        .map_or(Answer::Missing, |value| Answer::Found { value, revision });
                }
                Operation::Set(value, condition) => (condition, Some(value)),
                Operation::Add(by, condition) => (condition, Some(self.value.unwrap_or(0) + by)),
                Operation::Delete(condition) => (condition, None),
            };
            let holds = match condition {
                Condition::None => true,
                Condition::Absent => !existed,
                Condition::Exists => existed,
                Condition::Revision(wanted) => existed && wanted == revision,
            };
            if !holds {
                return Answer::Refused {
                    current: existed.then_some(revision),
                };
            }
            let changes = existed || value.is_some();
            if changes {
                self.older = (self.value, self.entry_revision);
                self.revision += 1;
                self.entry_revision = self.revision;
                self.value = value;
            }
            Answer::Done {
                existed,
                revision: changes.then_some(self.revision),
                sum: value.filter(|_| matches!(operation, Operation::Add(..))),
            }
        }
    }

    #[test]
    fn the_library_and_the_search_agree() {
        let start = BTreeSet::from([OneKey::NEW]);
        let mut right = 0;
        for seed in 0..HISTORIES {
            let history = Simulation::new(seed).run();
            let events = history.events();
            let explained = explain(events).is_ok();
            let confirmed = confirm(&start, events, u64::MAX);
            assert_eq!(Some(explained), confirmed, "{seed}: {events:#?}");
            right += u64::from(explained);
            let smallest = smallest(events);
            assert_eq!(smallest.is_some(), !explained, "{seed}: {events:#?}");
            if let Some((start, fewer)) = smallest {
                assert!(explain_from(&start, &fewer).is_err(), "{seed}: {events:#?}");
                assert_eq!(confirm(&start, &fewer, u64::MAX), Some(false));
            }
        }
        println!("{right} of {HISTORIES} random histories were right");
        assert!((HISTORIES / 4..HISTORIES * 9 / 10).contains(&right));
    }

    #[test]
    fn a_history_without_mistakes_is_right() {
        for seed in 0..HISTORIES {
            let mut simulation = Simulation::new(seed);
            simulation.mistakes = u64::MAX;
            let history = simulation.run();
            let checked = explain(history.events());
            assert!(checked.is_ok(), "{seed}: {}", account(history.events()));
        }
    }
}
