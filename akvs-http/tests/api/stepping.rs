//! An engine in memory that pauses within a commit that deletes, so that a test may change something meanwhile.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use akvs_core::engine::{Batch, Durability, Engine, Table};
use akvs_core::{MemoryEngine, Result};

/// The engine.
pub(crate) struct SteppingEngine {
    inner: MemoryEngine,
    /// Where it reports that it has paused, and waits to continue; none once it has.
    stop: Mutex<Option<(Sender<()>, Receiver<()>)>>,
}

/// The test's side of the pause.
pub(crate) struct Stop {
    stopped: Receiver<()>,
    resume: Sender<()>,
}

impl SteppingEngine {
    /// Creates an engine that pauses at the first commit that deletes a key.
    pub(crate) fn new() -> (Arc<SteppingEngine>, Stop) {
        let ((paused_sender, stopped), (resume, wait)) = (channel(), channel());
        let engine = SteppingEngine {
            inner: MemoryEngine::new(),
            stop: Mutex::new(Some((paused_sender, wait))),
        };
        (Arc::new(engine), Stop { stopped, resume })
    }
}

impl Stop {
    /// Waits for the pause, runs `act`, and lets the engine continue without further pauses.
    pub(crate) fn meanwhile(self, act: impl FnOnce()) {
        self.stopped.recv().expect("a commit that deletes");
        act();
        self.resume.send(()).expect("an engine that waits");
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
            if let Some((paused_sender, wait)) = stop {
                // Once the test has ended, all commits continue.
                let _ = paused_sender.send(()).map(|()| wait.recv());
            }
        }
        self.inner.commit(again, durability)
    }

    akvs_core::forward_engine!(inner: get, page, snapshot, sync, watermark, raise_watermark, stored_bytes, capabilities);
}
