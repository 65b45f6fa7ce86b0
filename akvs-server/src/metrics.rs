//! What the committer and the watchers count, for whoever looks after the server.
//!
//! Counting is a relaxed addition to a number of the committer's own; nobody waits for it. Numbers that are read
//! together need not be of the same moment.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use akvs_core::CommitSummary;

/// Bounds of durations, in ns: from what a cached read takes to what nobody waits for.
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

/// What a committer has done so far, and what waits for it.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Writes that wait or are being committed, of all namespaces.
    pub queued_writes: u64,
    /// Bytes of their keys and values.
    pub queued_bytes: u64,
    /// How many requests each commit answered.
    pub commit_requests: Buckets,
    /// How long each commit took from its first judgement until all could be answered, in ns.
    pub commit_nanos: Buckets,
    /// How long it took each time until what was to be durable was on disk, in ns.
    pub sync_nanos: Buckets,
    /// Commits that failed; there can only be one, because none follows it.
    pub failed_commits: u64,
    /// Entries that were taken out because their deadline had passed.
    pub expired_keys: u64,
    /// Changes that were the oldest of a history that was full.
    pub trimmed_changes: u64,
    /// Those who watch now.
    pub watchers: u64,
}

/// A distribution as it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Buckets {
    /// The highest number that each bucket takes, but for the last, which takes all.
    pub bounds: &'static [u64],
    /// How many numbers there were in each bucket, one more than there are bounds.
    pub counts: Vec<u64>,
    /// All numbers together.
    pub sum: u64,
}

impl Buckets {
    /// How many numbers there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Adds another distribution over the same bounds.
    pub fn add(&mut self, other: &Buckets) {
        self.bounds = other.bounds;
        self.counts.resize(other.counts.len(), 0);
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.sum += other.sum;
    }
}

/// Counts numbers by their size.
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
    /// A histogram with these bounds, in ascending order, and one bucket behind them.
    pub fn new(bounds: &'static [u64]) -> Histogram {
        Histogram {
            bounds,
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
        }
    }

    /// Counts a number.
    pub fn observe(&self, number: u64) {
        // Most numbers are small: a search by eye is the quickest.
        let bucket = self.bounds.iter().position(|bound| number <= *bound);
        let bucket = bucket.unwrap_or(self.bounds.len());
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(number, Ordering::Relaxed);
    }

    /// The distribution as it stands.
    pub fn buckets(&self) -> Buckets {
        let counts = self.counts.iter();
        Buckets {
            bounds: self.bounds,
            counts: counts.map(|count| count.load(Ordering::Relaxed)).collect(),
            sum: self.sum.load(Ordering::Relaxed),
        }
    }
}

/// The numbers themselves.
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
    /// Notes a commit that answered so many requests.
    pub(crate) fn record_commit(&self, requests: usize, took: Duration) {
        self.commit_requests.observe(requests as u64);
        self.commit_nanos.observe(nanos(took));
    }

    /// Notes what a commit did by the way.
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

    /// Notes that a commit failed, if it was tried at all.
    pub(crate) fn record_failure(&self, tried: bool) {
        self.failed_commits
            .fetch_add(u64::from(tried), Ordering::Relaxed);
    }

    /// Notes that something is on disk.
    pub(crate) fn record_sync(&self, took: Duration) {
        self.sync_nanos.observe(nanos(took));
    }

    /// Notes that so many more watch.
    pub(crate) fn add_watchers(&self, count: i64) {
        self.watchers.fetch_add(count, Ordering::Relaxed);
    }

    /// The numbers as they stand; what is queued is for the committer to add.
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

/// As many as a u64 takes: 584 years.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
