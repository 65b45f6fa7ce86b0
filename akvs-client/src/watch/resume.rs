//! The position of a watch, kept from one connection to the next.
//!
//! It owns the guarantee that no change is reported twice and none is skipped silently. It does not own connections.
//! Invariant: `resume_after` advances only past complete transactions; so wherever a connection breaks, a request for
//! what follows it yields exactly the rest.

use std::collections::VecDeque;

use akvs_core::{Code, Revision};
use reqwest::StatusCode;

use super::change::Change;
use super::event::{self, WireEvent};
use super::sse::Piece;
use crate::error::{Error, Problem, Result, protocol_error};

/// The start of a watch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Start {
    #[default]
    Now,
    After(Revision),
    State,
}

/// The next step of the stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Read,
    /// Request the state again.
    Restart,
}

/// The phase of the current connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The state, up to `synced`.
    State,
    /// A state that is requested only because the position is 0. If it is empty and of revision 0, nothing was missed.
    Verifying,
    Changes,
}

#[derive(Debug)]
pub(super) struct ResumeState {
    from_state: bool,
    phase: Phase,
    /// The revision up to which all changes were returned or are in `ready`. `None` within the state, and before the
    /// server sent its revision.
    resume_after: Option<Revision>,
    /// The revision up to which all changes were returned.
    position: Option<Revision>,
    /// Whether changes were returned that a `Reset` would void.
    has_emitted: bool,
    /// The incomplete transaction; its size; and the maximum of that.
    pending: Vec<(Revision, Change)>,
    pending_bytes: usize,
    max_bytes: usize,
    /// The changes to return, in order.
    ready: VecDeque<Change>,
}

impl ResumeState {
    pub(super) fn new(start: Start, max_bytes: usize) -> ResumeState {
        let (from_state, resume_after) = match start {
            Start::Now => (false, None),
            Start::State | Start::After(Revision::ZERO) => (true, None),
            Start::After(revision) => (false, Some(revision)),
        };
        ResumeState {
            from_state,
            phase: if from_state {
                Phase::State
            } else {
                Phase::Changes
            },
            resume_after,
            position: resume_after,
            has_emitted: false,
            pending: Vec::new(),
            pending_bytes: 0,
            max_bytes,
            ready: VecDeque::new(),
        }
    }

    /// Returns the next change for the user.
    pub(super) fn pop(&mut self) -> Option<Change> {
        let change = self.ready.pop_front()?;
        if self.ready.is_empty() {
            self.position = self.resume_after;
        }
        Some(change)
    }

