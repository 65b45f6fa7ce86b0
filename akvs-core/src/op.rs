//! What a write means. [`apply`] is the one place that decides it; it is pure, so that every caller (the writer,
//! later transactions, imports, other executors) gets the same answer for the same question.
//!
//! It owns no rows, no revisions and no clock: the current entry and the time come in, the change goes out.

use bytes::Bytes;

use crate::{Entry, Representation, Result, Revision, Timestamp};

/// A write, as data.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Op {
    /// Store a value, whether or not there was one.
    Set {
        /// The value to store.
        value: Bytes,
        /// What the writer says the value is.
        representation: Representation,
    },
    /// Remove the value, whether or not there is one.
    Delete,
}

impl Op {
    /// Sets a value of which nothing else is said.
    ///
    /// ```
    /// use akvs_core::{Op, Representation};
    /// let op = Op::set("v");
    /// assert_eq!(op, Op::Set { value: "v".into(), representation: Representation::default() });
    /// ```
    pub fn set(value: impl Into<Bytes>) -> Op {
        Op::Set {
            value: value.into(),
            representation: Representation::default(),
        }
    }
}

/// What an operation does to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// This is to be stored.
    Put(Draft),
    /// The entry is to be removed.
    Remove,
    /// Nothing is to be done, and no revision is used.
    Nothing,
}

/// An entry that has no revision yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    value: Bytes,
    representation: Representation,
    created: Timestamp,
    modified: Timestamp,
    deadline: Option<Timestamp>,
}

impl Draft {
    /// The entry, as the change of this revision.
    pub fn into_entry(self, revision: Revision) -> Entry {
        Entry {
            value: self.value,
            representation: self.representation,
            revision,
            created: self.created,
            modified: self.modified,
            deadline: self.deadline,
        }
    }
}

/// Decides what an operation does to the current entry of its key at this moment. An entry past its deadline
/// counts as none.
///
/// ```
/// use akvs_core::{apply, Change, Op, Timestamp};
/// let change = apply(Op::Delete, None, Timestamp::from_millis(0))?;
/// assert_eq!(change, Change::Nothing);
/// # Ok::<(), akvs_core::Error>(())
/// ```
pub fn apply(op: Op, current: Option<&Entry>, now: Timestamp) -> Result<Change> {
    let current = current.filter(|entry| entry.is_live(now));
    Ok(match op {
        Op::Set {
            value,
            representation,
        } => Change::Put(Draft {
            value,
            representation,
            created: current.map_or(now, |entry| entry.created),
            modified: now,
            deadline: None,
        }),
        Op::Delete if current.is_some() => Change::Remove,
        Op::Delete => Change::Nothing,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn entry(deadline: Option<Timestamp>) -> Entry {
        Entry {
            value: "old".into(),
            representation: Representation::default(),
            revision: Revision::new(3),
            created: at(5),
            modified: at(6),
            deadline,
        }
    }

    fn put(change: Change) -> Entry {
        let Change::Put(draft) = change else {
            panic!("{change:?} stores nothing")
        };
        draft.into_entry(Revision::new(4))
    }

    #[test]
    fn a_set_keeps_when_the_key_came_into_being() {
        let stored = put(apply(Op::set("new"), Some(&entry(None)), at(9)).unwrap());
        assert_eq!(
            (stored.created, stored.modified, stored.revision),
            (at(5), at(9), Revision::new(4))
        );
    }

    #[test]
    fn a_set_over_an_expired_entry_begins_anew_and_clears_the_deadline() {
        let stored = put(apply(Op::set("new"), Some(&entry(Some(at(9)))), at(9)).unwrap());
        assert_eq!((stored.created, stored.deadline), (at(9), None));
    }

    #[test]
    fn a_delete_removes_only_what_is_there() {
        assert_eq!(
            apply(Op::Delete, Some(&entry(None)), at(9)).unwrap(),
            Change::Remove
        );
        assert_eq!(
            apply(Op::Delete, Some(&entry(Some(at(9)))), at(9)).unwrap(),
            Change::Nothing
        );
        assert_eq!(apply(Op::Delete, None, at(9)).unwrap(), Change::Nothing);
    }
}
