//! The search for an order that explains the history of one key (linearizability).
//!
//! It processes the events in order and keeps all possible states: the state of the key, and which of the open
//! operations have been applied. An operation is assumed to be applied only when an answer requires it, or if it
//! changes nothing; operations that are open at a kill were applied before, or never will be. This is the search of
//! Wing and Gong with Lowe's memoization, breadth first: since equal states are kept once, it needs no bound on its
//! steps and always decides. Invariant: there is an order as long as one state is left.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::{Answer, Client, Event, OneKey, Operation};

/// The state of the search after some events.
pub(super) struct Search {
    /// The operations in flight, with the answers that they will receive.
    open: BTreeMap<Client, (Operation, Answer)>,
    possible: BTreeSet<Possible>,
    max_states: usize,
}

/// A possible state.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Possible {
    key: OneKey,
    /// The clients whose open operations have been applied.
    done: BTreeSet<Client>,
}

/// Returns the maximum number of states that were kept, or the position of the first answer that no order explains.
pub(super) fn explain(events: &[Event]) -> Result<usize, usize> {
    explain_from(&BTreeSet::from([OneKey::NEW]), events)
}

/// Does the same from these states of the key.
pub(super) fn explain_from(start: &BTreeSet<OneKey>, events: &[Event]) -> Result<usize, usize> {
    let mut search = Search::new(start);
    match (0..events.len()).find(|at| !search.step(&events[*at..])) {
        Some(at) => Err(at),
        None => Ok(search.max_states),
    }
}

/// Splits events that have an order at moments without operations in flight into parts of a minimum length, with the
/// possible states of the key before each.
pub(super) fn parts(events: &[Event], min_events: usize) -> Vec<(BTreeSet<OneKey>, &[Event])> {
    let mut start = BTreeSet::from([OneKey::NEW]);
    let mut search = Search::new(&start);
    let (mut parts, mut from) = (Vec::new(), 0);
    for at in 0..events.len() {
        search.step(&events[at..]);
        let is_last = at + 1 == events.len();
        if is_last || search.is_settled() && at + 1 - from >= min_events {
            parts.push((
                std::mem::replace(&mut start, search.keys()),
                &events[from..=at],
            ));
            from = at + 1;
        }
    }
    parts
}

impl Search {
    pub(super) fn new(start: &BTreeSet<OneKey>) -> Search {
        let possible = |key: &OneKey| Possible {
            key: *key,
            done: BTreeSet::new(),
        };
        Search {
            open: BTreeMap::new(),
            possible: start.iter().map(possible).collect(),
            max_states: 0,
        }
    }

    /// Returns the possible states of the key.
    pub(super) fn keys(&self) -> BTreeSet<OneKey> {
        self.possible.iter().map(|possible| possible.key).collect()
    }

    /// Returns a start for the remaining events that is independent of the order so far: the states of the key, and the
    /// operations that are still in flight. `None` if it depends on the order.
    pub(super) fn cut(&self) -> Option<(BTreeSet<OneKey>, Vec<Event>)> {
        let done = &self.possible.first()?.done;
        let same = self.possible.iter().all(|possible| possible.done == *done);
        let is_over = |client| self.open.get(client).is_some_and(is_unknown);
        let open = self.open.iter();
        let open = open.filter(|(client, _)| !done.contains(client));
        let open = open.map(|(client, (operation, _))| Event::Sent(*client, *operation));
        (same && done.iter().all(is_over)).then(|| (self.keys(), open.collect()))
    }

    /// Returns whether no operation is in flight, so that only the state of the key matters for later events.
    pub(super) fn is_settled(&self) -> bool {
        self.open.is_empty()
    }

