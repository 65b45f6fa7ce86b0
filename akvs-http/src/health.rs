//! The health check by which a supervisor detects a server that hangs.
//!
//! The check takes the way of a write: each worker handles it among its connections, passes it to the committer, and gets
//! the answer as it gets those of writes. It does not use a socket, because a server whose connections are all in use
//! does not hang. Invariant: while a worker is missing, or a worker or the committer hangs, there is no answer.

use std::sync::{Mutex, MutexGuard, PoisonError};

use akvs_registry::Registry;
use futures_util::future::join_all;
use tokio::sync::{Notify, mpsc, oneshot};

type Question = oneshot::Sender<bool>;

/// The health check of all workers.
pub(crate) struct HealthCheck {
    /// The number of workers that there must be.
    expected: usize,
    workers: Mutex<Vec<mpsc::Sender<Question>>>,
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

    /// Returns what a new worker must run for as long as it serves.
    pub(crate) fn join(&self, registry: Registry) -> impl Future<Output = ()> + use<> {
        let (ask, mut asked) = mpsc::channel::<Question>(1);
        self.workers().push(ask);
        self.joined.notify_waiters();
        async move {
            while let Some(question) = asked.recv().await {
                // The check may have been given up.
                let _ = question.send(registry.ping().await);
            }
        }
    }

    /// Checks all workers; returns once all of them exist and have answered.
    pub(crate) async fn check(&self) -> bool {
        let workers = self.all().await;
        let answers = workers.iter().map(|worker| async {
            let (question, answer) = oneshot::channel();
            // A worker that has ended does not serve any more.
            worker.send(question).await.is_err() || answer.await.unwrap_or(true)
        });
        join_all(answers).await.into_iter().all(|works| works)
    }

    /// Waits until all workers exist: they take a moment to start, and one that has failed is replaced.
    async fn all(&self) -> Vec<mpsc::Sender<Question>> {
        loop {
            // Before the workers are counted, so that none is missed.
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

    fn workers(&self) -> MutexGuard<'_, Vec<mpsc::Sender<Question>>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
