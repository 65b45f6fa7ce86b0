//! A read of the engine that is slow or fails while a namespace is opened delays that namespace alone, and leaves
//! nothing open.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use akvs_core::engine::{Engine, Table};
use akvs_core::{Code, Error, MemoryEngine, Result};
use akvs_registry::Registry;
use bytes::Bytes;

/// An engine whose reads of one catalogue row a test controls.
struct Slow {
    inner: MemoryEngine,
    begun: Mutex<Sender<()>>,
    results: Mutex<Receiver<Result<()>>>,
}

const SLOW: &str = "slow";
/// Longer than the other operations take.
const LONG: Duration = Duration::from_secs(60);

fn slow() -> (Registry, Receiver<()>, Sender<Result<()>>) {
    let ((begun, begins), (result, results)) = (channel(), channel());
    let engine = Slow {
        inner: MemoryEngine::new(),
        begun: Mutex::new(begun),
        results: Mutex::new(results),
    };
    (crate::common::registry(Arc::new(engine)), begins, result)
}

impl Engine for Slow {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>> {
        if table == Table::Catalogue && key == SLOW.as_bytes() {
            let results = self.results.lock().expect("the results");
            self.begun
                .lock()
                .expect("the gate")
                .send(())
                .expect("a test");
            // Reads pass after the test has ended.
            results.recv().unwrap_or(Ok(()))?;
        }
        self.inner.get(table, key)
    }

    akvs_core::forward_engine!(inner: page, snapshot, commit, sync, watermark, raise_watermark, stored_bytes, capabilities);
}

#[test]
fn a_slow_open_delays_no_other_namespace() {
    let (registry, begins, result) = slow();
    pollster::block_on(crate::common::set(&registry, "known", "k", "v")).unwrap();
    thread::scope(|scope| {
        let opener = scope.spawn(|| registry.open(&crate::common::name(SLOW)).map(drop));
        begins.recv().unwrap();
        // The open waits for the engine: the other operations continue.
        let (goes_on, gone_on) = channel();
        let registry = &registry;
        scope.spawn(move || {
            let found = pollster::block_on(registry.get("known", b"k")).unwrap();
            assert_eq!(found.value, "v");
            pollster::block_on(crate::common::set(registry, "other", "k", "v")).unwrap();
            assert!(registry.open_servers() >= 2);
            goes_on.send(()).unwrap();
        });
        let others_are_done = gone_on.recv_timeout(LONG);
        result.send(Ok(())).unwrap();
        opener.join().unwrap().unwrap();
        others_are_done.expect("others wait for it");
    });
}

#[test]
fn concurrent_opens_of_a_slow_namespace_share_one_server() {
    let (registry, begins, result) = slow();
    thread::scope(|scope| {
        let openers: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| registry.open(&crate::common::name(SLOW)).unwrap()))
            .collect();
        begins.recv().unwrap();
        result.send(Ok(())).unwrap();
        let servers: Vec<_> = openers
            .into_iter()
            .map(|opener| opener.join().unwrap())
            .collect();
        assert!(servers.iter().all(|server| server.is_same(&servers[0])));
    });
    assert!(begins.try_recv().is_err(), "it was read once");
    assert_eq!(registry.open_servers(), 1);
}

#[test]
fn a_failed_open_leaves_nothing_open() {
    let (registry, _begins, result) = slow();
    let failed = || Err(Error::new(Code::Storage, "the read failed"));
    for _ in 0..3 {
        result.send(failed()).unwrap();
        let refused = registry.open(&crate::common::name(SLOW)).map(drop);
        assert_eq!(refused.unwrap_err().code(), Code::Storage);
        assert_eq!(registry.open_servers(), 0);
    }
    // Concurrent opens: each tries by itself.
    (0..2).for_each(|_| result.send(failed()).unwrap());
    result.send(Ok(())).unwrap();
    let opened: usize = thread::scope(|scope| {
        let openers: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| registry.open(&crate::common::name(SLOW)).is_ok()))
            .collect();
        openers
            .into_iter()
            .map(|opener| usize::from(opener.join().unwrap()))
            .sum()
    });
    assert_eq!((opened, registry.open_servers()), (1, 1));
}
