//! With `interval`, everything that was answered is synced soon after, also what has no revision.

mod common;

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use akvs_core::engine::{Batch, Capabilities, Durability, Engine, Limit, Snapshot, Span, Table};
use akvs_core::{MemoryEngine, Result, Revision, Settings};
use akvs_server::{CommitDurability, CommitterOptions};
use bytes::Bytes;

use common::{key, server};

/// Longer than any sync takes that comes at all.
const PATIENCE: Duration = Duration::from_secs(30);

/// An engine that tells of each sync.
struct Synced {
    inner: MemoryEngine,
    synced: Mutex<Sender<()>>,
}

impl Synced {
    fn new() -> (Arc<Synced>, Receiver<()>) {
        let (sender, receiver) = channel();
        let engine = Synced {
            inner: MemoryEngine::new(),
            synced: Mutex::new(sender),
        };
        (Arc::new(engine), receiver)
    }
}

impl Engine for Synced {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>> {
        self.inner.get(table, key)
    }

    fn page(&self, table: Table, span: &Span, limit: Limit) -> Result<Vec<(Bytes, Bytes)>> {
        self.inner.page(table, span, limit)
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot>> {
        self.inner.snapshot()
    }

    fn commit(&self, batch: Batch, durability: Durability) -> Result<()> {
        assert_eq!(durability, Durability::Buffered);
        self.inner.commit(batch, durability)
    }

    fn sync(&self) -> Result<()> {
        let _ = self.synced.lock().expect("it").send(());
        self.inner.sync()
    }

    fn watermark(&self) -> Result<Revision> {
        self.inner.watermark()
    }

    fn raise_watermark(&self, revision: Revision) -> Result<()> {
        self.inner.raise_watermark(revision)
    }

    fn stored_bytes(&self) -> Result<u64> {
        self.inner.stored_bytes()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
}

#[test]
fn what_has_no_revision_is_synced_too() {
    let (engine, synced) = Synced::new();
    let options = CommitterOptions {
        durability: CommitDurability::Interval(Duration::from_millis(1)),
        ..CommitterOptions::default()
    };
    let committer = common::committer(engine, options);
    let server = server(&committer, "ns");
    let settings = |keys| Settings {
        max_keys: Some(keys),
        ..Settings::default()
    };
    // A namespace without a key, other settings, a change, and other settings after it.
    for step in 0..4_u64 {
        pollster::block_on(async {
            match step {
                2 => server.set(key("k"), "v").await.map(drop).expect("a set"),
                _ => drop(
                    server
                        .configure(settings(step + 1))
                        .await
                        .expect("settings"),
                ),
            }
        });
        synced
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|_| panic!("step {step} is never synced"));
    }
}
