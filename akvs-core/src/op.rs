//! The meaning of writes. Only [`apply`] decides it; it is pure, so that every caller (commits, transactions, imports)
//! gets the same result.
//!
//! It owns no rows, no revisions and no clock: the current entry and the time are arguments, the change is the result.

pub(crate) mod txn;

use bytes::Bytes;

use crate::{Code, Entry, Error, Representation, Result, Revision, Timestamp};

/// A write as data: an action and its condition.
///
/// ```
/// use akvs_core::{Action, Condition, Op, Revision};
/// let op = Op::set("v").on(Condition::Revisions(vec![Revision::new(7)]));
/// assert!(matches!(op.action, Action::Set { .. }));
/// assert_eq!(Op::delete().condition, Condition::None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Op {
    /// The action.
    pub action: Action,
    /// The condition of the action.
    pub condition: Condition,
}

/// The action of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Store a value, whether or not there is one.
    Set {
        /// The value to store.
        value: Bytes,
        /// The type and encoding that the writer states.
        representation: Representation,
        /// The lifetime of the value.
        ttl: Ttl,
    },
    /// Remove the value, whether or not there is one.
    Delete,
    /// Add to a decimal number; a missing key counts as 0.
    Add {
        /// The number to add.
        by: i64,
        /// The lifetime of the sum.
        ttl: Ttl,
    },
    /// Append bytes to the value; a missing key counts as empty.
    Append {
        /// The bytes.
        value: Bytes,
        /// The maximum length of the result, in bytes.
        max_bytes: usize,
        /// The lifetime of the result.
        ttl: Ttl,
    },
    /// Change only the deadline of an existing key.
    Touch {
        /// The lifetime from now on.
        ttl: Ttl,
    },
}

/// The lifetime of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Ttl {
    /// The namespace's default lifetime; without one the value does not expire.
    #[default]
    Default,
    /// The value does not expire.
    Forever,
    /// The deadline of the previous value.
    Keep,
    /// This many milliseconds from the time of the write.
    Millis(u64),
    /// Until this time; in the past, the value expires as soon as it is stored.
    Until(Timestamp),
}

/// The condition of a write (RFC 9110, section 13.1). It is evaluated together with the write, in the namespace's one
/// order, against the entry that is live at that time.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Condition {
    /// No condition.
    #[default]
    None,
    /// The key does not exist.
    Absent,
    /// The key exists.
    Exists,
    /// The key exists and has one of these revisions.
    Revisions(Vec<Revision>),
    /// The key does not exist or has none of these revisions.
    NoneOf(Vec<Revision>),
    /// The key was not written after this second. It holds where the key does not exist, because what has no date
    /// cannot have changed since one (RFC 9110, section 13.1.4). Writes within the same second are not distinguished.
    UnmodifiedSince(Timestamp),
    /// All of these conditions.
    All(Vec<Condition>),
}

impl Op {
    /// Returns a write of a value with the default lifetime, without a type or a condition.
    pub fn set(value: impl Into<Bytes>) -> Op {
        Op::from(Action::Set {
            value: value.into(),
            representation: Representation::default(),
            ttl: Ttl::Default,
        })
    }

    /// Returns a write that deletes a key.
    pub fn delete() -> Op {
        Op::from(Action::Delete)
    }

    /// Returns the same write with this condition.
    #[must_use]
    pub fn on(self, condition: Condition) -> Op {
        Op { condition, ..self }
    }

    /// Returns the memory of its action, in bytes.
    pub fn bytes(&self) -> usize {
        match &self.action {
            Action::Set { value, .. } | Action::Append { value, .. } => value.len(),
            Action::Delete | Action::Add { .. } | Action::Touch { .. } => 0,
        }
    }
}

