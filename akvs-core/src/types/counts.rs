//! How much a namespace holds, kept in step by the same commit that changes it.

/// How much a namespace holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Keys, those past their deadline but not yet swept included.
    pub keys: u64,
    /// Bytes of keys and values together.
    pub bytes: u64,
    /// Changes that the history still holds.
    pub history: u64,
}

impl Counts {
    /// Notes that a key of so many bytes with its value came to be.
    pub(crate) fn add(&mut self, bytes: usize) {
        self.keys += 1;
        self.bytes += bytes as u64;
    }

    /// Notes that a key of so many bytes with its value is no more.
    pub(crate) fn remove(&mut self, bytes: usize) {
        self.keys = self.keys.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes as u64);
    }
}
