//! An engine that behaves in one way differently from the one that it wraps.

use std::sync::{Arc, Mutex};

use akvs_core::Result;
use akvs_core::Revision;
use akvs_core::engine::{Batch, Capabilities, Durability, Engine, Limit, Snapshot, Span, Table};
use bytes::Bytes;

type Hook = Box<dyn Fn() + Send>;

pub(crate) struct Wrapped {
    engine: Arc<dyn Engine>,
    lost_commits: bool,
    committed: Mutex<Option<Hook>>,
}

impl Wrapped {
    /// It says of itself that it lost commits.
    pub(crate) fn lossy(engine: Arc<dyn Engine>) -> Wrapped {
        Wrapped {
            engine,
            lost_commits: true,
            committed: Mutex::default(),
        }
    }

    /// It does something in between, once what is committed can be read and before `commit` has returned.
    #[allow(dead_code, reason = "each test binary uses its part")]
    pub(crate) fn hooked(engine: Arc<dyn Engine>) -> Wrapped {
        Wrapped {
            engine,
            lost_commits: false,
            committed: Mutex::default(),
        }
    }

    #[allow(dead_code, reason = "each test binary uses its part")]
    pub(crate) fn on_commit(&self, hook: impl Fn() + Send + 'static) {
        *self.committed.lock().expect("a hook") = Some(Box::new(hook));
    }
}

impl Engine for Wrapped {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>> {
        self.engine.get(table, key)
    }
    fn page(&self, table: Table, span: &Span, limit: Limit) -> Result<Vec<(Bytes, Bytes)>> {
        self.engine.page(table, span, limit)
    }
    fn snapshot(&self) -> Result<Box<dyn Snapshot>> {
        self.engine.snapshot()
    }
    fn commit(&self, batch: Batch, durability: Durability) -> Result<()> {
        self.engine.commit(batch, durability)?;
        if let Some(hook) = self.committed.lock().expect("a hook").as_ref() {
            hook();
        }
        Ok(())
    }
    fn sync(&self) -> Result<()> {
        self.engine.sync()
    }
    fn watermark(&self) -> Result<Revision> {
        self.engine.watermark()
    }
    fn raise_watermark(&self, revision: Revision) -> Result<()> {
        self.engine.raise_watermark(revision)
    }
    fn lost_commits(&self) -> bool {
        self.lost_commits
    }
    fn stored_bytes(&self) -> Result<u64> {
        self.engine.stored_bytes()
    }
    fn capabilities(&self) -> Capabilities {
        self.engine.capabilities()
    }
}
