//! The committer: the single thread of a database that writes. It joins the writes of all writers that are queued into
//! one commit with one sync, makes the changes visible, and then answers.
//!
//! It owns its thread, the queue of writers with requests, and the limits of the queue. It does not evaluate requests:
//! `writer` and akvs-core do. When the thread ends, also by a panic, every waiting caller is answered.

mod shutdown;
mod spin;

use std::collections::VecDeque;
use std::num::NonZero;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use akvs_core::{Code, Database, Error, Result, Revision};

use self::shutdown::{PanicGuard, ShutdownGuard};
use self::spin::Spin;
use crate::completion::{Answer, Reply, ReplyBatch};
use crate::maintenance::Maintenance;
use crate::metrics::Stats;
use crate::queue_limits::QueueLimits;
use crate::resources::{CommitterResources, Resources};
use crate::watch::{Publisher, WatchHost, WatchHub};
use crate::writer::{Budget, CommitBatch, ReadyWriter, Request};
use crate::{Clock, CommitterOptions};

/// The maximum size of one commit, so that its batch and its replies stay small.
const MAX_COMMIT_REQUESTS: usize = 4_096;
const MAX_COMMIT_BYTES: usize = 32 << 20;

/// A handle to the thread that commits for all namespaces of a database; cheap to clone. The thread ends when it is
/// stopped or the last handle is dropped.
#[derive(Clone)]
pub struct Committer(Arc<Owner>);

struct Owner {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<Result<()>>>>,
}

struct Shared {
    resources: CommitterResources,
    hub: Arc<WatchHub>,
    state: Mutex<State>,
    wake: Condvar,
    limits: QueueLimits,
}

#[derive(Default)]
struct State {
    ready: VecDeque<ReadyWriter>,
    /// Pings that wait for an answer; all are answered at once.
    pings: Vec<Reply>,
    /// Whether the thread is asleep and must be woken.
    parked: bool,
    stopping: bool,
    ended: bool,
}

impl Committer {
    /// Starts the committer's thread and the threads for reads. Fails with `storage` if the system refuses a thread.
    pub fn start(
        database: Database,
        options: CommitterOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<Committer> {
        let shared = Arc::new(Shared {
            resources: CommitterResources::start(database, options, clock)?,
            hub: Arc::default(),
            state: Mutex::default(),
            wake: Condvar::new(),
            limits: QueueLimits::new(options.max_queued_writes, options.max_queued_bytes),
        });
        let thread = std::thread::Builder::new().name("akvs-committer".into());
        let thread = thread.spawn({
            let shared = Arc::clone(&shared);
            move || Shared::run(&shared)
        });
        let thread = thread.map_err(|error| {
            Error::new(Code::Storage, "cannot start the committer's thread").because(error)
        })?;
        Ok(Committer(Arc::new(Owner {
            shared,
            thread: Mutex::new(Some(thread)),
        })))
    }

    /// Commits the queued writes, makes everything durable and ends the thread; fails if a commit or sync fails. Later
    /// writes are rejected with `closing`. Blocks until the thread has ended.
    pub fn stop(&self) -> Result<()> {
        self.0.stop()
    }

    /// Returns the database that it commits to.
    pub fn database(&self) -> &Database {
        &self.0.shared.resources.database
    }

    /// Returns the clock that deadlines are compared with.
    pub fn clock(&self) -> &dyn Clock {
        &*self.0.shared.resources.common.clock
    }

    /// Returns the options that it was started with.
    pub fn options(&self) -> &CommitterOptions {
        &self.0.shared.resources.options
    }

    /// Returns counters of commits, and the sizes of the queue.
    pub fn stats(&self) -> Stats {
        let shared = &self.0.shared;
        Stats {
            queued_writes: shared.limits.writes() as u64,
            queued_bytes: shared.limits.bytes() as u64,
            ..shared.resources.common.metrics.stats()
        }
    }

    /// Returns whether writes are accepted: the committer was not stopped and no commit has failed.
    pub fn is_writable(&self) -> bool {
        let state = self.0.shared.state();
        !state.stopping && !state.ended && self.database().failure().is_none()
    }

    /// Checks that the committer's thread responds: resolves after the commit in progress, by the same path as the
    /// answer to a write. Returns false if the thread has ended. A thread that runs after a failed commit responds too.
    ///
    /// A ping takes no place in the queue of writes, so that a full queue does not make the thread look hung.
    pub fn ping(&self) -> impl Future<Output = bool> + use<> {
        let (reply, receiver) = Reply::channel();
        self.0.shared.send_ping(reply);
        async move { matches!(receiver.await, Ok(Ok(_))) }
    }

    /// Ends all [watches](crate::Server::watch), and rejects later ones with `closing`. Reads and writes continue.
    pub fn end_watches(&self) {
        self.0.shared.hub.close();
    }

    pub(crate) fn resources(&self) -> &CommitterResources {
        &self.0.shared.resources
    }

    /// Returns the committer as a watch uses it. The committer runs while a watch holds it.
    pub(crate) fn watch_host(&self) -> Arc<dyn WatchHost> {
        Arc::clone(&self.0) as Arc<dyn WatchHost>
    }

    /// Queues a request with a writer; rejects it if the queue is full or the committer has ended.
    pub(crate) fn submit(&self, writer: &ReadyWriter, request: Request) {
        self.0.shared.submit(writer, request);
    }
}

impl WatchHost for Owner {
    fn resources(&self) -> &Resources {
        &self.shared.resources.common
    }

