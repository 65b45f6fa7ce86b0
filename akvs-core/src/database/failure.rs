//! Durability, and the state after a failure. Invariant: after a failed commit or sync every later commit is refused.

use super::Database;
use crate::engine::Batch;
use crate::{Code, Error, Result, Revision};

impl Database {
    /// Makes all commits durable.
    pub fn sync(&self) -> Result<()> {
        if let Some(failure) = self.failure() {
            return Err(failure.clone());
        }
        self.0.engine.sync().map_err(|error| self.fail(error))
    }

    /// Returns the failure of the engine's background work that would make the next commit fail, if any.
    pub fn check(&self) -> Result<()> {
        match self.failure() {
            Some(failure) => Err(failure.clone()),
            None => self.0.engine.check().map_err(|error| self.fail(error)),
        }
    }

    /// Records in the engine that everything up to this revision is synced, so that a later open can detect its loss.
    /// Costs a sync of its own.
    pub fn raise_watermark(&self, revision: Revision) -> Result<()> {
        // A watermark above the data would make data seem lost.
        self.0.engine.raise_watermark(revision.min(self.revision()))
    }

    /// Makes all commits durable and records it in the engine. It must be the last call before the database is dropped.
    pub fn close(&self) -> Result<()> {
        let revision = self.revision();
        self.sync()?;
        self.0.engine.finish(revision)
    }

    /// Returns the failure that makes every later commit fail, if any.
    pub fn failure(&self) -> Option<&Error> {
        self.0.failure.get()
    }

    /// Records a failed commit, and returns the error of every later one.
    pub(crate) fn fail(&self, error: Error) -> Error {
        self.0.failure.get_or_init(|| error).clone()
    }

    /// Records a failed commit that may have been applied, and returns the error for its callers.
    pub(crate) fn fail_unknown(&self, error: Error) -> Error {
        let failure = self.fail(error);
        let text = format!(
            "the commit failed and may have been applied: {}",
            failure.message()
        );
        Error::new(Code::OutcomeUnknown, text).because(failure)
    }

    /// Asks the engine to admit a batch. A permanent failure of the engine is recorded.
    pub(crate) fn admit(&self, batch: &Batch) -> Result<()> {
        let engine = &self.0.engine;
        engine.admit(batch).map_err(|error| match engine.check() {
            Ok(()) => error,
            Err(failure) => self.fail(failure),
        })
    }
}
