//! With the durability `interval`, every answered change is synced soon after, also a change without a revision.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use akvs_core::engine::{Batch, Durability, Engine};
use akvs_core::{MemoryEngine, Result, Settings};
use akvs_server::{CommitDurability, CommitterOptions};

use crate::common::{key, server};

/// Longer than any sync takes.
const SYNC_TIMEOUT: Duration = Duration::from_secs(30);

/// An engine that reports each sync.
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
    fn commit(&self, batch: Batch, durability: Durability) -> Result<()> {
        assert_eq!(durability, Durability::Buffered);
        self.inner.commit(batch, durability)
    }

    fn sync(&self) -> Result<()> {
        let _ = self.synced.lock().expect("it").send(());
        self.inner.sync()
    }

    akvs_core::forward_engine!(inner: get, page, snapshot, watermark, raise_watermark, stored_bytes, capabilities);
}

#[test]
fn changes_without_a_revision_are_synced() {
    let (engine, synced) = Synced::new();
    let options = CommitterOptions {
        durability: CommitDurability::Interval(Duration::from_millis(1)),
        ..CommitterOptions::default()
    };
    let committer = crate::common::committer(engine, options);
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
            .recv_timeout(SYNC_TIMEOUT)
            .unwrap_or_else(|_| panic!("step {step} is never synced"));
    }
}
