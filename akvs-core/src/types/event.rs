//! The changes of a namespace, as watchers receive them.

use crate::{Entry, Key, Revision};

/// A change of a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The revision of the change. The changes of a transaction share one.
    pub revision: Revision,
    /// Whether this is the last change of its revision.
    pub is_last: bool,
    /// The kind of the change.
    pub kind: EventKind,
}

/// A kind of change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A value or a deadline was set.
    Set {
        /// The key.
        key: Key,
        /// The new entry. Its value may be missing: see [`Event::has_value`].
        entry: Entry,
        /// The length of the value, in bytes.
        size: u64,
    },
    /// A key was deleted.
    Delete {
        /// The key.
        key: Key,
    },
    /// A key expired.
    Expire {
        /// The key.
        key: Key,
    },
    /// The namespace was dropped with all its keys.
    Drop,
}

impl Event {
    /// Returns the key that changed; none where the namespace was dropped.
    pub fn key(&self) -> Option<&Key> {
        match &self.kind {
            EventKind::Set { key, .. } | EventKind::Delete { key } | EventKind::Expire { key } => {
                Some(key)
            }
            EventKind::Drop => None,
        }
    }

    /// Returns whether it contains the value. The value of a set may be missing: a long one is not kept after it was
    /// replaced.
    pub fn has_value(&self) -> bool {
        match &self.kind {
            EventKind::Set { entry, size, .. } => entry.value.len() as u64 == *size,
            EventKind::Delete { .. } | EventKind::Expire { .. } | EventKind::Drop => false,
        }
    }

    /// Returns the approximate memory of the event, in bytes.
    pub fn bytes(&self) -> usize {
        let value = match &self.kind {
            EventKind::Set { entry, .. } => entry.value.len(),
            EventKind::Delete { .. } | EventKind::Expire { .. } | EventKind::Drop => 0,
        };
        size_of::<Event>() + value + self.key().map_or(0, |key| key.as_bytes().len())
    }
}
