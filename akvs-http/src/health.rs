//! The health check by which a supervisor detects a server that hangs.
//!
//! The check goes the way of a write: each worker handles it among its connections, passes it to the committer, and gets
//! the answer as it gets those of writes. It does not use a socket, because a server whose connections are all in use
//! does not hang. Invariant: while a worker is missing, or a worker or the committer hangs, the check does not return.

use std::sync::{Mutex, MutexGuard, PoisonError};

use akvs_registry::Registry;
use futures_util::future::join_all;
use tokio::sync::{Notify, mpsc, oneshot};

type Ping = oneshot::Sender<bool>;

/// The health check of all workers.
pub(crate) struct HealthCheck {
    /// The number of workers that must exist.
    expected: usize,
    workers: Mutex<Vec<mpsc::Sender<Ping>>>,
    joined: Notify,
}

impl HealthCheck {
    pub(crate) fn new(expected: usize) -> HealthCheck {
        HealthCheck {
            expected,
            workers: Mutex::default(),
            joined: Notify::new(),
        }
    }

    /// Adds a worker, and returns the task that it must run while it serves.
    pub(crate) fn join(&self, registry: Registry) -> impl Future<Output = ()> + use<> {
        let (sender, mut pings) = mpsc::channel::<Ping>(1);
        self.workers().push(sender);
        self.joined.notify_waiters();
        async move {
            while let Some(ping) = pings.recv().await {
                // The check may have been dropped meanwhile.
                let _ = ping.send(registry.ping().await);
            }
        }
    }

    /// Checks all workers; returns once all of them exist and have answered.
    pub(crate) async fn check(&self) -> bool {
        let workers = self.all().await;
        let answers = workers.iter().map(|worker| async {
            let (ping, answer) = oneshot::channel();
            // A worker that has ended no longer serves.
            worker.send(ping).await.is_err() || answer.await.unwrap_or(true)
        });
        join_all(answers)
            .await
            .into_iter()
            .all(|is_healthy| is_healthy)
    }

    /// Waits until all workers exist: they take a moment to start, and actix replaces a worker that has failed.
    async fn all(&self) -> Vec<mpsc::Sender<Ping>> {
        loop {
            // Before the workers are counted, so that no worker that joins meanwhile is missed.
            let joined = self.joined.notified();
            let found = {
                let mut workers = self.workers();
                workers.retain(|worker| !worker.is_closed());
                workers.clone()
            };
            if found.len() >= self.expected {
                return found;
            }
            joined.await;
        }
    }

    fn workers(&self) -> MutexGuard<'_, Vec<mpsc::Sender<Ping>>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
