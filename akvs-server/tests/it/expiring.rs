//! Entries expire by the committer's clock: for readers at once, and their space is freed soon after, also if the
//! deadline passed while no server was running.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::common::{key, server};
use akvs_core::{Action, Code, Condition, Database, MemoryEngine, Op, Options, Timestamp, Ttl};
use akvs_server::{Clock, Committer, CommitterOptions, Server};

/// A clock that a test sets.
#[derive(Default)]
struct ManualClock(AtomicU64);

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst))
    }
}

fn start(engine: &Arc<MemoryEngine>, clock: &Arc<ManualClock>) -> Committer {
    let database = Database::open(engine.clone(), Options::default()).expect("a database");
    Committer::start(database, CommitterOptions::default(), clock.clone()).expect("a committer")
}

fn set(millis: u64) -> Op {
    Op::from(Action::Set {
        value: "v".into(),
        representation: Default::default(),
        ttl: Ttl::Millis(millis),
    })
}

/// Runs the committer's maintenance, which it does between two commits.
async fn run_maintenance(server: &Server) {
    for _ in 0..2 {
        server.set(key("other"), "v").await.expect("a write");
    }
}

#[test]
fn an_entry_expires_to_the_millisecond_and_is_removed_soon() {
    let (engine, clock) = (
        Arc::new(MemoryEngine::new()),
        Arc::new(ManualClock::default()),
    );
    let committer = start(&engine, &clock);
    let server = server(&committer, "ns");
    pollster::block_on(async {
        server.submit(key("key"), set(1_000)).await.unwrap();
        clock.0.store(999, Ordering::SeqCst);
        assert!(server.find(b"key").await.unwrap().is_some());
        let exists = Op::delete().on(Condition::Exists);
        clock.0.store(1_000, Ordering::SeqCst);
        assert!(server.find(b"key").await.unwrap().is_none());
        let refused = server.submit(key("key"), exists).await.unwrap_err();
        assert_eq!(refused.code(), Code::PreconditionFailed);
        run_maintenance(&server).await;
        assert_eq!(
            server.store().expect("a store").counts().keys,
            1,
            "only the other key is left"
        );
    });
}

#[test]
fn entries_that_expired_while_stopped_are_removed() {
    let (engine, clock) = (
        Arc::new(MemoryEngine::new()),
        Arc::new(ManualClock::default()),
    );
    {
        let committer = start(&engine, &clock);
        let server = server(&committer, "ns");
        pollster::block_on(server.submit(key("key"), set(1_000))).unwrap();
        committer.stop().expect("a clean end");
    }
    clock.0.store(5_000, Ordering::SeqCst);
    let committer = start(&engine, &clock);
    let server = server(&committer, "ns");
    pollster::block_on(async {
        assert!(server.find(b"key").await.unwrap().is_none());
        run_maintenance(&server).await;
        assert_eq!(
            server.store().expect("a store").counts().keys,
            1,
            "only the other key is left"
        );
    });
}
