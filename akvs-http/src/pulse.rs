//! Whether the server still works, for whoever would start a hung one anew.
//!
//! The question goes the way of a write: each worker takes it up among its connections, puts it to the committer, and
//! gets the answer as it gets those of writes. It comes from within, not over a socket, because a server whose
//! connections are all taken is not hung. Invariant: as long as a worker or the committer hangs, there is no answer.

use std::sync::{Mutex, PoisonError};

use akvs_registry::Registry;
use futures_util::future::join_all;
use tokio::sync::{mpsc, oneshot};

type Question = oneshot::Sender<bool>;

/// The way to ask all workers.
#[derive(Default)]
pub(crate) struct Pulse {
    workers: Mutex<Vec<mpsc::Sender<Question>>>,
}

impl Pulse {
    /// What one more worker is to run, for as long as it serves.
    pub(crate) fn join(&self, registry: Registry) -> impl Future<Output = ()> + use<> {
        let (ask, mut asked) = mpsc::channel::<Question>(1);
        self.workers().push(ask);
        async move {
            while let Some(question) = asked.recv().await {
                // Who has given up does not want to know.
                let _ = question.send(registry.answers().await);
            }
        }
    }

    /// Asks all workers; done once each of those that serve has answered. True where all works.
    pub(crate) async fn check(&self) -> bool {
        let workers = {
            let mut workers = self.workers();
            // Another one takes the place of one that has failed.
            workers.retain(|worker| !worker.is_closed());
            workers.clone()
        };
        let answers = workers.iter().map(|worker| async {
            let (question, answer) = oneshot::channel();
            // One that ends meanwhile does not serve any more.
            worker.send(question).await.is_err() || answer.await.unwrap_or(true)
        });
        let is_served = !workers.is_empty();
        join_all(answers).await.into_iter().all(|works| works) && is_served
    }

    fn workers(&self) -> std::sync::MutexGuard<'_, Vec<mpsc::Sender<Question>>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
