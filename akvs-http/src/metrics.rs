//! What is counted, and how it is told to Prometheus.
//!
//! | module | owns |
//! | --- | --- |
//! | `labels` | the fixed sets of routes, methods and statuses that a request is counted under |
//! | `worker_counters` | the numbers of one worker, which no other worker writes |
//! | `namespace_stats` | what all namespaces hold, counted anew no oftener than it is worth |
//! | `process` | what the operating system knows of this process |
//! | `page` | numbers as text |
//!
//! The library writes the text. Its own histogram is a mutex that all workers would share, so the numbers are kept
//! here. Invariant: how many series there are does not depend on what clients send: no label has a key, and only the
//! largest namespaces have a name there.

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

/// All that is counted here.
pub(crate) struct Metrics {
    /// The labels of the routes, by their numbers.
    routes: &'static [&'static str],
    workers: Mutex<Vec<Arc<WorkerCounters>>>,
    connections: Arc<AtomicI64>,
    pub(crate) census: NamespaceStatsCache,
    pub(crate) process: Process,
}

impl Metrics {
    /// Zeros, for these labels of routes.
    pub(crate) fn new(routes: &'static [&'static str]) -> Metrics {
        Metrics {
            routes,
            workers: Mutex::default(),
            connections: Arc::default(),
            census: NamespaceStatsCache::default(),
            process: Process::default(),
        }
    }

    /// Cells for one more worker.
    pub(crate) fn worker(&self) -> Arc<WorkerCounters> {
        let cells = Arc::new(WorkerCounters::new(self.routes.len()));
        self.workers().push(Arc::clone(&cells));
        cells
    }

    /// What all workers have counted.
    pub(crate) fn requests(&self) -> Requests {
        let mut all = Requests::new(self.routes);
        for cells in self.workers().iter() {
            all.add(cells);
        }
        all
    }

    /// Counts the connections that are open.
    pub(crate) fn connections(&self) -> Connections {
        Connections(Arc::clone(&self.connections))
    }

    fn workers(&self) -> std::sync::MutexGuard<'_, Vec<Arc<WorkerCounters>>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts connections.
#[derive(Clone, Debug)]
pub(crate) struct Connections(Arc<AtomicI64>);

/// A connection that is open for as long as this is kept.
#[derive(Debug)]
pub(crate) struct ConnectionGuard(Connections);

impl Connections {
    /// Counts one more.
    pub(crate) fn open(&self) -> ConnectionGuard {
        self.0.fetch_add(1, Ordering::Relaxed);
        ConnectionGuard(self.clone())
    }

    /// How many are open.
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed).max(0) as u64
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
