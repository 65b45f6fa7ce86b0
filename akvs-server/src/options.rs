//! Options of the committer.

use std::time::Duration;

/// When a write is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitDurability {
    /// When it is on disk.
    Fsync,
    /// When the operating system has it; it is on disk at most this duration later.
    Interval(Duration),
}

/// Options of the committer.
///
/// ```
/// use akvs_server::{CommitDurability, CommitterOptions};
/// assert_eq!(CommitterOptions::default().durability, CommitDurability::Fsync);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitterOptions {
    /// When a write is answered.
    pub durability: CommitDurability,
    /// The maximum number of queued writes, of all namespaces; more are rejected with `overloaded`.
    pub max_queued_writes: usize,
    /// The maximum number of bytes of queued keys and values.
    pub max_queued_bytes: usize,
    /// A store up to this size, in bytes, is assumed to be in the system's page cache, so that reads do not wait for a
    /// disk. Reads of a larger store that miss the entry cache go to threads that may wait.
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
