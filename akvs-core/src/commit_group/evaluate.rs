//! The evaluation of operations: against the pending state of the group, then staged in it and appended to the history.

use super::CommitGroup;
use super::pending::PendingEntry;
use crate::encoding;
use crate::encoding::Stored;
use crate::engine::Table;
use crate::{
    Action, Change, Counts, Event, EventKind, Key, Op, Outcome, Result, Revision, Timestamp, apply,
};

/// The new entry, if any, and the event that reports the change.
pub(super) type StagedChange = (Option<Stored>, EventKind);

impl CommitGroup<'_> {
    /// Evaluates an operation against the pending state of the group, and returns the change for the next revision.
    pub(super) fn evaluate(
        &mut self,
        at: usize,
        key: &Key,
        mut op: Op,
        now: Timestamp,
    ) -> Result<(Outcome, Option<StagedChange>)> {
        let wants_value = matches!(op.action, Action::Add { .. } | Action::Append { .. });
        self.load(at, key, wants_value)?;
        let pending = &self.stores[at];
        let stored = pending
            .entries
            .get(key)
            .and_then(|pending| pending.entry.as_ref());
        let current = stored.map(|stored| &stored.entry);
        let existed = current.is_some_and(|entry| entry.is_live(now));
        let settings = &pending.updated.settings;
        op.action.default_ttl(settings.ttl_ms, existed, now);
        let is_touch = matches!(op.action, Action::Touch { .. });
        // A touch does not rewrite the value.
        let separated = stored.and_then(|stored| stored.separated.filter(|_| is_touch));
        let change = match apply(op, current, now)? {
            Change::Nothing => None,
            Change::Put(builder) => {
                self.check_growth()?;
                let settings = &self.stores[at].updated.settings;
                let entry = builder.into_entry(self.next.revision.next());
                if !is_touch {
                    settings.check_value(entry.value.len())?;
                }
                let stored = Stored { entry, separated };
                let kind = EventKind::Set {
                    key: key.clone(),
                    size: stored.value_bytes() as u64,
                    entry: stored.entry.clone(),
                };
                self.produced_bytes += match separated {
                    Some(_) => 0,
                    None => stored.entry.value.len(),
                };
                Some((Some(stored), kind))
            }
            Change::Remove => Some((None, EventKind::Delete { key: key.clone() })),
        };
        let outcome = Outcome {
            existed,
            ..Outcome::default()
        };
        Ok((outcome, change))
    }

    /// Stages the changed entries and the counts of their namespace.
    pub(super) fn stage(
        &mut self,
        at: usize,
        counts: Counts,
        changes: impl IntoIterator<Item = (Key, Option<Stored>)>,
    ) {
        let pending = &mut self.stores[at];
        let history = pending.updated.meta.counts.history;
        pending.updated.meta.counts = Counts { history, ..counts };
        for (key, entry) in changes {
            let deadline = entry.as_ref().and_then(|stored| stored.entry.deadline);
            self.earliest_deadline = self.earliest_deadline.into_iter().chain(deadline).min();
            let absent = PendingEntry::absent;
            let slot = pending.entries.entry(key).or_insert_with(absent);
            slot.entry = entry;
            slot.changed = true;
        }
    }

    /// Appends changes to the history of their namespace, all under the next revision.
    pub(super) fn append_history(
        &mut self,
        at: usize,
        kinds: impl IntoIterator<Item = EventKind, IntoIter: ExactSizeIterator>,
    ) -> Revision {
        let revision = self.next.revision.next();
        self.next.revision = revision;
        let meta = &mut self.stores[at].updated.meta;
        meta.revision = revision;
        let kinds = kinds.into_iter();
        let last = kinds.len().saturating_sub(1);
        for (index, kind) in kinds.enumerate() {
            let event = Event {
                revision,
                is_last: index == last,
                kind,
            };
            meta.counts.history += 1;
            // A transaction has far fewer changes.
            let index = u16::try_from(index).unwrap_or(u16::MAX);
            self.batch.put(
                Table::History,
                encoding::history_key(meta.history, revision, index),
                encoding::change_value(&event),
            );
            if self.recording {
                self.summary.events.push((meta.history, event));
            }
        }
        revision
    }
}