impl Action {
    /// Applies the namespace's default lifetime where the action states none. A deadline after the last possible
    /// timestamp becomes that timestamp, so that no write fails because of a setting.
    pub(crate) fn default_ttl(&mut self, ttl_ms: Option<u64>, existed: bool, now: Timestamp) {
        let Some(millis) = ttl_ms else { return };
        let end = Timestamp::from_millis(now.as_millis().saturating_add(millis));
        let until = Ttl::Until(end.min(Timestamp::LAST));
        match self {
            Action::Set { ttl, .. } if *ttl == Ttl::Default => *ttl = until,
            // There is no deadline to keep.
            Action::Set { ttl, .. } | Action::Add { ttl, .. } | Action::Append { ttl, .. }
                if *ttl == Ttl::Keep && !existed =>
            {
                *ttl = until;
            }
            Action::Set { .. }
            | Action::Add { .. }
            | Action::Append { .. }
            | Action::Touch { .. }
            | Action::Delete => {}
        }
    }
}

impl From<Action> for Op {
    fn from(action: Action) -> Op {
        Op {
            action,
            condition: Condition::None,
        }
    }
}

impl Condition {
    /// Returns whether the condition holds for this entry.
    ///
    /// ```
    /// use akvs_core::Condition;
    /// assert!(Condition::Absent.holds(None));
    /// assert!(!Condition::Exists.holds(None));
    /// ```
    pub fn holds(&self, current: Option<&Entry>) -> bool {
        self.first_failure(current).is_none()
    }

    pub(crate) fn check(&self, current: Option<&Entry>) -> Result<()> {
        let Some(failed) = self.first_failure(current) else {
            return Ok(());
        };
        let text = match (failed, current) {
            (_, None) => "the key does not exist".to_owned(),
            (Condition::Absent, Some(_)) => "the key exists already".to_owned(),
            (Condition::UnmodifiedSince(_), Some(entry)) => {
                format!(
                    "the key was modified after that date: it is at revision {}",
                    entry.revision
                )
            }
            (_, Some(entry)) => format!("the key is at revision {}", entry.revision),
        };
        Err(Error::new(Code::PreconditionFailed, text).at(current))
    }

    /// Returns the first part that does not hold, if any.
    fn first_failure(&self, current: Option<&Entry>) -> Option<&Condition> {
        let holds = match (self, current) {
            (Condition::All(parts), _) => {
                let mut failures = parts.iter().filter_map(|part| part.first_failure(current));
                return failures.next();
            }
            (Condition::None, _) => true,
            (Condition::Absent | Condition::NoneOf(_) | Condition::UnmodifiedSince(_), None) => {
                true
            }
            (Condition::Exists | Condition::Revisions(_), None) => false,
            (Condition::Exists, Some(_)) => true,
            (Condition::Absent, Some(_)) => false,
            (Condition::Revisions(revisions), Some(entry)) => revisions.contains(&entry.revision),
            (Condition::NoneOf(revisions), Some(entry)) => !revisions.contains(&entry.revision),
            (Condition::UnmodifiedSince(date), Some(entry)) => {
                entry.modified.as_secs() <= date.as_secs()
            }
        };
        (!holds).then_some(self)
    }

    /// Returns the memory of the condition, in bytes.
    ///
    /// ```
    /// use akvs_core::{Condition, Revision};
    /// assert_eq!(Condition::Revisions(vec![Revision::new(7)]).bytes(), 8);
    /// ```
    pub fn bytes(&self) -> usize {
        match self {
            Condition::None
            | Condition::Absent
            | Condition::Exists
            | Condition::UnmodifiedSince(_) => 0,
            Condition::Revisions(revisions) | Condition::NoneOf(revisions) => {
                size_of_val(revisions.as_slice())
            }
            Condition::All(parts) => parts.iter().map(Condition::bytes).sum(),
        }
    }
}

