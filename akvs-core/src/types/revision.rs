//! Revisions: the numbers of changes, one sequence for the whole database.

use std::fmt;

/// The number of a change.
///
/// Within a namespace it strictly increases, and it is never used again: not after the namespace was dropped and
/// created again, nor after the store was restored from a backup or lost commits. The revisions of a namespace need not
/// be consecutive.
///
/// ```
/// use akvs_core::Revision;
/// assert!(Revision::ZERO < Revision::ZERO.next());
/// assert_eq!(Revision::new(7).to_string(), "7");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Revision(u64);

impl Revision {
    /// The revision before any change.
    pub const ZERO: Revision = Revision(0);

    /// The last revision: 2^53 - 1, the greatest integer that every JSON reader represents exactly.
    pub const MAX: Revision = Revision((1 << 53) - 1);

    /// Creates the revision of this number.
    pub fn new(number: u64) -> Revision {
        Revision(number)
    }

    /// Returns the number.
    pub fn get(self) -> u64 {
        self.0
    }

    /// Returns the next revision.
    #[must_use]
    pub fn next(self) -> Revision {
        Revision(self.0.saturating_add(1))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
