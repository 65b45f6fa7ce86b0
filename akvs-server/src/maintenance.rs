//! The committer's maintenance: interval syncs, the watermark, garbage collection of dropped namespaces, expiry, and
//! checks of the store's size and health. Each runs in small steps, so that writers hardly wait.

use std::time::Duration;

use akvs_core::engine::Durability;
use akvs_core::{Database, Error, ExpiryTask, GarbageCollector, Result, Revision};

use crate::CommitDurability;
use crate::resources::CommitterResources;
use crate::watch::Publisher;

/// Raising the watermark costs a sync, so it follows the commits at this interval.
const WATERMARK_INTERVAL: Duration = Duration::from_millis(250);
/// Garbage collection: the interval of the steps, the rows of a step, and the pause after an error.
const SWEEP_INTERVAL: Duration = Duration::from_millis(5);
const SWEEP_ROWS: usize = 1_000;
const SWEEP_RETRY: Duration = Duration::from_secs(10);
/// Space is reclaimed when the removed bytes reach both this size and this part of the store.
const MIN_RECLAIM_BYTES: u64 = 16 << 20;
const RECLAIM_DIVISOR: u64 = 8;
/// Expiry: the interval of the steps, and the entries of a step.
const EXPIRY_INTERVAL: Duration = Duration::from_millis(10);
const EXPIRY_ROWS: usize = 500;
/// The time of day may be set, so a long wait for a deadline is not trusted.
const MAX_EXPIRY_WAIT: Duration = Duration::from_secs(10);
/// How often the store's size and health are checked, and how often the free space while it is low.
const SIZE_INTERVAL: Duration = Duration::from_secs(10);
const SPACE_INTERVAL: Duration = Duration::from_secs(1);

/// A position in the sequence of commits. A commit may have no revision: that of settings has none.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Progress {
    /// The number of commits.
    commits: u64,
    /// The newest revision.
    revision: Revision,
}

/// The state of the committer's maintenance, and when each task is due.
pub(crate) struct Maintenance {
    sync_interval: Option<Duration>,
    committed: Progress,
    synced: Progress,
    watermark: Progress,
    next_sync: Duration,
    next_watermark: Duration,
    next_sweep: Option<Duration>,
    next_size: Duration,
    sweep: GarbageCollector,
    /// Whether space is being reclaimed.
    reclaims: bool,
    /// Whether the disk has too little space to add data.
    is_low_on_space: bool,
    next_expiry: Duration,
    expiry: ExpiryTask,
    failed: bool,
}

impl Maintenance {
    pub(crate) fn new(durability: CommitDurability) -> Maintenance {
        let sync_interval = match durability {
            CommitDurability::Fsync => None,
            CommitDurability::Interval(interval) => Some(interval),
        };
        Maintenance {
            sync_interval,
            committed: Progress::default(),
            synced: Progress::default(),
            watermark: Progress::default(),
            next_sync: Duration::ZERO,
            next_watermark: Duration::ZERO,
            // An earlier process may have left dropped namespaces.
            next_sweep: Some(Duration::ZERO),
            next_size: Duration::ZERO,
            sweep: GarbageCollector::default(),
            reclaims: false,
            is_low_on_space: false,
            next_expiry: Duration::ZERO,
            expiry: ExpiryTask::default(),
            failed: false,
        }
    }

    /// Records a commit: whether it wrote anything, and whether it dropped a namespace.
    pub(crate) fn record_commit(&mut self, revision: Revision, written: bool, dropped: bool) {
        if dropped {
            self.next_sweep.get_or_insert(Duration::ZERO);
        }
        self.committed.revision = revision;
        self.committed.commits += u64::from(written);
        if self.sync_interval.is_none() {
            self.synced = self.committed;
        }
    }

    /// Records a failed commit, after which maintenance ends.
    pub(crate) fn record_failure(&mut self, error: &Error) {
        if !std::mem::replace(&mut self.failed, true) {
            let source = std::error::Error::source(error)
                .map(ToString::to_string)
                .unwrap_or_default();
            log::error!("a commit failed, all later writes are rejected: {error} {source}");
        }
    }

    /// Runs the tasks that are due; returns the time until the next one.
    pub(crate) fn run(
        &mut self,
        resources: &CommitterResources,
        publisher: &mut Publisher,
    ) -> Option<Duration> {
        if self.failed {
            return None;
        }
        let database = &resources.database;
        let now = resources.common.clock.elapsed();
        let mut due: Option<Duration> = None;
        let mut at = |time: Duration| due = Some(due.map_or(time, |due| due.min(time)));
        if now >= self.next_size {
            self.next_size = now
                + if self.is_low_on_space {
                    SPACE_INTERVAL
                } else {
                    SIZE_INTERVAL
                };
            if let Err(error) = database.check() {
                self.record_failure(&error);
                return None;
            }
            self.check_space(database);
            self.reclaim(database);
            match database.stored_bytes() {
                Ok(bytes) => {
                    resources.set_resident(bytes <= resources.options.resident_bytes);
                }
                Err(error) => log::warn!("cannot read the size of the store: {error}"),
            }
        }
        at(self.next_size);
        if let Some(interval) = self.sync_interval
            && self.synced != self.committed
        {
            if now >= self.next_sync {
                self.next_sync = now + interval;
                self.sync(resources);
            } else {
                at(self.next_sync);
            }
        }
        if self.watermark != self.synced {
            if now >= self.next_watermark {
                self.next_watermark = now + WATERMARK_INTERVAL;
                self.raise_watermark(database);
            } else {
                at(self.next_watermark);
            }
        }
        if let Some(next) = self.expire(resources, publisher, now) {
            at(next);
        }
        if let Some(next) = self.next_sweep {
            if now >= next {
                self.next_sweep = self.sweep(database).map(|pause| now + pause);
            }
            if let Some(next) = self.next_sweep {
                at(next);
            }
        }
        due.map(|due| due.saturating_sub(now))
    }

