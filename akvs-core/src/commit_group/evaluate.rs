//! The evaluation of operations: against the pending state of the group, then staged in it and appended to the history.

use super::CommitGroup;
use crate::encoding::Stored;
use crate::{
    Action, Change, Counts, Event, EventKind, Key, Op, Outcome, Result, Revision, Timestamp, apply,
};

/// The new entry, if any, and the event that reports the change.
pub(super) type StagedChange = (Option<Stored>, EventKind);

impl CommitGroup<'_> {
    /// Evaluates an operation against the pending state of the group. Returns the place of the entry, and the change for
    /// the next revision.
    pub(super) fn evaluate(
        &mut self,
        at: usize,
        key: &Key,
        mut op: Op,
        now: Timestamp,
    ) -> Result<(usize, Outcome, Option<StagedChange>)> {
        let wants_value = matches!(op.action, Action::Add { .. } | Action::Append { .. });
        let place = self.load(at, key, wants_value)?;
        let pending = &self.stores[at];
        let stored = pending.entries.get(place).1.entry.as_ref();
        let current = stored.map(|stored| &stored.entry);
        let existed = current.is_some_and(|entry| entry.is_live(now));
        let settings = &pending.updated.settings;
        op.action.default_ttl(settings.ttl_ms, existed, now);
        let is_touch = matches!(op.action, Action::Touch { .. });
        // A touch does not rewrite the value.
        let separated = stored.and_then(|stored| stored.separated.filter(|_| is_touch));
        let applied = apply(op, current, now);
        if wants_value {
            // It may be large, and a group reads many.
            self.stores[at].entries.get_mut(place).unload();
        }
        let change = match applied? {
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
        Ok((place, outcome, change))
    }

    /// Stages the changed entries, by their places, and the counts of their namespace.
    pub(super) fn stage(
        &mut self,
        at: usize,
        counts: Counts,
        changes: impl IntoIterator<Item = (usize, Option<Stored>)>,
    ) {
        let pending = &mut self.stores[at];
        let history = pending.updated.meta.counts.history;
        pending.updated.meta.counts = Counts { history, ..counts };
        for (place, entry) in changes {
            let deadline = entry.as_ref().and_then(|stored| stored.entry.deadline);
            self.earliest_deadline = self.earliest_deadline.into_iter().chain(deadline).min();
            let slot = pending.entries.get_mut(place);
            slot.entry = entry;
            slot.changed = true;
        }
    }

    /// Appends changes to the history of their namespace, all under the next revision. Each has the place of the entry
    /// that it set, if any.
    pub(super) fn append_history(
        &mut self,
        at: usize,
        kinds: impl IntoIterator<Item = (EventKind, Option<usize>), IntoIter: ExactSizeIterator>,
    ) -> Revision {
        let revision = self.next.revision.next();
        self.next.revision = revision;
        let pending = &mut self.stores[at];
        let (meta, block) = (&mut pending.updated.meta, &mut pending.history_block);
        meta.revision = revision;
        if block.is_full() {
            block.write(&mut self.batch, meta.history);
        }
        let kinds = kinds.into_iter();
        let last = kinds.len().saturating_sub(1);
        for (index, (kind, place)) in kinds.enumerate() {
            let event = Event {
                revision,
                is_last: index == last,
                kind,
            };
            meta.counts.history += 1;
            block.push(&event, place);
            if self.recording {
                self.summary.events.push((meta.history, event));
            }
        }
        revision
    }
}
