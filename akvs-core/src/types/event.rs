//! A change of a namespace, as those who watch it are told.

use crate::{Entry, Key, Revision};

/// A change of a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The revision that the change took. Several changes have the same one where they were made as one.
    pub revision: Revision,
    /// Whether no further change of this revision follows.
    pub is_last: bool,
    /// What changed.
    pub kind: EventKind,
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A key was given a value, or another deadline.
    Set {
        /// Which.
        key: Key,
        /// What is there since. Its value may be missing: see [`Event::has_value`].
        entry: Entry,
        /// How long the value is, in bytes.
        size: u64,
    },
    /// A key was deleted.
    Delete {
        /// Which.
        key: Key,
    },
    /// A key's deadline passed.
    Expire {
        /// Which.
        key: Key,
    },
    /// The namespace was dropped with all it held.
    Drop,
}

impl Event {
    /// The key that changed; none where all did.
    pub fn key(&self) -> Option<&Key> {
        match &self.kind {
            EventKind::Set { key, .. } | EventKind::Delete { key } | EventKind::Expire { key } => {
                Some(key)
            }
            EventKind::Drop => None,
        }
    }

    /// Whether it tells a value. That of a set may be missing: a long one is not kept once it was replaced.
    pub fn has_value(&self) -> bool {
        match &self.kind {
            EventKind::Set { entry, size, .. } => entry.value.len() as u64 == *size,
            EventKind::Delete { .. } | EventKind::Expire { .. } | EventKind::Drop => false,
        }
    }

    /// About how much memory it holds, in bytes.
    pub fn bytes(&self) -> usize {
        let value = match &self.kind {
            EventKind::Set { entry, .. } => entry.value.len(),
            EventKind::Delete { .. } | EventKind::Expire { .. } | EventKind::Drop => 0,
        };
        size_of::<Event>() + value + self.key().map_or(0, |key| key.as_bytes().len())
    }
}
