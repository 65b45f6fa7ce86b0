//! Counters of the committer and the watchers, for monitoring.
//!
//! Counting is a relaxed atomic addition. Numbers that are read together may be of slightly different moments.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use akvs_core::CommitSummary;

/// Bounds of durations, in ns: from a cached read to a timeout.
pub const NANOS: &[u64] = &[
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];
const REQUESTS: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048, 4_096];

/// Counters of a committer, and the sizes of its queue.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Writes in the queue or in a commit, of all namespaces.
    pub queued_writes: u64,
    /// Bytes of their keys and values.
    pub queued_bytes: u64,
    /// Requests of each commit.
    pub commit_requests: Buckets,
    /// Duration of each commit, from the first evaluation until its replies can be sent, in ns.
    pub commit_nanos: Buckets,
    /// Duration of each durable commit and sync, in ns.
    pub sync_nanos: Buckets,
    /// Commits whose answers were lost; always 0 where the database is local.
    pub lost_answers: u64,
    /// Failed commits: at most one, because none follows it.
    pub failed_commits: u64,
    /// Entries that were removed because their deadline had passed.
    pub expired_keys: u64,
    /// Changes that were removed from a full history.
    pub trimmed_changes: u64,
    /// Watches that are open.
    pub watchers: u64,
}

/// The counts of a histogram at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Buckets {
    /// The highest number of each bucket but the last, which has no bound.
    pub bounds: &'static [u64],
    /// The count of each bucket; one more than there are bounds.
    pub counts: Vec<u64>,
    /// The sum of all numbers.
    pub sum: u64,
}

impl Buckets {
    /// Returns the count of all buckets.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Adds the counts of another histogram with the same bounds.
    pub fn add(&mut self, other: &Buckets) {
        self.bounds = other.bounds;
        self.counts.resize(other.counts.len(), 0);
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.sum += other.sum;
    }
}

/// A histogram of numbers.
///
/// ```
/// let histogram = akvs_server::Histogram::new(&[10, 100]);
/// for number in [5, 10, 11, 1_000] {
///     histogram.observe(number);
/// }
/// let buckets = histogram.buckets();
/// assert_eq!((buckets.counts, buckets.sum), (vec![2, 1, 1], 1_026));
/// ```
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Histogram {
    /// Creates a histogram with these bounds, in ascending order, and one more bucket after them.
    pub fn new(bounds: &'static [u64]) -> Histogram {
        Histogram {
            bounds,
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
        }
    }

    /// Counts a number.
    pub fn observe(&self, number: u64) {
        // Most numbers are small: a linear search is the fastest.
        let bucket = self.bounds.iter().position(|bound| number <= *bound);
        let bucket = bucket.unwrap_or(self.bounds.len());
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(number, Ordering::Relaxed);
    }

    /// Returns the current counts.
    pub fn buckets(&self) -> Buckets {
        let counts = self.counts.iter();
        Buckets {
            bounds: self.bounds,
            counts: counts.map(|count| count.load(Ordering::Relaxed)).collect(),
            sum: self.sum.load(Ordering::Relaxed),
        }
    }
}

/// The counters of a committer.
#[derive(Debug)]
pub(crate) struct CommitterMetrics {
    commit_requests: Histogram,
    commit_nanos: Histogram,
    sync_nanos: Histogram,
    failed_commits: AtomicU64,
    expired_keys: AtomicU64,
    trimmed_changes: AtomicU64,
    watchers: AtomicI64,
}

impl Default for CommitterMetrics {
    fn default() -> CommitterMetrics {
        CommitterMetrics {
            commit_requests: Histogram::new(REQUESTS),
            commit_nanos: Histogram::new(NANOS),
            sync_nanos: Histogram::new(NANOS),
            failed_commits: AtomicU64::new(0),
            expired_keys: AtomicU64::new(0),
            trimmed_changes: AtomicU64::new(0),
            watchers: AtomicI64::new(0),
        }
    }
}

impl CommitterMetrics {
    /// Records a commit with this number of requests.
    pub(crate) fn record_commit(&self, requests: usize, took: Duration) {
        self.commit_requests.observe(requests as u64);
        self.commit_nanos.observe(nanos(took));
    }

    /// Records the entries that expired and the changes that were trimmed in a commit.
    pub(crate) fn record_changes(&self, committed: &CommitSummary) {
        if committed.expired > 0 {
            self.expired_keys
                .fetch_add(committed.expired, Ordering::Relaxed);
        }
        if committed.trimmed > 0 {
            self.trimmed_changes
                .fetch_add(committed.trimmed, Ordering::Relaxed);
        }
    }

    /// Records a failed commit, if it was tried at all.
    pub(crate) fn record_failure(&self, tried: bool) {
        self.failed_commits
            .fetch_add(u64::from(tried), Ordering::Relaxed);
    }

    /// Records the duration of a durable commit or a sync.
    pub(crate) fn record_sync(&self, took: Duration) {
        self.sync_nanos.observe(nanos(took));
    }

    /// Adds to the number of watches.
    pub(crate) fn add_watchers(&self, count: i64) {
        self.watchers.fetch_add(count, Ordering::Relaxed);
    }

    /// Returns the current numbers; the committer adds the sizes of its queue.
    pub(crate) fn stats(&self) -> Stats {
        Stats {
            commit_requests: self.commit_requests.buckets(),
            commit_nanos: self.commit_nanos.buckets(),
            sync_nanos: self.sync_nanos.buckets(),
            failed_commits: self.failed_commits.load(Ordering::Relaxed),
            expired_keys: self.expired_keys.load(Ordering::Relaxed),
            trimmed_changes: self.trimmed_changes.load(Ordering::Relaxed),
            watchers: self.watchers.load(Ordering::Relaxed).max(0) as u64,
            ..Stats::default()
        }
    }
}

/// Saturates after 584 years.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
