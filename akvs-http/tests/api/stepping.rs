//! An engine in memory that stops within a commit that deletes, so that a test may change something meanwhile.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use akvs_core::engine::{Batch, Durability, Engine, Table};
use akvs_core::{MemoryEngine, Result};

/// The engine.
pub(crate) struct SteppingEngine {
    inner: MemoryEngine,
    /// Where it tells that it has stopped, and waits to go on. None once it has.
    stop: Mutex<Option<(Sender<()>, Receiver<()>)>>,
}

/// What the test holds of it.
pub(crate) struct Stop {
    stopped: Receiver<()>,
    go_on: Sender<()>,
}

impl SteppingEngine {
    /// One that stops at the first commit that deletes a key.
    pub(crate) fn new() -> (Arc<SteppingEngine>, Stop) {
        let ((tell, stopped), (go_on, wait)) = (channel(), channel());
        let engine = SteppingEngine {
            inner: MemoryEngine::new(),
            stop: Mutex::new(Some((tell, wait))),
        };
        (Arc::new(engine), Stop { stopped, go_on })
    }
}

impl Stop {
    /// Waits until it has stopped, does something, and lets it go on for good.
    pub(crate) fn meanwhile(self, act: impl FnOnce()) {
        self.stopped.recv().expect("a commit that deletes");
        act();
        self.go_on.send(()).expect("an engine that waits");
    }
}

impl Engine for SteppingEngine {
    fn commit(&self, batch: Batch, durability: Durability) -> Result<()> {
        let mut again = Batch::default();
        let mut deletes = false;
        for row in batch.into_rows() {
            match row.value {
                Some(value) => again.put(row.table, row.key, value),
                None => {
                    deletes |= row.table == Table::Data;
                    again.remove(row.table, row.key);
                }
            }
        }
        if deletes {
            let stop = self
                .stop
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            if let Some((tell, wait)) = stop {
                // A test that is over lets everything through.
                let _ = tell.send(()).map(|()| wait.recv());
            }
        }
        self.inner.commit(again, durability)
    }

    akvs_core::forward_engine!(inner: get, page, snapshot, sync, watermark, raise_watermark, stored_bytes, capabilities);
}
