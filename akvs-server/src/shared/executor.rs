//! The executor of a database that several nodes share: it owns the threads, the queues and the tail.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use akvs_core::{Code, Error, Namespace, NamespaceSnapshot, Result, Revision};
use futures_util::future::BoxFuture;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::{Notify, Semaphore};

use super::backend::Backend;
use super::lanes::Lane;
use super::options::SharedOptions;
use super::tail;
use crate::metrics::Stats;
use crate::queue_limits::QueueLimits;
use crate::resources::{Resources, Snapshots};
use crate::watch::{ChangeBuffer, WatchHost, WatchHub};
use crate::writer::Request;
use crate::{Clock, thread_pool::ThreadPool};

/// The number of queues from which those without requests are removed.
const MAX_IDLE_LANES: usize = 1_024;
/// The interval of maintenance where nothing is left to do, and the pause between two steps.
const MAINTENANCE_INTERVAL: Duration = Duration::from_secs(1);
const MAINTENANCE_PAUSE: Duration = Duration::from_millis(10);

/// A handle to the executor of a shared database; cheap to clone. It ends when it is stopped or the last handle is
/// dropped.
#[derive(Clone)]
pub struct SharedExecutor(Arc<Owner>);

struct Owner {
    inner: Arc<Inner>,
    runtime: Mutex<Option<Runtime>>,
}

/// What the tasks of an executor share.
pub(super) struct Inner {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) options: SharedOptions,
    pub(super) resources: Resources,
    pub(super) limits: QueueLimits,
    pub(super) permits: Semaphore,
    /// Notified when a queue is empty.
    pub(super) idle: Notify,
    /// Notified when this node has changed a namespace, or a watch has started.
    pub(super) hinted: Notify,
    pub(super) lost_answers: Counter,
    runtime: Handle,
    hub: WatchHub,
    hints: Mutex<HashSet<Namespace>>,
    lanes: Mutex<Lanes>,
    stopping: AtomicBool,
    /// Whether the threads end: no task runs any more.
    ended: AtomicBool,
}

#[derive(Default)]
struct Lanes {
    by_name: HashMap<Namespace, Weak<Lane>>,
    sweep_at: usize,
}

/// A count for monitoring.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The snapshots of a shared database.
struct BackendSnapshots(Arc<dyn Backend>);

impl Snapshots for BackendSnapshots {
    fn namespace_snapshot(&self, name: &Namespace) -> Result<NamespaceSnapshot> {
        self.0.namespace_snapshot(name)
    }
}

