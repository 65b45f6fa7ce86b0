//! What the committer does besides committing: syncing at intervals, raising the watermark, sweeping what was
//! dropped, and watching how large the store has become. Each in small steps, so that writers hardly wait.

use std::time::Duration;

use akvs_core::engine::Durability;
use akvs_core::{Database, Error, ExpiryTask, GarbageCollector, Result, Revision};

use crate::CommitDurability;
use crate::resources::Resources;
use crate::watch::Publisher;

/// The watermark costs a sync of its own, so it follows the commits only so often.
const WATERMARK_INTERVAL: Duration = Duration::from_millis(250);
/// How often to sweep, and how many rows, while there is something to sweep; and when again after an error.
const SWEEP_INTERVAL: Duration = Duration::from_millis(5);
const SWEEP_ROWS: usize = 1_000;
const SWEEP_RETRY: Duration = Duration::from_secs(10);
/// The space of what was swept is given back if it is so much, in bytes, and such a part of what is stored.
const MIN_RECLAIM_BYTES: u64 = 16 << 20;
const RECLAIM_DIVISOR: u64 = 8;
/// At most so often, and so many at once, entries are taken out whose deadline has passed.
const EXPIRY_INTERVAL: Duration = Duration::from_millis(10);
const EXPIRY_ROWS: usize = 500;
/// The clock that deadlines are judged by may be set: do not trust a long wait for one.
const MAX_EXPIRY_WAIT: Duration = Duration::from_secs(10);
/// How often to look how large the store has become, and whether it is well. More often where the disk is nearly full.
const SIZE_INTERVAL: Duration = Duration::from_secs(10);
const SPACE_INTERVAL: Duration = Duration::from_secs(1);

/// How far something has come. A commit need not have a revision: settings have none.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Progress {
    /// How many commits.
    commits: u64,
    /// The newest revision.
    revision: Revision,
}

/// The committer's other duties, and when each is due.
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
    /// The space of what was swept is being given back.
    reclaims: bool,
    /// The disk has too little space to add data.
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
            // A process before this one may have left something.
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

    /// Records a commit: whether it had anything to write, and whether a namespace was dropped by it.
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

    /// Notes that a commit failed, after which there is nothing left to do.
    pub(crate) fn record_failure(&mut self, error: &Error) {
        if !std::mem::replace(&mut self.failed, true) {
            let source = std::error::Error::source(error)
                .map(ToString::to_string)
                .unwrap_or_default();
            log::error!("no write is taken any more, because a commit failed: {error} {source}");
        }
    }

    /// Does what is due; how long until something is due again.
    pub(crate) fn run(
        &mut self,
        resources: &Resources,
        publisher: &mut Publisher,
    ) -> Option<Duration> {
        if self.failed {
            return None;
        }
        let database = &resources.database;
        let now = resources.clock.elapsed();
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
                Err(error) => log::warn!("the size of the store is not known: {error}"),
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

    /// The last things before the end.
    pub(crate) fn finish(&mut self, database: &Database) -> Result<()> {
        database
            .close()
            .inspect_err(|error| self.record_failure(error))
    }

    fn sync(&mut self, resources: &Resources) {
        match resources.time_sync(Durability::Synced, || resources.database.sync()) {
            Ok(()) => self.synced = self.committed,
            Err(error) => self.record_failure(&error),
        }
    }

    fn raise_watermark(&mut self, database: &Database) {
        match database.raise_watermark(self.synced.revision) {
            Ok(()) => self.watermark = self.synced,
            // It only says how far the store must reach: an old one says less, but nothing wrong.
            Err(error) => log::warn!("the watermark could not be raised: {error}"),
        }
    }

    /// Takes out what has expired, if something has; when to look again.
    fn expire(
        &mut self,
        resources: &Resources,
        publisher: &mut Publisher,
        now: Duration,
    ) -> Option<Duration> {
        let database = &resources.database;
        let timestamp = resources.clock.now();
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
                    resources.metrics.record_changes(&committed);
                    publisher.publish(committed);
                    publisher.adopt_buffers(database);
                }
                Err(_) if let Some(failure) = database.failure() => self.record_failure(failure),
                Err(error) => {
                    self.next_expiry = now + MAX_EXPIRY_WAIT;
                    log::warn!("what has expired is not taken out: {error}");
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

    /// How durable a commit has to be.
    pub(crate) fn durability(&self) -> Durability {
        match self.sync_interval {
            None => Durability::Synced,
            Some(_) => Durability::Buffered,
        }
    }

    /// Sweeps a step; how long until the next one, if there is something left.
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
                log::warn!("dropped namespaces are not swept: {error}");
                Some(SWEEP_RETRY)
            }
        }
    }

    /// Has the space of what was swept given back, or sees whether it was.
    fn reclaim(&mut self, database: &Database) {
        if !self.reclaims {
            return;
        }
        match database.reclaim() {
            Ok(is_done) => self.reclaims = !is_done,
            Err(error) => {
                self.reclaims = false;
                log::warn!("the space of dropped namespaces is not given back: {error}");
            }
        }
    }

    /// Notes that writes were refused because the disk has too little space.
    pub(crate) fn record_low_space(&mut self) {
        if !std::mem::replace(&mut self.is_low_on_space, true) {
            self.next_size = Duration::ZERO;
            log::warn!("too little disk space is free: writes that add data are refused");
        }
    }

    /// Sees whether the disk has enough space.
    fn check_space(&mut self, database: &Database) {
        match database.check_growth() {
            Err(_) => self.record_low_space(),
            Ok(()) if std::mem::take(&mut self.is_low_on_space) => {
                log::info!("enough disk space is free again: all writes are taken");
            }
            Ok(()) => {}
        }
    }
}