impl Ttl {
    /// Returns the deadline of the value.
    fn deadline(self, current: Option<&Entry>, now: Timestamp) -> Result<Option<Timestamp>> {
        match self {
            Ttl::Default | Ttl::Forever => Ok(None),
            Ttl::Keep => Ok(current.and_then(|entry| entry.deadline)),
            Ttl::Millis(millis) => {
                let deadline = now.as_millis().checked_add(millis);
                check_deadline(deadline.map(Timestamp::from_millis)).map(Some)
            }
            Ttl::Until(deadline) => check_deadline(Some(deadline)).map(Some),
        }
    }
}

/// Refuses a deadline that cannot be written as a date.
fn check_deadline(deadline: Option<Timestamp>) -> Result<Timestamp> {
    let valid = deadline.filter(|deadline| *deadline <= Timestamp::LAST);
    valid.ok_or_else(|| {
        Error::new(
            Code::InvalidRequest,
            "invalid ttl: expected an end before the year 10000",
        )
    })
}

/// The effect of an operation on a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// This entry is stored.
    Put(EntryBuilder),
    /// The entry is removed.
    Remove,
    /// Nothing changes, and no revision is assigned.
    Nothing,
}

/// An entry without a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryBuilder {
    value: Bytes,
    representation: Representation,
    created: Timestamp,
    modified: Timestamp,
    deadline: Option<Timestamp>,
}

