//! What becomes durable, and what is left once that failed. Invariant: after a commit or a sync failed, nothing is ever
//! committed again.

use super::Database;
use crate::engine::Batch;
use crate::{Code, Error, Result, Revision};

impl Database {
    /// Makes everything that was committed durable.
    pub fn sync(&self) -> Result<()> {
        if let Some(failure) = self.failure() {
            return Err(failure.clone());
        }
        self.0.engine.sync().map_err(|error| self.fail(error))
    }

    /// Notices a failure of the engine that no write has met yet.
    pub fn check(&self) -> Result<()> {
        match self.failure() {
            Some(failure) => Err(failure.clone()),
            None => self.0.engine.check().map_err(|error| self.fail(error)),
        }
    }

    /// Lets the engine remember that everything up to this revision has been synced, so that it can tell, when it is
    /// opened again, if it lost any of it. Costs a sync of its own.
    pub fn raise_watermark(&self, revision: Revision) -> Result<()> {
        // A mark above everything there is would make the data seem lost.
        self.0.engine.raise_watermark(revision.min(self.revision()))
    }

    /// Makes everything durable, and lets the engine remember it: the last thing to do before the database is dropped.
    pub fn close(&self) -> Result<()> {
        let revision = self.revision();
        self.sync()?;
        self.0.engine.finish(revision)
    }

    /// Why nothing can be written any more, if that is so.
    pub fn failure(&self) -> Option<&Error> {
        self.0.failure.get()
    }

    /// Records that a commit failed, for good, and returns the error that every later one gets.
    pub(crate) fn fail(&self, error: Error) -> Error {
        self.0.failure.get_or_init(|| error).clone()
    }

    /// Records that a commit failed that may have been applied, and returns the error of all that shared it.
    pub(crate) fn fail_unknown(&self, error: Error) -> Error {
        let failure = self.fail(error);
        let text = format!(
            "the commit failed and may have been applied: {}",
            failure.message()
        );
        Error::new(Code::OutcomeUnknown, text).because(failure)
    }

    /// Asks the engine whether it takes a batch now. Where it takes none any more, that is recorded for good.
    pub(crate) fn admit(&self, batch: &Batch) -> Result<()> {
        let engine = &self.0.engine;
        engine.admit(batch).map_err(|error| match engine.check() {
            Ok(()) => error,
            Err(failure) => self.fail(failure),
        })
    }
}
