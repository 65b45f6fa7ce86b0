//! Watches: the names of the events and the data of those without an item.
//!
//! An event has the revision as its `id` if it is the last one of a transaction. A comment `revision N` says that a
//! watcher has received all changes up to that revision.

use serde::{Deserialize, Serialize};

/// A value was stored; the data is an [`Item`](crate::Item).
pub const SET: &str = "set";
/// A key was deleted; the data is a [`DeletedItem`](crate::DeletedItem).
pub const DELETE: &str = "delete";
/// A key has expired; the data is a [`DeletedItem`](crate::DeletedItem).
pub const EXPIRE: &str = "expire";
/// The namespace was dropped; the data is a [`Position`].
pub const DROP: &str = "drop";
/// The state is complete and changes follow; the data is a [`Position`].
pub const SYNCED: &str = "synced";
/// Changes were missed, and the watcher must read the state again; the data is a [`Position`].
pub const RESET: &str = "reset";
/// The beginning of the comment with the revision up to which a watcher has received all changes.
pub const REVISION_COMMENT: &str = "revision ";

/// A revision, as the data of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The revision.
    pub revision: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_round_trips() {
        let position: Position = serde_json::from_str(r#"{"revision":43}"#).unwrap();
        assert_eq!(
            serde_json::to_string(&position).unwrap(),
            r#"{"revision":43}"#
        );
    }
}