    fn hub(&self) -> &WatchHub {
        &self.shared.hub
    }

    fn newest(&self, _: Revision) -> Revision {
        // One counter serves all namespaces.
        self.shared.resources.database.revision()
    }
}

impl Owner {
    fn stop(&self) -> Result<()> {
        {
            let mut state = self.shared.state();
            state.stopping = true;
            self.shared.wake.notify_one();
        }
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(thread) = thread else { return Ok(()) };
        thread.join().unwrap_or_else(|_| {
            let error = Error::new(Code::Storage, "the committer's thread panicked");
            log::error!("{error}");
            Err(error)
        })
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // A failure was logged.
        let _ = self.stop();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn submit(&self, writer: &ReadyWriter, request: Request) {
        if let Err(error) = self.limits.admit(request.work.bytes()) {
            request.reply.send(Err(error));
            return;
        }
        if !writer.push(request) {
            return;
        }
        let mut state = self.state();
        if state.ended {
            drop(state);
            self.reject_all(writer);
            return;
        }
        state.ready.push_back(Arc::clone(writer));
        let parked = std::mem::take(&mut state.parked);
        drop(state);
        if parked {
            self.wake.notify_one();
        }
    }

    fn send_ping(&self, reply: Reply) {
        let mut state = self.state();
        if state.ended {
            // The dropped reply tells the caller.
            return;
        }
        state.pings.push(reply);
        let parked = std::mem::take(&mut state.parked);
        drop(state);
        if parked {
            self.wake.notify_one();
        }
    }

    fn run(shared: &Arc<Shared>) -> Result<()> {
        // Answers all waiting callers however the thread ends.
        let _end = ShutdownGuard(shared);
        let mut maintenance = Maintenance::new(shared.resources.options.durability);
        let mut publisher = Publisher::new(Arc::clone(&shared.hub));
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let (mut spin, mut writes) = (Spin::new(cores), 0);
        loop {
            let waited = (&mut spin, writes);
            let Some(ready) = shared.next(&mut maintenance, &mut publisher, waited) else {
                break;
            };
            let mut guard = PanicGuard {
                shared,
                writers: ready.iter().cloned().collect(),
            };
            writes = shared.commit(ready, &mut maintenance, &mut publisher);
            guard.writers.clear();
        }
        maintenance.finish(&shared.resources.database)
    }

    /// Waits for writers with requests and does maintenance meanwhile, after a commit of this many writes. Returns none
    /// when the committer must end.
    fn next(
        &self,
        maintenance: &mut Maintenance,
        publisher: &mut Publisher,
        (spin, mut writes): (&mut Spin, usize),
    ) -> Option<VecDeque<ReadyWriter>> {
        loop {
            let pause = maintenance.run(&self.resources, publisher);
            let clock = &*self.resources.common.clock;
            spin.until(std::mem::take(&mut writes), clock, || {
                self.limits.writes() > 0
            });
            let mut state = self.state();
            let pings = std::mem::take(&mut state.pings);
            if !pings.is_empty() {
                drop(state);
                ReplyBatch::from_replies(pings, || Ok(Answer::Flushed)).send();
                continue;
            }
            if state.ready.is_empty() && !state.stopping {
                state.parked = true;
                let start = clock.elapsed();
                state = match pause {
                    Some(pause) => {
                        let waited = self.wake.wait_timeout(state, pause);
                        waited.unwrap_or_else(PoisonError::into_inner).0
                    }
                    None => self
                        .wake
                        .wait(state)
                        .unwrap_or_else(PoisonError::into_inner),
                };
                state.parked = false;
                spin.slept(clock.elapsed().saturating_sub(start));
            }
            if !state.ready.is_empty() {
                return Some(std::mem::take(&mut state.ready));
            }
            if state.stopping {
                state.ended = true;
                return None;
            }
        }
    }

    /// Makes one commit: evaluates the queued requests of each writer in turn, up to the size of a commit. Returns their
    /// number.
    fn commit(
        &self,
        mut ready: VecDeque<ReadyWriter>,
        maintenance: &mut Maintenance,
        publisher: &mut Publisher,
    ) -> usize {
        let local = &self.resources;
        let resources = &local.common;
        let start = resources.clock.elapsed();
        let mut batch = CommitBatch {
            now: resources.clock.now(),
            budget: Budget::new(MAX_COMMIT_REQUESTS, MAX_COMMIT_BYTES),
            replies: ReplyBatch::default(),
            dropped: false,
        };
        let recording = publisher.adopt_buffers(&local.database);
        let mut group = local.database.group();
        if recording {
            group.record();
        }
        let mut unfinished = Vec::new();
        while !batch.budget.is_spent()
            && let Some(writer) = ready.pop_front()
        {
            if writer.apply_queued(&mut group, &mut batch) {
                unfinished.push(writer);
            }
        }
        if !ready.is_empty() || !unfinished.is_empty() {
            // Writers that had no turn come first, those with requests left come last.
            let mut state = self.state();
            ready.append(&mut state.ready);
            ready.extend(unfinished);
            state.ready = ready;
        }
        if group.lacks_space() {
            maintenance.record_low_space();
        }
        let (durability, requests) = (maintenance.durability(), batch.replies.len());
        let mut written = false;
        let result = group.commit_by(durability, |engine, batch| {
            written = true;
            local.time_sync(durability, || engine.commit(batch, durability))
        });
        match result {
            Ok(committed) => {
                maintenance.record_commit(committed.revision, written, batch.dropped);
                // Counted before the replies are sent, so that a caller sees its own write in the statistics.
                resources.metrics.record_changes(&committed);
                if written {
                    let took = resources.clock.elapsed().saturating_sub(start);
                    resources.metrics.record_commit(requests, took);
                }
                self.send_replies(batch);
                publisher.publish(committed);
                publisher.adopt_buffers(&local.database);
            }
            Err(error) => {
                resources.metrics.record_failure(written);
                // Without a failure of the database the engine rejected this commit alone: later ones may succeed.
                if let Some(failure) = local.database.failure() {
                    maintenance.record_failure(failure);
                }
                batch.replies.fail(&error);
                self.send_replies(batch);
            }
        }
        requests
    }

    fn send_replies(&self, batch: CommitBatch) {
        let bytes = batch.budget.spent_bytes();
        self.limits.discharge(batch.replies.len(), bytes);
        batch.replies.send();
    }
}
