//! The metrics of the server, as Prometheus reads them.
//!
//! | module | owns |
//! | --- | --- |
//! | `labels` | the fixed sets of routes, methods and statuses that a request is counted under |
//! | `worker_counters` | the numbers of one worker, which no other worker writes |
//! | `namespace_stats` | the keys and bytes of all namespaces, cached in proportion to what counting them costs |
//! | `process` | the memory, processor time and files of this process |
//! | `page` | the numbers as text |
//!
//! The library `prometheus-client` writes the text. Its histogram is behind a mutex that all workers would share, so the
//! numbers are kept here. Invariant: the number of series does not depend on what clients send: no label has a key, and
//! only the largest namespaces are labels.

mod labels;
mod namespace_stats;
mod page;
mod process;
mod worker_counters;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

pub(crate) use self::labels::Labels;
pub(crate) use self::namespace_stats::{NAMED, NamespaceStatsCache};
pub(crate) use self::page::{Family, Format, Kind, Page, Value};
pub(crate) use self::process::Process;
pub(crate) use self::worker_counters::{Requests, WorkerCounters};

/// All metrics of the server.
pub(crate) struct Metrics {
    /// The labels of the routes, by their numbers.
    routes: &'static [&'static str],
    workers: Mutex<Vec<Arc<WorkerCounters>>>,
    connections: Arc<AtomicI64>,
    pub(crate) namespace_stats: NamespaceStatsCache,
    pub(crate) process: Process,
}

impl Metrics {
    /// Returns metrics of zeros for these labels of routes.
    pub(crate) fn new(routes: &'static [&'static str]) -> Metrics {
        Metrics {
            routes,
            workers: Mutex::default(),
            connections: Arc::default(),
            namespace_stats: NamespaceStatsCache::default(),
            process: Process::default(),
        }
    }

    /// Adds the counters of one more worker.
    pub(crate) fn worker(&self) -> Arc<WorkerCounters> {
        let counters = Arc::new(WorkerCounters::new(self.routes.len()));
        self.workers().push(Arc::clone(&counters));
        counters
    }

    /// Returns the sums of the counters of all workers.
    pub(crate) fn requests(&self) -> Requests {
        let mut all = Requests::new(self.routes);
        for counters in self.workers().iter() {
            all.add(counters);
        }
        all
    }

    /// Returns the gauge of open connections.
    pub(crate) fn connections(&self) -> Connections {
        Connections(Arc::clone(&self.connections))
    }

    fn workers(&self) -> std::sync::MutexGuard<'_, Vec<Arc<WorkerCounters>>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A gauge of open connections.
#[derive(Clone, Debug)]
pub(crate) struct Connections(Arc<AtomicI64>);

/// A guard that counts a connection as open until it is dropped.
#[derive(Debug)]
pub(crate) struct ConnectionGuard(Connections);

impl Connections {
    /// Counts one more connection.
    pub(crate) fn open(&self) -> ConnectionGuard {
        self.0.fetch_add(1, Ordering::Relaxed);
        ConnectionGuard(self.clone())
    }

    /// Returns the number of open connections.
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed).max(0) as u64
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