    /// Returns whether no change is ready.
    pub(super) fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }

    /// Returns the revision up to which all changes were returned.
    pub(super) fn position(&self) -> Option<Revision> {
        self.position
    }

    /// Returns the `since` of the next request: the changes after this revision, the state for 0, new changes for
    /// `None`.
    pub(super) fn since(&self) -> Option<Revision> {
        match self.phase {
            Phase::State => Some(Revision::ZERO),
            Phase::Verifying | Phase::Changes => self.resume_after,
        }
    }

    /// Starts with the answer to a request with [`since`](Self::since).
    pub(super) fn on_connected(&mut self) {
        self.drop_pending();
        if self.phase == Phase::State {
            self.restart();
        } else if self.resume_after == Some(Revision::ZERO) {
            self.phase = Phase::Verifying;
        }
    }

    /// Handles a history that does not reach back: requests the state if the watch is `from_state` and did not just do
    /// so, else returns the error.
    pub(super) fn on_history_gone(&mut self, error: Error) -> Result<()> {
        if !self.from_state || self.phase == Phase::State {
            return Err(error);
        }
        self.phase = Phase::State;
        self.drop_pending();
        Ok(())
    }

    /// Handles a piece of the stream.
    pub(super) fn on_event(&mut self, piece: &Piece) -> Result<Next> {
        let next = match piece {
            Piece::Comment(text) => {
                self.comment(event::revision_in(text));
                Next::Read
            }
            Piece::Event(event) => match event::read(event)? {
                WireEvent::Reset => {
                    if self.phase != Phase::State {
                        self.on_history_gone(history_gone())?;
                    }
                    Next::Restart
                }
                WireEvent::Change {
                    change,
                    revision,
                    last,
                } => self.change(change, revision, last, event.data.len())?,
                WireEvent::Synced(revision) => self.synced(revision)?,
                WireEvent::Unknown(id) => {
                    self.unknown(id);
                    Next::Read
                }
            },
        };
        if self.ready.is_empty() {
            self.position = self.resume_after;
        }
        Ok(next)
    }

    fn comment(&mut self, revision: Option<Revision>) {
        if self.phase == Phase::Changes {
            self.complete_if(|begun| Some(begun) <= revision);
            self.resume_after = self.resume_after.max(revision);
        }
    }

    fn change(
        &mut self,
        change: Change,
        revision: Revision,
        last: bool,
        bytes: usize,
    ) -> Result<Next> {
        match self.phase {
            // An entry of the state is complete by itself: after a cut the whole state is sent again.
            Phase::State => {
                self.emit(change);
                return Ok(Next::Read);
            }
            Phase::Verifying => return self.restart_after_loss(),
            Phase::Changes => {}
        }
        if self
            .resume_after
            .is_some_and(|resume_after| revision <= resume_after)
        {
            return Ok(Next::Read);
        }
        self.complete_if(|begun| begun < revision);
        self.pending_bytes = self.pending_bytes.saturating_add(bytes);
        if self.pending_bytes > self.max_bytes {
            let limit = self.max_bytes;
            let text = format!("watch transaction too long: expected at most {limit} bytes");
            return Err(protocol_error(text));
        }
        self.pending.push((revision, change));
        if last {
            self.complete(revision);
        }
        Ok(Next::Read)
    }

    fn synced(&mut self, revision: Revision) -> Result<Next> {
        match self.phase {
            Phase::State => {
                self.phase = Phase::Changes;
                self.resume_after = Some(revision);
                self.emit(Change::Synced { revision });
            }
            Phase::Verifying if revision > Revision::ZERO => return self.restart_after_loss(),
            Phase::Verifying => self.phase = Phase::Changes,
            Phase::Changes => {}
        }
        Ok(Next::Read)
    }

    /// An unknown event of a later version still ends the transaction that it is the last of.
    fn unknown(&mut self, id: Option<Revision>) {
        if let Some(id) = id
            && self.phase == Phase::Changes
            && self
                .resume_after
                .is_none_or(|resume_after| resume_after < id)
        {
            self.complete_if(|begun| begun < id);
            self.complete(id);
        }
    }

    /// Completes the pending transaction if nothing of it can follow. Events are in the order of revisions, and the
    /// last change, which has the id, may be of a key that is not watched.
    fn complete_if(&mut self, is_over: impl FnOnce(Revision) -> bool) {
        if let Some((begun, _)) = self.pending.last()
            && is_over(*begun)
        {
            self.complete(*begun);
        }
    }

    fn complete(&mut self, revision: Revision) {
        for (_, change) in std::mem::take(&mut self.pending) {
            self.emit(change);
        }
        self.pending_bytes = 0;
        self.resume_after = Some(revision);
    }

    /// Handles a state that should have been empty: changes in between are unknown.
    fn restart_after_loss(&mut self) -> Result<Next> {
        self.on_history_gone(history_gone())?;
        Ok(Next::Restart)
    }

    fn restart(&mut self) {
        self.resume_after = None;
        if self.has_emitted {
            self.ready.push_back(Change::Reset);
            self.has_emitted = false;
        } else {
            self.position = None;
        }
    }

    fn emit(&mut self, change: Change) {
        self.ready.push_back(change);
        self.has_emitted = true;
    }

    fn drop_pending(&mut self) {
        self.pending.clear();
        self.pending_bytes = 0;
    }
}

