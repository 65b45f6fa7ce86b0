//! The counterexample of a history without an order: as few of its operations as prove it, in the order of events.
//!
//! It omits events that cannot matter: those after the first wrong answer; those before a moment from which only the
//! state of the key matters, which it shows instead; operations that changed nothing. Invariant: no order explains the
//! remaining events, and so none explains the history.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::search::{Search, answer_to, explain_from};
use crate::history::{Answer, Client, Event, OneKey, Operation};

/// Describes a history that no order explains.
pub(super) fn account(events: &[Event]) -> String {
    match smallest(events) {
        Some((start, events)) => describe(&start, &events),
        None => "an order explains it".to_owned(),
    }
}

/// Returns the possible states before, and a few events, the last of which is a wrong answer.
pub(super) fn smallest(events: &[Event]) -> Option<(BTreeSet<OneKey>, Vec<Event>)> {
    let mut start = BTreeSet::from([OneKey::NEW]);
    // An answer may be wrong only because of a later one.
    let first = explain_from(&start, events).err()?;
    let is_wrong = |end: &usize| explain_from(&start, &events[..*end]).is_err();
    let end = (first + 1..=events.len()).find(is_wrong)?;
    let mut events = events[..end].to_vec();
    // Without concurrent reads a longer beginning can be omitted.
    for _ in 0..2 {
        (start, events) = without_start(start, events);
        events = without_unchanged(&start, events);
    }
    Some((start, events))
}

/// Omits the events before those that the wrong answer, the last of all, depends on.
fn without_start(start: BTreeSet<OneKey>, events: Vec<Event>) -> (BTreeSet<OneKey>, Vec<Event>) {
    let Some(latest) = latest_start(&start, &events) else {
        return (start, events);
    };
    let mut search = Search::new(&start);
    let mut cut = None;
    for at in 0..latest {
        search.step(&events[at..]);
        cut = search.cut().map(|cut| (at + 1, cut)).or(cut);
    }
    match cut {
        Some((from, (start, open))) => (start, [&open[..], &events[from..]].concat()),
        None => (start, events),
    }
}

/// Returns the position of the operation with the wrong answer, or of the earliest operation with the same or the newest
/// revision.
fn latest_start(start: &BTreeSet<OneKey>, events: &[Event]) -> Option<usize> {
    let (Event::Answered(client, wrong), before) = events.split_last()? else {
        return None;
    };
    let mut search = Search::new(start);
    for at in 0..before.len() {
        search.step(&events[at..]);
    }
    let newest = search.keys().into_iter().map(OneKey::revision).max();
    let first_with = |revision: u64| {
        before
            .iter()
            .enumerate()
            .find_map(|(at, event)| match event {
                Event::Answered(client, answer) if answer.revision() == Some(revision) => {
                    sent(*client, &events[..at])
                }
                Event::Sent(..) | Event::Answered(..) | Event::Killed => None,
            })
    };
    let revisions = wrong.revision().into_iter().chain(newest);
    revisions
        .filter_map(first_with)
        .chain(sent(*client, events))
        .min()
}

/// Returns the position of this client's newest operation.
fn sent(client: Client, events: &[Event]) -> Option<usize> {
    let sent = |event: &Event| matches!(event, Event::Sent(other, _) if *other == client);
    events.iter().rposition(sent)
}

/// Omits operations that changed nothing, as long as the remaining events have no order.
fn without_unchanged(start: &BTreeSet<OneKey>, mut events: Vec<Event>) -> Vec<Event> {
    let mut at = events.len() - 1;
    while at > 0 {
        at -= 1;
        let first = match events[at] {
            Event::Answered(client, answer) if answer.is_unchanged() => sent(client, &events[..at]),
            Event::Sent(client, Operation::Get) => {
                let answer = answer_to(client, &events[at..]);
                (answer == Answer::Unknown).then_some(at)
            }
            Event::Sent(..) | Event::Answered(..) | Event::Killed => None,
        };
        let Some(first) = first else { continue };
        let mut fewer = events.clone();
        fewer.remove(at);
        if first < at {
            fewer.remove(first);
        }
        if explain_from(start, &fewer).is_err() {
            at -= usize::from(first < at);
            events = fewer;
        }
    }
    events
}

fn describe(start: &BTreeSet<OneKey>, events: &[Event]) -> String {
    let mut text = "no order explains the last of these answers\n".to_owned();
    let mut search = Search::new(start);
    let mut names = BTreeMap::new();
    let mut name = |client: Client| {
        let next = names.len() + 1;
        *names.entry(client).or_insert(next)
    };
    _ = writeln!(text, "  before:  {}", either(start));
    for (at, event) in events.iter().enumerate() {
        if at + 1 == events.len() {
            _ = writeln!(text, "  by then: {}", either(&search.keys()));
        }
        _ = match event {
            Event::Sent(client, operation) => {
                writeln!(text, "  client {} sends   {operation}", name(*client))
            }
            Event::Answered(client, answer) => {
                writeln!(text, "  client {} receives {answer}", name(*client))
            }
            Event::Killed => writeln!(text, "  the server is killed"),
        };
        search.step(&events[at..]);
    }
    text
}

fn either(keys: &BTreeSet<OneKey>) -> String {
    let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
    keys.join("; or ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Condition;

    #[test]
    fn only_relevant_events_are_described() {
        let get = |client| Event::Sent(client, Operation::Get);
        let set = |client, value| Event::Sent(client, Operation::Set(value, Condition::None));
        let found =
            |client, value, revision| Event::Answered(client, Answer::Found { value, revision });
        let done = |client, existed, revision| {
            let answer = Answer::Done {
                existed,
                revision: Some(revision),
                sum: None,
            };
            Event::Answered(client, answer)
        };
        let text = account(&[
            set(10, 1),
            done(10, false, 7),
            Event::Killed,
            get(10),
            found(10, 1, 7),
            set(11, 2),
            get(12),
            done(11, true, 8),
            get(13),
            found(12, 1, 7),
            found(13, 1, 7),
            get(14),
            found(14, 2, 8),
        ]);
        let expected = "no order explains the last of these answers
  before:  nothing since revision 0
  client 1 sends   set 1
  client 1 receives done, at revision 7, there was none
  the server is killed
  client 2 sends   set 2
  client 2 receives done, at revision 8, there was one
  client 3 sends   get
  by then: 2 at revision 8
  client 3 receives 1 at revision 7
";
        assert_eq!(text, expected);
    }
}
