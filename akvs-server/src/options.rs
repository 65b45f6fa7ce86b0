//! What can be chosen for the committer and the servers on it.

use std::time::Duration;

/// When a write is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitDurability {
    /// Once it is on disk.
    Fsync,
    /// Once the operating system has it; it is on disk at most so much later.
    Interval(Duration),
}

/// What can be chosen for the committer.
///
/// ```
/// use akvs_server::{CommitDurability, CommitterOptions};
/// assert_eq!(CommitterOptions::default().durability, CommitDurability::Fsync);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitterOptions {
    /// When a write is answered.
    pub durability: CommitDurability,
    /// The most writes that wait at once, of all namespaces; one more is refused with `overloaded`.
    pub max_queued_writes: usize,
    /// The most bytes of keys and values that wait at once.
    pub max_queued_bytes: usize,
    /// Up to this size, in bytes, what is stored is taken to be in the system's page cache, so that reading it
    /// does not wait for a disk. Beyond it, reads that miss the entry cache go to threads that may wait.
    pub resident_bytes: u64,
}

impl Default for CommitterOptions {
    fn default() -> CommitterOptions {
        CommitterOptions {
            durability: CommitDurability::Fsync,
            max_queued_writes: 10_000,
            max_queued_bytes: 256 << 20,
            resident_bytes: 1 << 30,
        }
    }
}