    /// Processes the first of these events; returns whether there still is an order.
    pub(super) fn step(&mut self, events: &[Event]) -> bool {
        let possible = std::mem::take(&mut self.possible);
        self.possible = match events[0] {
            Event::Sent(client, operation) => {
                let answer = answer_to(client, &events[1..]);
                self.open.insert(client, (operation, answer));
                possible.into_iter().map(|p| self.settled(p)).collect()
            }
            Event::Answered(client, _) => {
                let all = self.reach(possible, Some(client));
                self.open.remove(&client);
                let explained = all.into_iter().filter_map(|mut possible| {
                    let happened = possible.done.remove(&client);
                    happened.then_some(possible)
                });
                explained.collect()
            }
            Event::Killed => {
                let all = self.reach(possible, None);
                self.open.clear();
                let over = all.into_iter().map(|possible| Possible {
                    done: BTreeSet::new(),
                    ..possible
                });
                over.collect()
            }
        };
        self.max_states = self.max_states.max(self.possible.len());
        !self.possible.is_empty()
    }

    /// Returns all states after some of the open operations, up to the operation of this client.
    fn reach(&self, from: BTreeSet<Possible>, wanted: Option<Client>) -> BTreeSet<Possible> {
        let mut todo: Vec<Possible> = from.iter().cloned().collect();
        let mut reached = from;
        while let Some(possible) = todo.pop() {
            if wanted.is_some_and(|wanted| possible.done.contains(&wanted)) {
                continue;
            }
            for (client, (operation, answer)) in &self.open {
                if possible.done.contains(client) {
                    continue;
                }
                let Some(key) = possible.key.after(*operation, *answer) else {
                    continue;
                };
                // Such an operation has no effect.
                if *answer == Answer::Unknown && key == possible.key {
                    continue;
                }
                let mut done = possible.done.clone();
                done.insert(*client);
                let next = self.settled(Possible { key, done });
                if reached.insert(next.clone()) {
                    todo.push(next);
                }
            }
        }
        reached
    }

    /// Applies all open operations that change nothing: an order in which they come later explains no more.
    fn settled(&self, mut possible: Possible) -> Possible {
        for (client, (operation, answer)) in &self.open {
            let is_answered = *answer != Answer::Unknown;
            if is_answered && possible.key.after(*operation, *answer) == Some(possible.key) {
                possible.done.insert(*client);
            }
        }
        possible
    }
}

fn is_unknown(sent: &(Operation, Answer)) -> bool {
    sent.1 == Answer::Unknown
}

