//! The executor of changes: the committer of a local database, or that of a database that several nodes share.

use std::borrow::Cow;
use std::time::Duration;

use akvs_core::engine::Capabilities;
use akvs_core::{
    CacheStats, DatabaseSnapshot, Namespace, NamespaceInfo, NamespaceSnapshot, Result,
    StorageStats, Timestamp,
};

use crate::metrics::Stats;
use crate::thread_pool::ThreadPool;
use crate::{Clock, CommitDurability, Committer, SharedExecutor};

/// The executor of changes; cheap to clone.
///
/// An enum, so that requests to a local database pay for neither a box nor a virtual call.
#[derive(Clone)]
pub enum Executor {
    /// The committer of a database that only this process uses.
    Local(Committer),
    /// The executor of a database that several nodes share.
    Shared(SharedExecutor),
}

impl From<Committer> for Executor {
    fn from(committer: Committer) -> Executor {
        Executor::Local(committer)
    }
}

impl From<&Committer> for Executor {
    fn from(committer: &Committer) -> Executor {
        Executor::Local(committer.clone())
    }
}

impl From<SharedExecutor> for Executor {
    fn from(shared: SharedExecutor) -> Executor {
        Executor::Shared(shared)
    }
}

impl From<&SharedExecutor> for Executor {
    fn from(shared: &SharedExecutor) -> Executor {
        Executor::Shared(shared.clone())
    }
}

impl From<&Executor> for Executor {
    fn from(executor: &Executor) -> Executor {
        executor.clone()
    }
}

impl Executor {
    /// Commits the queued writes and ends the threads. See [`Committer::stop`] and [`SharedExecutor::stop`].
    pub fn stop(&self) -> Result<()> {
        match self {
            Executor::Local(committer) => committer.stop(),
            Executor::Shared(shared) => shared.stop(),
        }
    }

    /// Returns the clock of this process.
    pub fn clock(&self) -> &dyn Clock {
        match self {
            Executor::Local(committer) => committer.clock(),
            Executor::Shared(shared) => shared.clock(),
        }
    }

    /// Returns the time of day of this process.
    pub fn now(&self) -> Timestamp {
        self.clock().now()
    }

    /// Returns how long the clock of this process has been running.
    pub fn elapsed(&self) -> Duration {
        self.clock().elapsed()
    }

    /// Returns counters of commits, and the sizes of the queue.
    pub fn stats(&self) -> Stats {
        match self {
            Executor::Local(committer) => committer.stats(),
            Executor::Shared(shared) => shared.stats(),
        }
    }

    /// Returns whether writes are accepted.
    pub fn is_writable(&self) -> bool {
        match self {
            Executor::Local(committer) => committer.is_writable(),
            Executor::Shared(shared) => shared.is_writable(),
        }
    }

    /// Checks that the thread that commits responds. See [`Committer::ping`]; a shared executor has no such thread.
    pub fn ping(&self) -> impl Future<Output = bool> + use<> {
        let ping = match self {
            Executor::Local(committer) => Some(committer.ping()),
            Executor::Shared(_) => None,
        };
        async move {
            match ping {
                Some(ping) => ping.await,
                None => true,
            }
        }
    }

    /// Ends all watches, and rejects later ones with `closing`. Reads and writes continue.
    pub fn end_watches(&self) {
        match self {
            Executor::Local(committer) => committer.end_watches(),
            Executor::Shared(shared) => shared.end_watches(),
        }
    }

    /// Runs work on another thread that may wait for a disk or takes long. As many run at the same time as there are
    /// cores, the others wait in order; fails with `overloaded` if too many wait.
    pub fn blocking<T, W>(&self, work: W) -> impl Future<Output = Result<T>> + Send + use<T, W>
    where
        T: Send + 'static,
        W: FnOnce() -> Result<T> + Send + 'static,
    {
        let long = match self {
            Executor::Local(committer) => &committer.resources().common.long,
            Executor::Shared(shared) => shared.long(),
        };
        long.run(work)
    }

