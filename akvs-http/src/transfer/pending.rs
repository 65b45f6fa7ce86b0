//! The batch of an import that is being set.

use actix_web::rt::task::JoinHandle;
use akvs_core::{Code, Error, Result};

use super::report::Report;

/// The result of a batch of records.
pub(super) struct BatchResult {
    pub(super) report: Report,
    pub(super) failure: Option<Error>,
}

/// A task that sets records. It is aborted when this is dropped.
pub(super) struct Pending {
    task: JoinHandle<BatchResult>,
    /// The result, once the task has ended.
    result: Option<Result<BatchResult>>,
}

impl Pending {
    pub(super) fn new(task: JoinHandle<BatchResult>) -> Pending {
        Pending { task, result: None }
    }

    /// Waits for the end of the task, and keeps its result.
    pub(super) async fn end(&mut self) {
        if self.result.is_none() {
            self.result = Some(wait(&mut self.task).await);
        }
    }

    /// Waits for the end of the task.
    pub(super) async fn result(&mut self) -> Result<BatchResult> {
        match self.result.take() {
            Some(result) => result,
            None => wait(&mut self.task).await,
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn wait(task: &mut JoinHandle<BatchResult>) -> Result<BatchResult> {
    task.await.map_err(|error| {
        Error::new(Code::OutcomeUnknown, "the import was interrupted").because(error)
    })
}