/// Returns the next answer of this client.
pub(super) fn answer_to(client: Client, events: &[Event]) -> Answer {
    for event in events {
        match *event {
            Event::Answered(other, answer) if other == client => return answer,
            Event::Killed => break,
            Event::Sent(..) | Event::Answered(..) => {}
        }
    }
    Answer::Unknown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Condition;

    const SET_1: Operation = Operation::Set(1, Condition::None);
    const SET_2: Operation = Operation::Set(2, Condition::None);
    const DELETE: Operation = Operation::Delete(Condition::None);
    const FOUND_1: Answer = found(1, 10);

    const fn found(value: i64, revision: u64) -> Answer {
        Answer::Found { value, revision }
    }

    fn done(existed: bool, revision: u64) -> Option<Answer> {
        Some(Answer::Done {
            existed,
            revision: Some(revision),
            sum: None,
        })
    }

    /// Checks operations one after the other, each of another client; one without an answer stays open.
    fn one_by_one(operations: &[(Operation, Option<Answer>)]) -> Result<usize, usize> {
        let mut events = Vec::new();
        for (client, (operation, answer)) in (0..).zip(operations) {
            events.push(Event::Sent(client, *operation));
            events.extend(answer.map(|answer| Event::Answered(client, answer)));
        }
        explain(&events)
    }

    #[test]
    fn an_answered_write_is_seen_by_every_later_read() {
        let set = (SET_1, done(false, 10));
        one_by_one(&[set, (Operation::Get, Some(FOUND_1))]).unwrap();
        one_by_one(&[set, (Operation::Get, Some(Answer::Missing))]).unwrap_err();
        let newer = (SET_2, done(true, 11));
        let wrong = one_by_one(&[set, newer, (Operation::Get, Some(FOUND_1))]);
        assert_eq!(wrong, Err(5), "the last answer is the wrong one");
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
        let delete = (DELETE, done(true, 11));
        one_by_one(&[open, get(found), delete, get(found)]).unwrap_err();
    }

    #[test]
    fn an_open_write_does_not_come_after_the_kill() {
        let get = |client| Event::Sent(client, Operation::Get);
        let answered = Event::Answered;
        let killed = [Event::Sent(1, SET_1), Event::Killed, get(2)];
        let then = |events: &[Event]| explain(&[&killed, events].concat());
        then(&[answered(2, FOUND_1), get(3), answered(3, FOUND_1)]).unwrap();
        then(&[
            answered(2, Answer::Missing),
            get(3),
            answered(3, Answer::Missing),
        ])
        .unwrap();
        then(&[answered(2, Answer::Missing), get(3), answered(3, FOUND_1)]).unwrap_err();
    }

    #[test]
    fn operations_at_one_time_happen_in_any_order_but_all_see_the_same() {
        let writes = [Event::Sent(1, SET_1), Event::Sent(2, SET_2)];
        let answers = |first: Answer, second: Answer| {
            [
                Event::Sent(3, Operation::Get),
                Event::Answered(3, first),
                Event::Sent(3, Operation::Get),
                Event::Answered(3, second),
            ]
        };
        let (one, two) = (found(1, 10), found(2, 11));
        explain(&[&writes[..], &answers(one, two)].concat()).unwrap();
        explain(&[&writes[..], &answers(found(2, 10), found(1, 11))].concat()).unwrap();
        let back = [&writes[..], &answers(one, two), &answers(two, one)].concat();
        assert_eq!(explain(&back), Err(9));
        let late = Event::Answered(1, done(true, 11).unwrap());
        let wrong = [&writes[..], &answers(one, two), &[late]].concat();
        explain(&wrong).unwrap_err();
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
    fn revisions_only_grow_and_each_change_takes_one() {
        let first = (SET_1, done(false, 10));
        one_by_one(&[first, (SET_2, done(true, 11))]).unwrap();
        one_by_one(&[first, (SET_2, done(true, 10))]).unwrap_err();
        let seen = (Operation::Get, Some(found(2, 11)));
        one_by_one(&[first, (SET_2, None), seen]).unwrap();
        let between = (DELETE, None);
        one_by_one(&[(SET_1, done(false, 9)), (SET_2, None), seen, between]).unwrap();
        one_by_one(&[first, (SET_2, None), (SET_1, done(true, 12))]).unwrap();
        let missing = (Operation::Get, Some(Answer::Missing));
        let recreated = (SET_1, done(false, 12));
        one_by_one(&[first, between, missing, recreated]).unwrap();
        let too_soon = (SET_1, done(false, 11));
        one_by_one(&[first, between, missing, too_soon]).unwrap_err();
    }

    #[test]
    fn whether_it_existed_counts() {
        one_by_one(&[(SET_1, done(true, 10))]).unwrap_err();
        let first = (SET_1, done(false, 10));
        let nothing = Answer::Done {
            existed: false,
            revision: None,
            sum: None,
        };
        one_by_one(&[first, (DELETE, done(true, 11)), (DELETE, Some(nothing))]).unwrap();
        one_by_one(&[first, (DELETE, Some(nothing))]).unwrap_err();
        one_by_one(&[first, (DELETE, done(false, 11))]).unwrap_err();
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

    #[test]
    fn many_open_writes_do_not_keep_it_from_a_verdict() {
        let adds = (0..10).map(|bit| (Operation::Add(1 << bit, Condition::None), None));
        let mut operations: Vec<_> = adds.collect();
        let seen = |value, revision| (Operation::Get, Some(found(value, revision)));
        operations.extend([seen(3, 5), seen(1023, 20)]);
        assert!(one_by_one(&operations).is_ok());
        operations.extend([seen(3, 21)]);
        assert!(one_by_one(&operations).is_err());
        operations.truncate(11);
        // Four additions have taken four revisions.
        operations.push(seen(63, 8));
        assert!(one_by_one(&operations).is_err());
    }
}
