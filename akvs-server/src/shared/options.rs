//! Options of a shared executor.

use std::time::Duration;

/// Options of a shared executor.
///
/// ```
/// use akvs_server::SharedOptions;
/// assert_eq!(SharedOptions::default().max_groups, 8);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedOptions {
    /// The maximum number of queued writes, of all namespaces; more are rejected with `overloaded`.
    pub max_queued_writes: usize,
    /// The maximum number of bytes of queued keys and values.
    pub max_queued_bytes: usize,
    /// The maximum number of groups that are committed at the same time: while they are, the next ones grow.
    pub max_groups: usize,
    /// How long a group is tried again, or its outcome looked for.
    pub timeout: Duration,
    /// How often the newest revisions of watched namespaces are asked for, whether or not there are hints.
    pub poll_interval: Duration,
    /// The number of threads of its runtime.
    pub threads: usize,
}

impl Default for SharedOptions {
    fn default() -> SharedOptions {
        SharedOptions {
            max_queued_writes: 10_000,
            max_queued_bytes: 256 << 20,
            max_groups: 8,
            timeout: Duration::from_secs(25),
            poll_interval: Duration::from_secs(1),
            threads: 2,
        }
    }
}