/// Returns the error that the server would send for a request of the missed changes.
fn history_gone() -> Error {
    let text = "the watch missed changes that are no longer in the history";
    let problem = Problem::new(StatusCode::GONE.as_u16(), text);
    Error::api(problem.with_code(Some(Code::HistoryGone.to_string())))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt::Write as _;

    use super::super::sse::Parser;
    use super::*;
    use bytes::Bytes;
    use proptest::collection::vec;
    use proptest::prelude::*;

    const MAX_BYTES: usize = 1_000;

    /// Replays a connection, and returns whether the watch must request the state again.
    fn replay(resume: &mut ResumeState, stream: &[u8], changes: &mut Vec<Change>) -> Result<Next> {
        resume.on_connected();
        let mut parser = Parser::new(1 << 20);
        let mut bytes = Bytes::copy_from_slice(stream);
        loop {
            changes.extend(std::iter::from_fn(|| resume.pop()));
            let Some(piece) = parser.next(&mut bytes).unwrap() else {
                return Ok(Next::Read);
            };
            if resume.on_event(&piece)? == Next::Restart {
                return Ok(Next::Restart);
            }
        }
    }

    fn short(change: &Change) -> String {
        let key = change.key().map(|key| format!(" {}", key.escape_ascii()));
        let number = change.revision().map(|revision| format!(" {revision}"));
        let name = match change {
            Change::Set(_) => "set",
            Change::Deleted { .. } => "delete",
            Change::Expired { .. } => "expire",
            Change::Dropped { .. } => "drop",
            Change::Synced { .. } => "synced",
            Change::Reset => "reset",
        };
        [
            name.into(),
            key.unwrap_or_default(),
            number.unwrap_or_default(),
        ]
        .concat()
    }

    fn all_short(changes: &[Change]) -> Vec<String> {
        changes.iter().map(short).collect()
    }

    fn after(revision: u64) -> ResumeState {
        ResumeState::new(Start::After(Revision::new(revision)), MAX_BYTES)
    }

    fn event(name: &str, key: &str, revision: u64, last: bool) -> String {
        let id = if last {
            format!("id: {revision}\n")
        } else {
            String::new()
        };
        format!(
            "event: {name}\n{id}data: {{\"key\":\"{key}\",\"revision\":{revision},\"size\":1}}\n\n"
        )
    }

    fn changes_of(resume: &mut ResumeState, stream: &str) -> Vec<String> {
        let mut changes = Vec::new();
        replay(resume, stream.as_bytes(), &mut changes).unwrap();
        all_short(&changes)
    }

    #[test]
    fn changes_are_not_reported_again() {
        let mut resume = after(41);
        let stream = event("set", "a", 41, true) + &event("set", "b", 42, true);
        assert_eq!(changes_of(&mut resume, &stream), ["set b 42"]);
        let late = event("delete", "c", 40, true) + &event("set", "b", 42, true);
        assert!(changes_of(&mut resume, &late).is_empty());
        assert_eq!(resume.since(), Some(Revision::new(42)));
    }

    #[test]
    fn a_transaction_is_reported_with_its_last_change() {
        let mut resume = after(41);
        let first = event("set", "a", 42, false) + &event("delete", "b", 42, false);
        assert!(changes_of(&mut resume, &first).is_empty());
        assert_eq!(resume.since(), Some(Revision::new(41)));
        let whole = first + &event("set", "c", 42, true);
        let expected = ["set a 42", "delete b 42", "set c 42"];
        assert_eq!(changes_of(&mut resume, &whole), expected);
    }

    #[test]
    fn the_position_advances_only_with_returned_changes() {
        let mut resume = after(41);
        let mut parser = Parser::new(1 << 20);
        let stream =
            event("set", "a", 42, false) + &event("set", "b", 42, true) + ": revision 50\n";
        let mut bytes = Bytes::from(stream);
        let mut next = |resume: &mut ResumeState| {
            let piece = parser.next(&mut bytes).unwrap().unwrap();
            resume.on_event(&piece).unwrap();
            resume.position().unwrap().get()
        };
        assert_eq!(next(&mut resume), 41);
        assert_eq!(next(&mut resume), 41);
        resume.pop().unwrap();
        assert_eq!(resume.position().unwrap().get(), 41);
        resume.pop().unwrap();
        assert_eq!(resume.position().unwrap().get(), 42);
        assert_eq!(next(&mut resume), 50);
    }

    #[test]
    fn later_events_complete_a_transaction() {
        let begun = event("set", "a", 42, false) + &event("set", "b", 42, false);
        let unknown = "event: rename\nid: 43\ndata: x\n\n";
        for (later, resume_after) in [
            (event("set", "c", 43, false), 42),
            (": revision 42\n".into(), 42),
            (": revision 50\n".into(), 50),
            (format!(": revision {}\n", u64::MAX), u64::MAX),
            (unknown.into(), 43),
        ] {
            let mut resume = after(40);
            let changes = changes_of(&mut resume, &(begun.clone() + &later));
            assert_eq!(changes, ["set a 42", "set b 42"], "{later}");
            assert_eq!(resume.since(), Some(Revision::new(resume_after)), "{later}");
        }
        let mut resume = after(40);
        assert!(changes_of(&mut resume, &(begun + ": revision 41\n: hello\n")).is_empty());
        assert_eq!(resume.since(), Some(Revision::new(41)));
    }

    #[test]
    fn an_endless_transaction_is_an_error() {
        let stream = event("set", "a", 42, false).repeat(100);
        let error = replay(&mut after(41), stream.as_bytes(), &mut Vec::new()).unwrap_err();
        assert!(
            error.to_string().contains("transaction too long"),
            "{error}"
        );
        let whole = event("set", "a", 42, false).repeat(9) + &event("set", "b", 42, true);
        let mut resume = after(41);
        for round in 0..100 {
            let stream = whole.replace("42", &(100 + round).to_string());
            assert_eq!(changes_of(&mut resume, &stream).len(), 10);
        }
    }

    #[test]
    fn an_unknown_event_completes_a_transaction_and_advances() {
        let mut resume = after(41);
        let stream = event("set", "a", 42, false) + "event: rename\nid: 42\ndata: x\n\n";
        assert_eq!(changes_of(&mut resume, &stream), ["set a 42"]);
        changes_of(
            &mut resume,
            "event: rename\nid: 44\ndata: x\n\nevent: hm\ndata:\n\n",
        );
        assert_eq!(resume.since(), Some(Revision::new(44)));
    }

    #[test]
    fn comments_advance_the_position_outside_the_state() {
        let mut now = ResumeState::new(Start::Now, MAX_BYTES);
        assert_eq!(now.since(), None);
        changes_of(&mut now, ": hello\n: revision 7\n: revision 5\n");
        assert_eq!(now.since(), Some(Revision::new(7)));
        let mut state = ResumeState::new(Start::State, MAX_BYTES);
        changes_of(&mut state, ": revision 7\n");
        assert_eq!(
            (state.since(), state.position()),
            (Some(Revision::ZERO), None)
        );
    }

    #[test]
    fn at_revision_0_an_empty_state_means_nothing_was_missed() {
        for start in [Start::Now, Start::State] {
            let mut resume = ResumeState::new(start, MAX_BYTES);
            let empty = ": revision 0\n\nevent: synced\nid: 0\ndata: {\"revision\":0}\n\n";
            changes_of(
                &mut resume,
                if start == Start::Now {
                    ": revision 0\n\n"
                } else {
                    empty
                },
            );
            assert_eq!(resume.since(), Some(Revision::ZERO));
            assert!(changes_of(&mut resume, empty).is_empty());
            assert!(changes_of(&mut resume, ": revision 9\n\n").is_empty());

            let state = event("set", "a", 3, false);
            let synced = "event: synced\nid: 3\ndata: {\"revision\":3}\n\n";
            for stream in [&state, synced] {
                let mut resume = ResumeState::new(start, MAX_BYTES);
                changes_of(
                    &mut resume,
                    if start == Start::Now {
                        ": revision 0\n\n"
                    } else {
                        empty
                    },
                );
                let next = replay(&mut resume, stream.as_bytes(), &mut Vec::new());
                if start == Start::Now {
                    let error = next.unwrap_err();
                    assert_eq!(error.code(), Some(Code::HistoryGone));
                } else {
                    assert_eq!(next.unwrap(), Next::Restart);
                    let changes = changes_of(&mut resume, &(state.clone() + synced));
                    assert_eq!(changes, ["reset", "set a 3", "synced 3"]);
                }
            }
        }
    }

    /// A server's whole history: each transaction has a revision, and keys that it sets or deletes.
    type History = Vec<(u64, Vec<(u8, bool)>)>;

    fn histories() -> impl Strategy<Value = History> {
        let change = (b'a'..b'f', any::<bool>());
        vec((1..4_u64, vec(change, 1..4)), 0..8).prop_map(|steps| {
            let mut revision = 0;
            let numbered = steps.into_iter().map(|(step, changes)| {
                revision += step;
                (revision, changes)
            });
            numbered.collect()
        })
    }

    fn lines(history: &[(u64, Vec<(u8, bool)>)]) -> Vec<String> {
        let mut lines = Vec::new();
        for (revision, changes) in history {
            for (key, set) in changes {
                let name = if *set { "set" } else { "delete" };
                lines.push(format!("{name} {} {revision}", *key as char));
            }
        }
        lines
    }

    /// Returns the server's answer: the state up to `present` transactions if requested, then the changes after `since`.
    fn answer(history: &History, since: Option<Revision>, present: usize) -> String {
        let now = present.checked_sub(1).map_or(0, |last| history[last].0);
        let since = since.map_or(now, Revision::get);
        let mut text = format!(": revision {since}\n\n");
        let mut resume_after = since;
        if since == 0 {
            let mut state = BTreeMap::new();
            for (revision, changes) in &history[..present] {
                for (key, set) in changes {
                    if *set {
                        state.insert(*key, *revision);
                    } else {
                        state.remove(key);
                    }
                }
            }
            for (key, revision) in &state {
                text += &event("set", &(*key as char).to_string(), *revision, false);
            }
            let data = format!("{{\"revision\":{now}}}");
            write!(text, "event: synced\nid: {now}\ndata: {data}\n\n").unwrap();
            resume_after = now;
        }
        for (revision, changes) in history
            .iter()
            .filter(|(revision, _)| *revision > resume_after)
        {
            for (number, (key, set)) in changes.iter().enumerate() {
                let name = if *set { "set" } else { "delete" };
                let last = number + 1 == changes.len();
                text += &event(name, &(*key as char).to_string(), *revision, last);
            }
            write!(text, ": revision {revision}\n\n").unwrap();
        }
        text
    }

    proptest! {
        #[test]
        fn each_change_is_reported_once_wherever_connections_break(
            history in histories(),
            known in 0..8_usize,
            cuts in vec(any::<prop::sample::Index>(), 0..8),
        ) {
            prop_assume!(known < history.len());
            let mut resume = after(history[known].0);
            let mut changes = Vec::new();
            for cut in cuts {
                let text = answer(&history, resume.since(), 0);
                let cut = cut.index(text.len() + 1);
                replay(&mut resume, &text.as_bytes()[..cut], &mut changes).unwrap();
            }
            let text = answer(&history, resume.since(), 0);
            replay(&mut resume, text.as_bytes(), &mut changes).unwrap();
            prop_assert_eq!(all_short(&changes), lines(&history[known + 1..]));
        }

        #[test]
        fn a_copy_of_the_state_is_right_wherever_connections_break(
            history in histories(),
            cuts in vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..8),
        ) {
            let mut resume = ResumeState::new(Start::State, MAX_BYTES);
            let mut changes = Vec::new();
            let mut present = 0;
            let mut ends: Vec<_> = cuts.into_iter().map(Some).collect();
            ends.push(None);
            for end in ends {
                // The server takes transactions meanwhile.
                let later = history.len() - present;
                present += end.map_or(later, |(_, more)| more.index(later + 1));
                loop {
                    let text = answer(&history, resume.since(), present);
                    let cut = end.map_or(text.len(), |(cut, _)| cut.index(text.len() + 1));
                    if replay(&mut resume, &text.as_bytes()[..cut], &mut changes).unwrap() == Next::Read {
                        break;
                    }
                }
            }
            let mut copy = BTreeMap::new();
            let mut revision = Revision::ZERO;
            let mut synced = false;
            for change in changes {
                if synced && change != Change::Reset {
                    prop_assert!(change.revision().unwrap() >= revision);
                    revision = change.revision().unwrap();
                }
                match change {
                    Change::Set(stored) => {
                        let before = copy.insert(stored.key, stored.revision);
                        prop_assert!(synced || before.is_none(), "an entry came twice");
                    }
                    Change::Deleted { key, .. } => drop(copy.remove(&key)),
                    Change::Reset => {
                        copy.clear();
                        synced = false;
                    }
                    Change::Synced { .. } => {
                        prop_assert!(!synced);
                        synced = true;
                    }
                    Change::Expired { .. } | Change::Dropped { .. } => unreachable!(),
                }
            }
            let mut expected = BTreeMap::new();
            for (revision, changes) in &history {
                for (key, set) in changes {
                    let key = Bytes::copy_from_slice(&[*key]);
                    if *set {
                        expected.insert(key, Revision::new(*revision));
                    } else {
                        expected.remove(&key);
                    }
                }
            }
            prop_assert!(synced);
            prop_assert_eq!(copy, expected);
        }
    }
}