    /// Closes the database.
    pub(crate) fn finish(&mut self, database: &Database) -> Result<()> {
        database
            .close()
            .inspect_err(|error| self.record_failure(error))
    }

    fn sync(&mut self, resources: &CommitterResources) {
        match resources.time_sync(Durability::Synced, || resources.database.sync()) {
            Ok(()) => self.synced = self.committed,
            Err(error) => self.record_failure(&error),
        }
    }

    fn raise_watermark(&mut self, database: &Database) {
        match database.raise_watermark(self.synced.revision) {
            Ok(()) => self.watermark = self.synced,
            // An old watermark promises less and is not wrong.
            Err(error) => log::warn!("cannot raise the watermark: {error}"),
        }
    }

    /// Removes expired entries, if there are any; returns when to check again.
    fn expire(
        &mut self,
        resources: &CommitterResources,
        publisher: &mut Publisher,
        now: Duration,
    ) -> Option<Duration> {
        let database = &resources.database;
        let timestamp = resources.common.clock.now();
        let deadline = database.next_deadline()?;
        if deadline <= timestamp && now >= self.next_expiry {
            self.next_expiry = now + EXPIRY_INTERVAL;
            let recording = publisher.adopt_buffers(database);
            let durability = self.durability();
            match self
                .expiry
                .step(database, timestamp, EXPIRY_ROWS, durability, recording)
            {
                Ok(committed) => {
                    let written = committed.revision > self.committed.revision;
                    self.record_commit(committed.revision, written, false);
                    resources.common.metrics.record_changes(&committed);
                    publisher.publish(committed);
                    publisher.adopt_buffers(database);
                }
                Err(_) if let Some(failure) = database.failure() => self.record_failure(failure),
                Err(error) => {
                    self.next_expiry = now + MAX_EXPIRY_WAIT;
                    log::warn!("cannot remove expired entries: {error}");
                }
            }
        }
        let wait = database
            .next_deadline()?
            .as_millis()
            .saturating_sub(timestamp.as_millis());
        let wait = Duration::from_millis(wait).min(MAX_EXPIRY_WAIT);
        Some((now + wait).max(self.next_expiry))
    }

    /// Returns the durability of commits.
    pub(crate) fn durability(&self) -> Durability {
        match self.sync_interval {
            None => Durability::Synced,
            Some(_) => Durability::Buffered,
        }
    }

    /// Runs a step of garbage collection; returns the pause until the next one, if anything is left.
    fn sweep(&mut self, database: &Database) -> Option<Duration> {
        match self.sweep.step(database, SWEEP_ROWS) {
            Ok(true) => Some(SWEEP_INTERVAL),
            Ok(false) => {
                let removed = self.sweep.take_removed_bytes();
                let stored = database.stored_bytes().unwrap_or(u64::MAX);
                self.reclaims |= removed >= MIN_RECLAIM_BYTES.max(stored / RECLAIM_DIVISOR);
                self.reclaim(database);
                None
            }
            Err(error) => {
                log::warn!("cannot remove the rows of dropped namespaces: {error}");
                Some(SWEEP_RETRY)
            }
        }
    }

    /// Starts reclaiming space, or checks whether it is done.
    fn reclaim(&mut self, database: &Database) {
        if !self.reclaims {
            return;
        }
        match database.reclaim() {
            Ok(is_done) => self.reclaims = !is_done,
            Err(error) => {
                self.reclaims = false;
                log::warn!("cannot reclaim the space of dropped namespaces: {error}");
            }
        }
    }

    /// Records that writes were rejected because the disk has too little space.
    pub(crate) fn record_low_space(&mut self) {
        if !std::mem::replace(&mut self.is_low_on_space, true) {
            self.next_size = Duration::ZERO;
            log::warn!("low disk space: writes that add data are rejected");
        }
    }

    /// Checks whether the disk has enough space.
    fn check_space(&mut self, database: &Database) {
        match database.check_growth() {
            Err(_) => self.record_low_space(),
            Ok(()) if std::mem::take(&mut self.is_low_on_space) => {
                log::info!("enough disk space again: all writes are accepted");
            }
            Ok(()) => {}
        }
    }
}