impl SharedExecutor {
    /// Starts the threads, the tail and the maintenance. `connect` creates the database's tasks on the same threads.
    /// Fails with `storage` if the system refuses a thread.
    pub fn start<B: Backend>(
        options: SharedOptions,
        clock: Arc<dyn Clock>,
        connect: impl FnOnce(&Handle) -> Result<B>,
    ) -> Result<SharedExecutor> {
        let refused = |error| {
            Error::new(
                Code::Storage,
                "cannot start the threads of the shared database",
            )
            .because(error)
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(options.threads.max(1))
            .thread_name("akvs-shared")
            .enable_all()
            .build()
            .map_err(refused)?;
        let backend: Arc<dyn Backend> = Arc::new(connect(runtime.handle())?);
        let snapshots = Arc::new(BackendSnapshots(Arc::clone(&backend)));
        let inner = Arc::new(Inner {
            resources: Resources::start(snapshots, clock)?,
            limits: QueueLimits::new(options.max_queued_writes, options.max_queued_bytes),
            permits: Semaphore::new(options.max_groups.max(1)),
            idle: Notify::new(),
            hinted: Notify::new(),
            lost_answers: Counter::default(),
            runtime: runtime.handle().clone(),
            hub: WatchHub::default(),
            hints: Mutex::default(),
            lanes: Mutex::default(),
            stopping: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            backend,
            options,
        });
        runtime.spawn(tail::run(Arc::downgrade(&inner)));
        runtime.spawn(maintain(Arc::downgrade(&inner)));
        Ok(SharedExecutor(Arc::new(Owner {
            inner,
            runtime: Mutex::new(Some(runtime)),
        })))
    }

    /// Commits the queued writes, ends all watches and the threads. Later writes are rejected with `closing`. Blocks,
    /// for the timeout of a commit at most.
    pub fn stop(&self) -> Result<()> {
        self.0.stop()
    }

    /// Returns the clock of this node. Deadlines are compared with that of the database.
    pub fn clock(&self) -> &dyn Clock {
        &*self.0.inner.resources.clock
    }

    /// Returns the options that it was started with.
    pub fn options(&self) -> &SharedOptions {
        &self.0.inner.options
    }

    /// Returns the database.
    pub fn backend(&self) -> &dyn Backend {
        &*self.0.inner.backend
    }

    /// Returns counters of commits, and the sizes of the queues.
    pub fn stats(&self) -> Stats {
        let inner = &self.0.inner;
        Stats {
            queued_writes: inner.limits.writes() as u64,
            queued_bytes: inner.limits.bytes() as u64,
            lost_answers: inner.lost_answers.get(),
            ..inner.resources.metrics.stats()
        }
    }

    /// Returns whether writes are accepted.
    pub fn is_writable(&self) -> bool {
        !self.0.inner.is_stopping() && self.backend().check().is_ok()
    }

    /// Ends all watches, and rejects later ones with `closing`. Reads and writes continue.
    pub fn end_watches(&self) {
        self.0.inner.hub.close();
    }

    pub(crate) fn reads(&self) -> &ThreadPool {
        &self.0.inner.resources.reads
    }

    pub(crate) fn long(&self) -> &ThreadPool {
        &self.0.inner.resources.long
    }

    /// Returns the queue of a namespace.
    pub(crate) fn lane(&self, name: &Namespace) -> Arc<Lane> {
        let mut lanes = self.0.inner.lanes();
        if let Some(lane) = lanes.by_name.get(name).and_then(Weak::upgrade) {
            return lane;
        }
        if lanes.by_name.len() >= lanes.sweep_at.max(MAX_IDLE_LANES) {
            lanes.by_name.retain(|_, lane| lane.strong_count() > 0);
            lanes.sweep_at = 2 * lanes.by_name.len();
        }
        let lane = Arc::new(Lane::new(name.clone()));
        lanes.by_name.insert(name.clone(), Arc::downgrade(&lane));
        lane
    }

    pub(crate) fn submit(&self, lane: &Arc<Lane>, request: Request) {
        self.0.inner.submit(lane, request);
    }

    /// Returns the executor as a watch uses it.
    pub(crate) fn watch_host(&self) -> Arc<dyn WatchHost> {
        Arc::clone(&self.0) as Arc<dyn WatchHost>
    }
}

impl Inner {
    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    pub(super) fn hub(&self) -> &WatchHub {
        &self.hub
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    pub(super) fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Notes that this node has changed a namespace.
    pub(super) fn hint(&self, name: &Namespace) {
        if self.hub.is_watched(name) {
            self.hints().insert(name.clone());
            self.hinted.notify_one();
        }
    }

    /// Takes the namespaces that this node has changed.
    pub(super) fn take_hints(&self) -> HashSet<Namespace> {
        std::mem::take(&mut *self.hints())
    }

    fn hints(&self) -> MutexGuard<'_, HashSet<Namespace>> {
        self.hints.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Owner {
    fn stop(&self) -> Result<()> {
        let inner = &self.inner;
        inner.stopping.store(true, Ordering::Release);
        inner.hub.close();
        let runtime = self
            .runtime
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(runtime) = runtime else {
            return Ok(());
        };
        inner.hinted.notify_one();
        let drained = runtime.block_on(async {
            tokio::time::timeout(inner.options.timeout, async {
                loop {
                    let idle = inner.idle.notified();
                    if inner.limits.writes() == 0 {
                        return;
                    }
                    idle.await;
                }
            })
            .await
        });
        // What is still waiting is answered as its task is dropped.
        inner.ended.store(true, Ordering::Release);
        runtime.shutdown_timeout(Duration::from_secs(1));
        drained.map_err(|_| {
            let text = "the database did not answer while writes were queued";
            Error::new(Code::Unavailable, text)
        })
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.inner.stopping.store(true, Ordering::Release);
        self.inner.ended.store(true, Ordering::Release);
        self.inner.hub.close();
        let runtime = self
            .runtime
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        // Nobody waits for what is queued: each caller has a handle.
        if let Some(runtime) = runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl WatchHost for Owner {
    fn resources(&self) -> &Resources {
        &self.inner.resources
    }

    fn hub(&self) -> &WatchHub {
        &self.inner.hub
    }

    fn newest(&self, published: Revision) -> Revision {
        published
    }

    fn start<'a>(&'a self, buffer: &'a Arc<ChangeBuffer>) -> Option<BoxFuture<'a, Result<()>>> {
        if buffer.is_started() {
            return None;
        }
        Some(Box::pin(async move {
            let names = std::slice::from_ref(buffer.name());
            let newest = self.inner.backend.newest(names).await?;
            // Its changes are published from there on.
            buffer.start(newest.first().copied().unwrap_or_default());
            self.inner.hints().insert(buffer.name().clone());
            self.inner.hinted.notify_one();
            Ok(())
        }))
    }
}

/// Runs the maintenance of the database until the executor ends.
async fn maintain(inner: Weak<Inner>) {
    loop {
        let Some(inner) = inner.upgrade() else { return };
        if inner.is_stopping() {
            return;
        }
        let pause = match inner.backend.maintain().await {
            Ok(true) => MAINTENANCE_PAUSE,
            Ok(false) => MAINTENANCE_INTERVAL,
            Err(error) => {
                log::debug!("maintenance of the shared database failed: {error}");
                MAINTENANCE_INTERVAL
            }
        };
        drop(inner);
        tokio::time::sleep(pause).await;
    }
}
