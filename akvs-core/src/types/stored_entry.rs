//! An entry as an engine has it: its value may be stored apart from it.

use crate::{Entry, Revision};

/// A value that is stored apart from its entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SeparatedValue {
    /// The revision that wrote the value; that of the entry may be later.
    pub revision: Revision,
    /// The length of the value.
    pub bytes: u64,
}

/// An entry, without its value where that is stored apart and was not read.
#[derive(Clone, Debug)]
pub struct StoredEntry {
    /// The entry. Its value is empty where it was not read.
    pub entry: Entry,
    /// Where the value is stored; none where it is stored with the entry.
    pub separated: Option<SeparatedValue>,
}

impl StoredEntry {
    /// Returns the length of the value, whether or not it was read.
    pub fn value_bytes(&self) -> usize {
        let here = self.entry.value.len();
        self.separated.map_or(here, |separated| {
            usize::try_from(separated.bytes).unwrap_or(usize::MAX)
        })
    }

    /// Returns whether the value was read.
    pub fn is_loaded(&self) -> bool {
        self.entry.value.len() == self.value_bytes()
    }
}
