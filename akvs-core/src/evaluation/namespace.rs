//! Changes of a namespace itself: creation, settings and drop; and the removal of expired entries.

use super::{Context, PendingNamespace};
use crate::{EventKind, Key, Result, Revision, Settings, SettingsPatch, Timestamp};

impl PendingNamespace {
    /// Creates the namespace, if it does not exist.
    pub(super) fn create(&mut self, context: &mut impl Context, now: Timestamp) -> Result<()> {
        if !self.exists {
            self.counts.history = context.create(now)?;
            self.exists = true;
        }
        Ok(())
    }

    /// Changes settings of the namespace, which is created if it does not exist. Returns whether it existed, and all its
    /// settings after the change. `invalid_request` where the settings would make every write fail.
    pub fn change_settings(
        &mut self,
        context: &mut impl Context,
        patch: &SettingsPatch,
        now: Timestamp,
    ) -> Result<(bool, Settings)> {
        patch.check(now)?;
        context.check_growth()?;
        let existed = self.exists;
        self.create(context, now)?;
        self.settings = context.configure(patch, self.settings)?;
        Ok((existed, self.settings))
    }

    /// Drops the namespace with its entries, and discards the pending changes of these. Returns the revision of the drop;
    /// none where the namespace does not exist.
    pub fn drop_namespace(&mut self, context: &mut impl Context) -> Result<Option<Revision>> {
        if !self.exists {
            return Ok(None);
        }
        context.check_drop()?;
        let revision = self.append(context, [(EventKind::Drop, None)]);
        self.entries.clear();
        self.is_dropped = true;
        Ok(Some(revision))
    }

    /// Removes an entry if it has this deadline and that has passed; returns whether it does.
    pub fn expire(
        &mut self,
        context: &mut impl Context,
        key: &Key,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Result<bool> {
        let place = self.load(context, key, false)?;
        let (_, pending) = self.entries.get(place);
        let entry = pending.entry.as_ref().map(|stored| &stored.entry);
        let is_due =
            entry.is_some_and(|entry| entry.deadline == Some(deadline) && !entry.is_live(now));
        if is_due {
            let removed = [(place, None)].into_iter();
            let counts = self.entries.counts_after(self.counts, removed);
            self.stage(counts, [(place, None)]);
            self.append(context, [(EventKind::Expire { key: key.clone() }, None)]);
        }
        Ok(is_due)
    }
}
