//! Whether the server still works, for whoever would start a hung one anew.
//!
//! The question goes the way of a write: each worker takes it up among its connections, puts it to the committer, and
//! gets the answer as it gets those of writes. It comes from within, not over a socket, because a server whose
//! connections are all taken is not hung. Invariant: as long as a worker is missing, or it or the committer hangs, there
//! is no answer.

use std::sync::{Mutex, MutexGuard, PoisonError};

use akvs_registry::Registry;
use futures_util::future::join_all;
use tokio::sync::{Notify, mpsc, oneshot};

type Question = oneshot::Sender<bool>;

/// The way to ask all workers.
pub(crate) struct HealthCheck {
    /// How many there are to be.
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

    /// What one more worker is to run, for as long as it serves.
    pub(crate) fn join(&self, registry: Registry) -> impl Future<Output = ()> + use<> {
        let (ask, mut asked) = mpsc::channel::<Question>(1);
        self.workers().push(ask);
        self.joined.notify_waiters();
        async move {
            while let Some(question) = asked.recv().await {
                // Who has given up does not want to know.
                let _ = question.send(registry.ping().await);
            }
        }
    }

    /// Asks all workers; done once each of them is there and has answered. True where all works.
    pub(crate) async fn check(&self) -> bool {
        let workers = self.all().await;
        let answers = workers.iter().map(|worker| async {
            let (question, answer) = oneshot::channel();
            // One that ends meanwhile does not serve any more.
            worker.send(question).await.is_err() || answer.await.unwrap_or(true)
        });
        join_all(answers).await.into_iter().all(|works| works)
    }

    /// The workers, once they are there: they take a moment to begin, and another one takes the place of one that has
    /// failed.
    async fn all(&self) -> Vec<mpsc::Sender<Question>> {
        loop {
            // Before it is looked who is there, so that nobody is missed.
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
