//! The size of a namespace, updated by the same commit that changes it.

/// The size of a namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The number of keys, including expired ones that are not removed yet.
    pub keys: u64,
    /// The bytes of keys and values together.
    pub bytes: u64,
    /// The number of changes in the history.
    pub history: u64,
}

impl Counts {
    /// Adds a key; `bytes` is its length and that of its value.
    pub(crate) fn add(&mut self, bytes: usize) {
        self.keys += 1;
        self.bytes += bytes as u64;
    }

    /// Subtracts a key; `bytes` is its length and that of its value.
    pub(crate) fn remove(&mut self, bytes: usize) {
        self.keys = self.keys.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes as u64);
    }
}
