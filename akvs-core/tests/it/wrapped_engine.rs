//! An engine that differs in one way from the engine that it wraps.

use std::sync::{Arc, Mutex};

use akvs_core::Result;
use akvs_core::engine::{Batch, Durability, Engine};

type Hook = Box<dyn Fn() + Send>;

pub(crate) struct WrappedEngine {
    engine: Arc<dyn Engine>,
    lost_commits: bool,
    committed: Mutex<Option<Hook>>,
}

impl WrappedEngine {
    /// Returns an engine that reports lost commits.
    pub(crate) fn lossy(engine: Arc<dyn Engine>) -> WrappedEngine {
        WrappedEngine {
            engine,
            lost_commits: true,
            committed: Mutex::default(),
        }
    }

    /// Returns an engine that calls a function once a commit is visible and before `commit` returns.
    pub(crate) fn hook_commit(engine: Arc<dyn Engine>) -> WrappedEngine {
        WrappedEngine {
            engine,
            lost_commits: false,
            committed: Mutex::default(),
        }
    }

    pub(crate) fn on_commit(&self, hook: impl Fn() + Send + 'static) {
        *self.committed.lock().expect("a hook") = Some(Box::new(hook));
    }
}

impl Engine for WrappedEngine {
    fn commit(&self, batch: Batch, durability: Durability) -> Result<()> {
        self.engine.commit(batch, durability)?;
        if let Some(hook) = self.committed.lock().expect("a hook").as_ref() {
            hook();
        }
        Ok(())
    }
    fn lost_commits(&self) -> bool {
        self.lost_commits
    }

    akvs_core::forward_engine!(engine: get, page, snapshot, sync, watermark, raise_watermark, stored_bytes, capabilities);
}
