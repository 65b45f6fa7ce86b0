//! The counters of one worker: an array with the labels of a request as its index, so that counting needs no lookup and no
//! worker waits for another.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_web::http::StatusCode;
use akvs_server::{Buckets, Histogram, NANOS};

use super::labels::{self, Labels, METHODS, STATUSES};

/// The counters of one worker.
pub(crate) struct WorkerCounters {
    begun: AtomicU64,
    abandoned: AtomicU64,
    received_bytes: AtomicU64,
    sent_bytes: AtomicU64,
    /// By route, method and status.
    answered: Box<[AtomicU64]>,
    /// By route.
    nanos: Box<[Histogram]>,
}

impl WorkerCounters {
    /// Returns zeros for this number of labels of routes.
    pub(super) fn new(routes: usize) -> WorkerCounters {
        let series = routes * METHODS.len() * STATUSES.len();
        WorkerCounters {
            begun: AtomicU64::new(0),
            abandoned: AtomicU64::new(0),
            received_bytes: AtomicU64::new(0),
            sent_bytes: AtomicU64::new(0),
            answered: (0..series).map(|_| AtomicU64::new(0)).collect(),
            nanos: (0..routes).map(|_| Histogram::new(NANOS)).collect(),
        }
    }

    /// Counts a request that begins, and the bytes of its body.
    pub(crate) fn begin(&self, body_bytes: u64) {
        self.begun.fetch_add(1, Ordering::Relaxed);
        if body_bytes > 0 {
            self.received_bytes.fetch_add(body_bytes, Ordering::Relaxed);
        }
    }

    /// Counts an answered request, and the bytes of the answer's body.
    pub(crate) fn answer(
        &self,
        labels: Labels,
        status: StatusCode,
        took: Duration,
        body_bytes: u64,
    ) {
        let Labels { route, method } = labels;
        let index = index(route, method, labels::status(status));
        self.answered[index].fetch_add(1, Ordering::Relaxed);
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.nanos[route].observe(nanos);
        self.sent_bytes.fetch_add(body_bytes, Ordering::Relaxed);
    }

    /// Counts a request whose client closed the connection before the answer.
    pub(crate) fn abandon(&self) {
        self.abandoned.fetch_add(1, Ordering::Relaxed);
    }
}

fn index(route: usize, method: usize, status: usize) -> usize {
    (route * METHODS.len() + method) * STATUSES.len() + status
}

/// The sums of the counters of several workers.
pub(crate) struct Requests {
    /// The labels of the routes, by their numbers.
    routes: &'static [&'static str],
    begun: u64,
    pub(crate) abandoned: u64,
    pub(crate) received_bytes: u64,
    pub(crate) sent_bytes: u64,
    answered: Vec<u64>,
    nanos: Vec<Buckets>,
}

impl Requests {
    pub(super) fn new(routes: &'static [&'static str]) -> Requests {
        Requests {
            routes,
            begun: 0,
            abandoned: 0,
            received_bytes: 0,
            sent_bytes: 0,
            answered: Vec::new(),
            nanos: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, counters: &WorkerCounters) {
        self.answered.resize(counters.answered.len(), 0);
        for (sum, answered) in self.answered.iter_mut().zip(&counters.answered) {
            *sum += answered.load(Ordering::Relaxed);
        }
        self.nanos.resize(counters.nanos.len(), Buckets::default());
        for (sum, nanos) in self.nanos.iter_mut().zip(&counters.nanos) {
            sum.add(&nanos.buckets());
        }
        self.abandoned += counters.abandoned.load(Ordering::Relaxed);
        self.received_bytes += counters.received_bytes.load(Ordering::Relaxed);
        self.sent_bytes += counters.sent_bytes.load(Ordering::Relaxed);
        // Last, so that a request which begins meanwhile counts as in flight.
        self.begun += counters.begun.load(Ordering::Relaxed);
    }

    /// Returns the number of requests in flight.
    pub(crate) fn in_flight(&self) -> u64 {
        let ended = self.answered.iter().sum::<u64>() + self.abandoned;
        self.begun.saturating_sub(ended)
    }

    /// Returns the numbers of answered requests that are not zero, by route, method and status.
    pub(crate) fn answered(&self) -> impl Iterator<Item = ([&'static str; 3], u64)> {
        let labels = self.routes.iter().copied().flat_map(|route| {
            let methods = (0..METHODS.len()).map(move |method| (route, method));
            methods.flat_map(|(route, method)| {
                (0..STATUSES.len()).map(move |status| (route, method, status))
            })
        });
        labels
            .zip(&self.answered)
            .filter(|(_, count)| **count > 0)
            .map(|((route, method, status), count)| {
                ([route, METHODS[method], STATUSES[status]], *count)
            })
    }

    /// Returns the durations by route, of routes with requests.
    pub(crate) fn nanos(&self) -> impl Iterator<Item = (&'static str, &Buckets)> {
        let routes = self.routes.iter().copied();
        routes
            .zip(&self.nanos)
            .filter(|(_, nanos)| nanos.count() > 0)
    }
}
