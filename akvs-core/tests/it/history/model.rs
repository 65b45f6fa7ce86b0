//! The expected changes of a name: a list of all changes, and how many of them may be compacted.

use std::collections::BTreeMap;

use akvs_core::{Entry, Event, EventKind, HistoryId, Key, Revision};
use bytes::Bytes;

/// The longest value that the history keeps.
const KEPT_VALUE_BYTES: u64 = 1_024;

/// The size of the touched value: that of the previous entry.
pub(crate) const TOUCHED: u64 = u64::MAX;

/// All changes of a name.
#[derive(Clone, Default)]
pub(crate) struct NameHistory {
    pub(crate) events: Vec<Event>,
    /// The current entries, expired or not; none where the namespace does not exist.
    pub(crate) entries: Option<BTreeMap<Key, Entry>>,
    pub(crate) history: Option<HistoryId>,
    /// The highest compacted revision that is justified.
    pub(crate) justified: Revision,
}

impl NameHistory {
    pub(crate) fn report(&mut self, revision: Revision, mut kind: EventKind) {
        match &mut kind {
            EventKind::Set { key, entry, size } => {
                let entries = self.entries.get_or_insert_default();
                if *size == TOUCHED {
                    // The previous value stays, whether or not the outcome has it.
                    entry.value = entries[key].value.clone();
                    *size = entry.value.len() as u64;
                }
                entries.insert(key.clone(), entry.clone());
            }
            EventKind::Delete { key } | EventKind::Expire { key } => {
                let entries = self.entries.as_mut().expect("a namespace");
                assert!(entries.remove(key).is_some(), "{key:?}");
            }
            EventKind::Drop => self.entries = None,
        }
        let is_last = true;
        self.events.push(Event {
            revision,
            is_last,
            kind,
        });
    }

    /// Records that a history of this length may have trimmed all changes before it.
    pub(crate) fn trim(&mut self, keep: u64) {
        let purged = (self.events.len() as u64).saturating_sub(keep);
        if let Some(last) = purged.checked_sub(1) {
            self.justified = self.justified.max(self.events[last as usize].revision);
        }
    }

    /// Returns the expected changes.
    pub(crate) fn reported(&self, values: bool) -> Vec<Event> {
        let mut events = self.events.clone();
        for event in &mut events {
            let revision = event.revision;
            if let EventKind::Set { key, entry, size } = &mut event.kind {
                let current = self.entries.as_ref().and_then(|entries| entries.get(key));
                let is_there = current.is_some_and(|current| current.revision == revision);
                if *size > KEPT_VALUE_BYTES && !(values && is_there) {
                    entry.value = Bytes::new();
                }
            }
        }
        events
    }
}