impl EntryBuilder {
    /// Returns the entry with the revision of its change.
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

/// Evaluates an operation on the current entry of its key at this time. An expired entry counts as none.
///
/// - `precondition_failed` where the condition does not hold, with the current revision if there is one.
/// - `conflict` where a number is added to a value that is not an `i64`, or the sum is not one.
/// - `not_found` where a missing key is touched.
/// - `too_large` where appending would make the value longer than `max_bytes`.
///
/// ```
/// use akvs_core::{apply, Change, Op, Timestamp};
/// let change = apply(Op::delete(), None, Timestamp::from_millis(0))?;
/// assert_eq!(change, Change::Nothing);
/// # Ok::<(), akvs_core::Error>(())
/// ```
pub fn apply(op: Op, current: Option<&Entry>, now: Timestamp) -> Result<Change> {
    let current = current.filter(|entry| entry.is_live(now));
    op.condition.check(current)?;
    let put = |value, representation, ttl: Ttl| {
        Ok(Change::Put(EntryBuilder {
            value,
            representation,
            created: current.map_or(now, |entry| entry.created),
            modified: now,
            deadline: ttl.deadline(current, now)?,
        }))
    };
    let representation = || {
        current
            .map(|entry| entry.representation.clone())
            .unwrap_or_default()
    };
    match op.action {
        Action::Set {
            value,
            representation,
            ttl,
        } => put(value, representation, ttl),
        Action::Delete if current.is_some() => Ok(Change::Remove),
        Action::Delete => Ok(Change::Nothing),
        Action::Add { by, ttl } => put(add(current, by)?, representation(), ttl),
        Action::Append {
            value,
            max_bytes,
            ttl,
        } => put(append(current, value, max_bytes)?, representation(), ttl),
        Action::Touch { ttl } => match current {
            Some(entry) => put(entry.value.clone(), entry.representation.clone(), ttl),
            None => Err(Error::not_found()),
        },
    }
}

fn add(current: Option<&Entry>, by: i64) -> Result<Bytes> {
    let conflict = |text: &str| Error::new(Code::Conflict, text).at(current);
    let number = match current {
        None => 0,
        Some(entry) => {
            let text = std::str::from_utf8(&entry.value).ok();
            let number = text.and_then(|text| text.parse::<i64>().ok());
            number.ok_or_else(|| conflict("the value is not an integer from -2^63 to 2^63-1"))?
        }
    };
    let sum = number
        .checked_add(by)
        .ok_or_else(|| conflict("the sum is out of range: expected -2^63 to 2^63-1"))?;
    Ok(Bytes::from(sum.to_string()))
}

fn append(current: Option<&Entry>, value: Bytes, max_bytes: usize) -> Result<Bytes> {
    let before = current.map_or(&[][..], |entry| &entry.value);
    let bytes = before.len() + value.len();
    if bytes > max_bytes {
        let text = format!("the value would be too long: {bytes} bytes; the limit is {max_bytes}");
        let error = Error::new(Code::TooLarge, text).with("limit", max_bytes);
        return Err(error.at(current));
    }
    Ok(if before.is_empty() {
        value
    } else {
        [before, &value].concat().into()
    })
}

impl Error {
    /// Adds the revision of the current entry, if there is one.
    fn at(self, current: Option<&Entry>) -> Error {
        match current {
            Some(entry) => self.with("revision", entry.revision.get()),
            None => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn entry(value: &'static str, deadline: Option<u64>) -> Entry {
        Entry {
            value: value.into(),
            representation: Representation::default(),
            revision: Revision::new(3),
            created: at(5),
            modified: at(6),
            deadline: deadline.map(at),
        }
    }

    fn put(change: Result<Change>) -> Entry {
        match change {
            Ok(Change::Put(builder)) => builder.into_entry(Revision::new(4)),
            other => panic!("{other:?} stores nothing"),
        }
    }

    fn code(change: Result<Change>) -> Code {
        change.expect_err("an error").code()
    }

    fn set(ttl: Ttl) -> Op {
        Op::from(Action::Set {
            value: "new".into(),
            representation: Representation::default(),
            ttl,
        })
    }

    fn add(by: i64) -> Op {
        Op::from(Action::Add { by, ttl: Ttl::Keep })
    }

    #[test]
    fn a_set_keeps_the_creation_time_of_the_key() {
        let stored = put(apply(Op::set("new"), Some(&entry("old", None)), at(9)));
        assert_eq!(
            (stored.created, stored.modified, stored.revision),
            (at(5), at(9), Revision::new(4))
        );
    }

    #[test]
    fn an_expired_entry_counts_as_none() {
        let expired = entry("7", Some(9));
        assert_eq!(
            put(apply(Op::set("new"), Some(&expired), at(9))).created,
            at(9)
        );
        assert_eq!(put(apply(add(1), Some(&expired), at(9))).value, "1");
        assert_eq!(put(apply(add(1), Some(&expired), at(8))).value, "8");
        assert_eq!(
            apply(Op::delete(), Some(&expired), at(9)).unwrap(),
            Change::Nothing
        );
        assert_eq!(
            code(apply(
                Op::from(Action::Touch { ttl: Ttl::Forever }),
                Some(&expired),
                at(9)
            )),
            Code::NotFound
        );
        assert_eq!(
            code(apply(
                Op::delete().on(Condition::Exists),
                Some(&expired),
                at(9)
            )),
            Code::PreconditionFailed
        );
        assert!(apply(Op::set("new").on(Condition::Absent), Some(&expired), at(9)).is_ok());
    }

    #[test]
    fn a_delete_removes_only_an_existing_key() {
        assert_eq!(
            apply(Op::delete(), Some(&entry("old", None)), at(9)).unwrap(),
            Change::Remove
        );
        assert_eq!(apply(Op::delete(), None, at(9)).unwrap(), Change::Nothing);
    }

    #[test]
    fn a_deadline_is_cleared_kept_or_counted_from_now() {
        let old = entry("old", Some(100));
        let deadline = |ttl| put(apply(set(ttl), Some(&old), at(9))).deadline;
        assert_eq!(deadline(Ttl::Forever), None);
        assert_eq!(deadline(Ttl::Keep), Some(at(100)));
        assert_eq!(deadline(Ttl::Millis(50)), Some(at(59)));
        assert_eq!(deadline(Ttl::Until(at(50))), Some(at(50)));
        assert_eq!(deadline(Ttl::Until(at(8))), Some(at(8)));
        assert_eq!(put(apply(set(Ttl::Keep), None, at(9))).deadline, None);
        assert_eq!(
            code(apply(set(Ttl::Millis(u64::MAX)), None, at(9))),
            Code::InvalidRequest
        );
    }

    #[test]
    fn a_touch_changes_the_deadline_and_nothing_else() {
        let touched = put(apply(
            Op::from(Action::Touch {
                ttl: Ttl::Millis(1),
            }),
            Some(&entry("old", None)),
            at(9),
        ));
        assert_eq!(
            (touched.value, touched.created, touched.deadline),
            ("old".into(), at(5), Some(at(10)))
        );
    }

    #[test]
    fn sums_are_integers_within_bounds() {
        assert_eq!(put(apply(add(-3), None, at(9))).value, "-3");
        assert_eq!(
            put(apply(add(2), Some(&entry("40", None)), at(9))).value,
            "42"
        );
        for value in ["", "4.0", " 4", "four", "9223372036854775808"] {
            assert_eq!(
                code(apply(add(1), Some(&entry(value, None)), at(9))),
                Code::Conflict,
                "{value:?}"
            );
        }
        assert_eq!(
            code(apply(
                add(1),
                Some(&entry("9223372036854775807", None)),
                at(9)
            )),
            Code::Conflict
        );
        assert_eq!(
            code(apply(
                add(-1),
                Some(&entry("-9223372036854775808", None)),
                at(9)
            )),
            Code::Conflict
        );
    }

    #[test]
    fn appending_has_a_limit() {
        let append = |max_bytes| {
            Op::from(Action::Append {
                value: "er".into(),
                max_bytes,
                ttl: Ttl::Keep,
            })
        };
        assert_eq!(
            put(apply(append(9), Some(&entry("old", Some(99))), at(9))).value,
            "older"
        );
        assert_eq!(put(apply(append(9), None, at(9))).value, "er");
        assert_eq!(
            code(apply(append(4), Some(&entry("old", None)), at(9))),
            Code::TooLarge
        );
    }

    #[test]
    fn conditions_are_evaluated_against_the_current_entry() {
        let existing = entry("old", None);
        let revisions = |numbers: &[u64]| {
            Condition::Revisions(numbers.iter().copied().map(Revision::new).collect())
        };
        for (condition, with, without) in [
            (Condition::None, true, true),
            (Condition::Absent, false, true),
            (Condition::Exists, true, false),
            (revisions(&[3]), true, false),
            (revisions(&[1, 3]), true, false),
            (revisions(&[1, 2]), false, false),
            (revisions(&[]), false, false),
            (Condition::NoneOf(vec![Revision::new(3)]), false, true),
            (Condition::NoneOf(vec![Revision::new(2)]), true, true),
            (Condition::UnmodifiedSince(at(999)), true, true),
            (Condition::All(vec![]), true, true),
            (
                Condition::All(vec![Condition::Exists, revisions(&[3])]),
                true,
                false,
            ),
            (
                Condition::All(vec![Condition::Exists, Condition::Absent]),
                false,
                false,
            ),
        ] {
            assert_eq!(condition.holds(Some(&existing)), with, "{condition:?}");
            assert_eq!(condition.holds(None), without, "{condition:?}");
        }
        let refused =
            apply(Op::set("new").on(Condition::Absent), Some(&existing), at(9)).unwrap_err();
        assert_eq!(
            (refused.code(), &refused.context()["revision"]),
            (Code::PreconditionFailed, &3.into())
        );
    }

    #[test]
    fn a_date_is_compared_in_whole_seconds() {
        let mut existing = entry("old", None);
        existing.modified = at(7_900);
        for (date, expected) in [(6_999, false), (7_000, true), (7_999, true), (8_000, true)] {
            let condition = Condition::UnmodifiedSince(at(date));
            assert_eq!(condition.holds(Some(&existing)), expected, "{date}");
        }
    }
}
