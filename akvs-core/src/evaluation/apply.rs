//! Operations on a key: evaluated against the pending state, then staged in it and appended to the history.

use super::{Context, PendingNamespace};
use crate::{
    Action, Change, Counts, EventKind, Key, Op, Outcome, Result, StoredEntry, Timestamp, apply,
};

/// The new entry, if any, and the event that reports the change.
pub(super) type StagedChange = (Option<StoredEntry>, EventKind);

impl PendingNamespace {
    /// Evaluates an operation and stages its change, if any. A namespace is created with its first change.
    pub fn apply(
        &mut self,
        context: &mut impl Context,
        key: &Key,
        op: Op,
        now: Timestamp,
    ) -> Result<Outcome> {
        let (place, mut outcome, change) = self.evaluate(context, key, op, now)?;
        let Some((entry, kind)) = change else {
            return Ok(outcome);
        };
        let changed = [(place, entry.as_ref())].into_iter();
        let counts = self.entries.counts_after(self.counts, changed);
        self.settings.check(&self.counts, &counts)?;
        self.create(context, now)?;
        outcome.entry = entry.as_ref().map(|stored| stored.entry.clone());
        self.stage(counts, [(place, entry)]);
        outcome.revision = Some(self.append(context, [(kind, Some(place))]));
        Ok(outcome)
    }

    /// Evaluates an operation. Returns the place of the entry, and the change for the next revision.
    pub(super) fn evaluate(
        &mut self,
        context: &mut impl Context,
        key: &Key,
        mut op: Op,
        now: Timestamp,
    ) -> Result<(usize, Outcome, Option<StagedChange>)> {
        let wants_value = matches!(op.action, Action::Add { .. } | Action::Append { .. });
        let place = self.load(context, key, wants_value)?;
        let stored = self.entries.get(place).1.entry.as_ref();
        let current = stored.map(|stored| &stored.entry);
        let existed = current.is_some_and(|entry| entry.is_live(now));
        op.action.default_ttl(self.settings.ttl_ms, existed, now);
        let is_touch = matches!(op.action, Action::Touch { .. });
        // A touch does not rewrite the value.
        let separated = stored.and_then(|stored| stored.separated.filter(|_| is_touch));
        let applied = apply(op, current, now);
        if wants_value {
            // It may be large, and a group reads many.
            self.entries.get_mut(place).unload();
        }
        let change = match applied? {
            Change::Nothing => None,
            Change::Put(builder) => {
                context.check_growth()?;
                let entry = builder.into_entry(context.next_revision());
                if !is_touch {
                    self.settings.check_value(entry.value.len())?;
                }
                let stored = StoredEntry { entry, separated };
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

    /// Reads the committed entry of a key, if any, with its value if `wants_value` is set. Returns its place.
    pub(super) fn load(
        &mut self,
        context: &mut impl Context,
        key: &Key,
        wants_value: bool,
    ) -> Result<usize> {
        let place = self.entries.place(key, || context.entry(key))?;
        if wants_value
            && let Some(stored) = &mut self.entries.get_mut(place).entry
            && !stored.is_loaded()
        {
            stored.entry.value = context.value(key, stored)?;
        }
        Ok(place)
    }

    /// Stages the changed entries, by their places, and the counts.
    pub(super) fn stage(
        &mut self,
        counts: Counts,
        changes: impl IntoIterator<Item = (usize, Option<StoredEntry>)>,
    ) {
        let history = self.counts.history;
        self.counts = Counts { history, ..counts };
        for (place, entry) in changes {
            let slot = self.entries.get_mut(place);
            slot.entry = entry;
            slot.changed = true;
        }
    }
}