    /// Runs work on another thread that mostly waits, for a disk or another thread, and computes little. A few run at
    /// the same time, the others wait in order; fails with `overloaded` if too many wait.
    pub fn waiting<T, W>(&self, work: W) -> impl Future<Output = Result<T>> + Send + use<T, W>
    where
        T: Send + 'static,
        W: FnOnce() -> Result<T> + Send + 'static,
    {
        self.reads().run(work)
    }

    /// Returns a namespace as it is now. May wait.
    pub fn namespace_snapshot(&self, name: &Namespace) -> Result<NamespaceSnapshot> {
        match self {
            Executor::Local(committer) => committer.database().namespace_snapshot(name),
            Executor::Shared(shared) => shared.backend().namespace_snapshot(name),
        }
    }

    /// Returns all namespaces as they are now. May wait.
    pub fn database_snapshot(&self) -> Result<DatabaseSnapshot> {
        match self {
            Executor::Local(committer) => committer.database().snapshot(),
            Executor::Shared(shared) => shared.backend().database_snapshot(),
        }
    }

    /// Returns up to `limit` namespaces in the order of their names, after the name `after`. May wait.
    pub fn namespaces(
        &self,
        after: Option<&Namespace>,
        limit: usize,
    ) -> Result<Vec<NamespaceInfo>> {
        match self {
            Executor::Local(committer) => committer.database().namespaces(after, limit),
            Executor::Shared(shared) => shared.backend().namespaces(after, limit),
        }
    }

    /// Returns whether a namespace may exist: in a shared database only a request to it shows whether it does.
    pub fn may_have_namespace(&self, name: &Namespace) -> Result<bool> {
        match self {
            Executor::Local(committer) => committer.database().has_namespace(name),
            Executor::Shared(_) => Ok(true),
        }
    }

    /// Returns statistics of the store, and of this number of the largest namespaces. May wait.
    pub fn storage_stats(&self, largest: usize) -> Result<StorageStats> {
        match self {
            Executor::Local(committer) => committer.database().storage_stats(largest),
            Executor::Shared(shared) => shared.backend().storage_stats(largest),
        }
    }

    /// Returns the size and the hit rate of the read cache; a shared executor has none.
    pub fn cache_stats(&self) -> CacheStats {
        match self {
            Executor::Local(committer) => committer.database().cache_stats(),
            Executor::Shared(_) => CacheStats::default(),
        }
    }

    /// Returns the approximate size of the store, in bytes. May wait.
    pub fn stored_bytes(&self) -> Result<u64> {
        match self {
            Executor::Local(committer) => committer.database().stored_bytes(),
            Executor::Shared(shared) => shared.backend().stored_bytes(),
        }
    }

    /// Returns the capabilities of the database.
    pub fn capabilities(&self) -> Capabilities {
        match self {
            Executor::Local(committer) => committer.database().capabilities(),
            Executor::Shared(shared) => shared.backend().capabilities(),
        }
    }

    /// Returns how durable an answered write is: `none`, `fsync`, `interval`, or what a shared database says.
    pub fn durability(&self) -> Cow<'static, str> {
        match self {
            // The engine stores nothing on disk, whatever the option is.
            Executor::Local(_) if !self.capabilities().durable => "none".into(),
            Executor::Local(committer) => match committer.options().durability {
                CommitDurability::Fsync => "fsync".into(),
                CommitDurability::Interval(_) => "interval".into(),
            },
            Executor::Shared(shared) => shared.backend().durability().into(),
        }
    }

    /// Returns the maximum number of queued writes.
    pub fn max_queued_writes(&self) -> usize {
        match self {
            Executor::Local(committer) => committer.options().max_queued_writes,
            Executor::Shared(shared) => shared.options().max_queued_writes,
        }
    }

    /// Returns the maximum bytes of queued writes.
    pub fn max_queued_bytes(&self) -> usize {
        match self {
            Executor::Local(committer) => committer.options().max_queued_bytes,
            Executor::Shared(shared) => shared.options().max_queued_bytes,
        }
    }

    pub(crate) fn reads(&self) -> &ThreadPool {
        match self {
            Executor::Local(committer) => &committer.resources().common.reads,
            Executor::Shared(shared) => shared.reads(),
        }
    }
}
