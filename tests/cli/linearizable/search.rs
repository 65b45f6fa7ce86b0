//! The search for an order that explains what was seen of one key (linearizability).
//!
//! It goes along the events and keeps everything that may be the case by then: how the key may be, together with which
//! of the open operations have happened. An operation is supposed to have happened only once an answer needs it, or
//! where it changes nothing; what was not answered when the server was killed has happened by then, or never. That is
//! the search of Wing and Gong with Lowe's memory of what was tried, in breadth: as no two equal suppositions are kept,
//! there is no bound on its steps and no verdict but yes or no. Invariant: there is an order as long as one supposition
//! is left.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::{Answer, Client, Event, OneKey, Operation};

/// The point that the search has reached.
pub(super) struct Search {
    /// What has been sent and not answered, with the answer that will come.
    open: BTreeMap<Client, (Operation, Answer)>,
    possible: BTreeSet<Possible>,
    most: usize,
}

/// What may be the case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Possible {
    key: OneKey,
    /// Whose open operations have happened.
    done: BTreeSet<Client>,
}

/// The first answer that no order explains, as its place among the events; else how much had to be kept at most.
pub(super) fn explain(events: &[Event]) -> Result<usize, usize> {
    explain_from(&BTreeSet::from([OneKey::NEW]), events)
}

/// The same, where the key was one of these before.
pub(super) fn explain_from(start: &BTreeSet<OneKey>, events: &[Event]) -> Result<usize, usize> {
    let mut search = Search::new(start);
    match (0..events.len()).find(|at| !search.step(&events[*at..])) {
        Some(at) => Err(at),
        None => Ok(search.most),
    }
}

/// Cuts events that some order explains into parts of at least so many, where nothing is under way; with how the key
/// may be before each.
pub(super) fn parts(events: &[Event], least: usize) -> Vec<(BTreeSet<OneKey>, &[Event])> {
    let mut start = BTreeSet::from([OneKey::NEW]);
    let mut search = Search::new(&start);
    let (mut parts, mut from) = (Vec::new(), 0);
    for at in 0..events.len() {
        search.step(&events[at..]);
        let is_last = at + 1 == events.len();
        if is_last || search.is_settled() && at + 1 - from >= least {
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
            most: 0,
        }
    }

    /// How the key may be.
    pub(super) fn keys(&self) -> BTreeSet<OneKey> {
        self.possible.iter().map(|possible| possible.key).collect()
    }

    /// What the rest can begin with, if it is the same whatever was the case: how the key may be, and what else is to
    /// be sent because it is still under way.
    pub(super) fn cut(&self) -> Option<(BTreeSet<OneKey>, Vec<Event>)> {
        let done = &self.possible.first()?.done;
        let same = self.possible.iter().all(|possible| possible.done == *done);
        let is_over = |client| self.open.get(client).is_some_and(is_unknown);
        let open = self.open.iter();
        let open = open.filter(|(client, _)| !done.contains(client));
        let open = open.map(|(client, (operation, _))| Event::Sent(*client, *operation));
        (same && done.iter().all(is_over)).then(|| (self.keys(), open.collect()))
    }

    /// Whether nothing is under way, so that nothing but the key matters for what follows.
    pub(super) fn is_settled(&self) -> bool {
        self.open.is_empty()
    }

    /// Goes on by the first of these events; whether there still is an order.
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
        self.most = self.most.max(self.possible.len());
        !self.possible.is_empty()
    }

    /// All that may be the case after some of the open operations; none after the one that is wanted.
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
                // Whether it happened matters to nobody.
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

    /// Lets everything happen that can and changes nothing: an order in which it happens later explains no more.
    fn settled(&self, mut possible: Possible) -> Possible {
        for (client, (operation, answer)) in &self.open {
            let told = *answer != Answer::Unknown;
            if told && possible.key.after(*operation, *answer) == Some(possible.key) {
                possible.done.insert(*client);
            }
        }
        possible
    }
}

fn is_unknown(sent: &(Operation, Answer)) -> bool {
    sent.1 == Answer::Unknown
}

/// The answer that this client gets next.
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

    /// Each in turn, by a client of its own; what has no answer stays open.
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
        let told = Event::Answered;
        let killed = [Event::Sent(1, SET_1), Event::Killed, get(2)];
        let then = |events: &[Event]| explain(&[&killed, events].concat());
        then(&[told(2, FOUND_1), get(3), told(3, FOUND_1)]).unwrap();
        then(&[told(2, Answer::Missing), get(3), told(3, Answer::Missing)]).unwrap();
        then(&[told(2, Answer::Missing), get(3), told(3, FOUND_1)]).unwrap_err();
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
        let told = Event::Answered(1, done(true, 11).unwrap());
        let wrong = [&writes[..], &answers(one, two), &[told]].concat();
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
        let gone = (Operation::Get, Some(Answer::Missing));
        let anew = (SET_1, done(false, 12));
        one_by_one(&[first, between, gone, anew]).unwrap();
        let too_soon = (SET_1, done(false, 11));
        one_by_one(&[first, between, gone, too_soon]).unwrap_err();
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
        // Four more were added, which takes four revisions.
        operations.push(seen(63, 8));
        assert!(one_by_one(&operations).is_err());
    }
}
