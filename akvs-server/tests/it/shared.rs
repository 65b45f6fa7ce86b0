//! Executors that share a database: one order of changes over all nodes, watches without gaps, and outcomes that are
//! known, or reported as unknown.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use akvs_core::conformance::Subject;
use akvs_core::{Action, Code, EventKind, Key, Namespace, Op, Result, Revision, Ttl};
use akvs_server::{Server, SharedExecutor, SharedOptions, Start, Watch, WatchEvent, WatchOptions};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::join_all;

use crate::common::key;
use crate::common::shared_database::{Fault, SharedDatabase, options};

fn server(node: &SharedExecutor, name: &str) -> Server {
    Server::start(node, Namespace::new(name).expect("a name")).expect("a server")
}

fn run<T>(test: impl Future<Output = T>) -> T {
    pollster::block_on(test)
}

fn add() -> Op {
    Op::from(Action::Add {
        by: 1,
        ttl: Ttl::Default,
    })
}

struct SharedSubject {
    server: Server,
    node: SharedExecutor,
}

impl Subject for SharedSubject {
    async fn set(&self, key: &[u8], value: &[u8]) -> Result<()> {
        let set = self.server.set(Key::new(key.to_vec())?, value.to_vec());
        set.await.map(drop)
    }

    async fn get(&self, key: &[u8]) -> Result<Bytes> {
        self.server.get(key).await.map(|entry| entry.value)
    }

    async fn get_or(&self, key: &[u8], default: &[u8]) -> Result<Bytes> {
        self.server.get_or(key, default.to_vec()).await
    }

    async fn del(&self, key: &[u8]) -> Result<()> {
        self.server.del(Key::new(key.to_vec())?).await.map(drop)
    }

    async fn dispose(self) -> Result<()> {
        self.server.stop().await?;
        self.node.stop()
    }
}

mod conformance {
    async fn make() -> impl super::Subject {
        let node = super::SharedDatabase::new().node(super::options());
        super::SharedSubject {
            server: super::server(&node, "test"),
            node,
        }
    }
    akvs_core::conformance!(pollster::block_on, make);
}

#[test]
fn nodes_share_one_order_of_changes() {
    let database = SharedDatabase::new();
    let nodes = [database.node(options()), database.node(options())];
    let servers = nodes.each_ref().map(|node| server(node, "ns"));
    run(async {
        let adds = (0..400).map(|index| servers[index % 2].submit(key("n"), add()));
        let mut revisions = Vec::new();
        for outcome in join_all(adds).await {
            revisions.push(outcome.expect("an outcome").revision.expect("a revision"));
        }
        revisions.sort_unstable();
        revisions.dedup();
        assert_eq!(revisions.len(), 400);
        for server in &servers {
            assert_eq!(server.get(b"n").await.expect("an entry").value, "400");
        }
    });
}

#[test]
fn writes_that_wait_for_a_group_are_committed_together() {
    let database = SharedDatabase::new();
    database.gate.forget_permits(1 << 20);
    let node = database.node(options());
    let server = server(&node, "ns");
    let writes: Vec<_> = (0..300).map(|_| server.submit(key("n"), add())).collect();
    database.gate.add_permits(1 << 20);
    run(async {
        assert!(join_all(writes).await.iter().all(Result::is_ok));
    });
    let groups = database.groups.lock().expect("the groups");
    assert_eq!(groups.iter().sum::<usize>(), 300);
    assert!(
        groups.len() <= 3 && groups.iter().all(|size| *size <= 256),
        "{groups:?}"
    );
}

#[test]
fn a_lost_answer_is_found_out() {
    let database = SharedDatabase::new();
    let node = database.node(options());
    let server = server(&node, "ns");
    run(async {
        for (fault, expected) in [(Fault::LoseAnswer, "1"), (Fault::LoseGroup, "2")] {
            database.faults.lock().expect("the faults").push_back(fault);
            let outcome = server.submit(key("n"), add()).await.expect("an outcome");
            assert_eq!(
                outcome.revision,
                Some(Revision::new(expected.parse().unwrap()))
            );
            // It was applied once.
            assert_eq!(server.get(b"n").await.expect("an entry").value, expected);
        }
    });
    assert_eq!(node.stats().lost_answers, 2);
}

#[test]
fn an_outcome_that_cannot_be_found_out_is_unknown() {
    let database = SharedDatabase::new();
    database.resolves.store(false, Ordering::SeqCst);
    let node = database.node(options());
    let server = server(&node, "ns");
    run(async {
        let faults = [Fault::LoseAnswer, Fault::LoseGroup];
        for fault in faults {
            database.faults.lock().expect("the faults").push_back(fault);
            let error = server.submit(key("n"), add()).await.expect_err("an error");
            assert_eq!(error.code(), Code::OutcomeUnknown, "{error}");
        }
        // Later writes succeed.
        let outcome = server.submit(key("n"), add()).await.expect("an outcome");
        assert_eq!(outcome.revision, Some(Revision::new(2)));
    });
}

#[test]
fn only_what_may_succeed_is_tried_again() {
    let database = SharedDatabase::new();
    let node = database.node(options());
    let server = server(&node, "ns");
    run(async {
        let refuse = |code, times| {
            let mut faults = database.faults.lock().expect("the faults");
            faults.extend(vec![Fault::Refuse(code); times]);
        };
        refuse(Code::Unavailable, 2);
        assert!(server.set(key("a"), "1").await.is_ok());
        assert_eq!(database.groups.lock().expect("the groups").len(), 3);
        refuse(Code::StorageFull, 1);
        let error = server.set(key("a"), "2").await.expect_err("an error");
        assert_eq!(error.code(), Code::StorageFull);
        // Longer than the timeout.
        refuse(Code::Unavailable, 100);
        let error = server.set(key("a"), "3").await.expect_err("an error");
        assert_eq!(error.code(), Code::Unavailable);
        assert_eq!(server.get(b"a").await.expect("an entry").value, "1");
    });
}

#[test]
fn a_panic_answers_all_callers() {
    let database = SharedDatabase::new();
    let node = database.node(options());
    let server = server(&node, "ns");
    database
        .faults
        .lock()
        .expect("the faults")
        .push_back(Fault::Panic);
    run(async {
        let error = server.set(key("a"), "1").await.expect_err("an error");
        assert_eq!(error.code(), Code::OutcomeUnknown);
        assert!(server.set(key("a"), "2").await.is_ok());
    });
    assert_eq!(node.stats().queued_writes, 0);
}

#[test]
fn a_full_queue_rejects_writes() {
    let database = SharedDatabase::new();
    database.gate.forget_permits(1 << 20);
    let node = database.node(SharedOptions {
        max_queued_writes: 3,
        ..options()
    });
    let server = server(&node, "ns");
    let writes: Vec<_> = (0..3).map(|_| server.submit(key("n"), add())).collect();
    run(async {
        let error = server.submit(key("n"), add()).await.expect_err("an error");
        assert_eq!(error.code(), Code::Overloaded);
        database.gate.add_permits(1 << 20);
        assert!(join_all(writes).await.iter().all(Result::is_ok));
        assert!(server.submit(key("n"), add()).await.is_ok());
    });
}

#[test]
fn a_stop_commits_what_is_queued_and_rejects_later_writes() {
    let database = SharedDatabase::new();
    let node = database.node(options());
    let server = server(&node, "ns");
    let writes: Vec<_> = (0..500).map(|_| server.submit(key("n"), add())).collect();
    node.stop().expect("a stop");
    run(async {
        assert!(join_all(writes).await.iter().all(Result::is_ok));
        let error = server.submit(key("n"), add()).await.expect_err("an error");
        assert_eq!(error.code(), Code::Closing);
    });
    // A database that does not answer holds a stop up only for the timeout.
    let node = database.node(options());
    let server = self::server(&node, "ns");
    database.gate.forget_permits(1 << 20);
    let write = server.submit(key("n"), add());
    assert_eq!(node.stop().expect_err("an error").code(), Code::Unavailable);
    let error = run(write).expect_err("an error");
    assert_eq!(error.code(), Code::OutcomeUnknown, "{error}");
}

/// Returns the numbers of the next changes of a watch.
async fn numbers(watch: &mut Watch, count: usize) -> Vec<u64> {
    let mut numbers = Vec::new();
    while numbers.len() < count {
        let event = watch.next().await.expect("an event").expect("a change");
        let WatchEvent::Change { change, .. } = event else {
            panic!("{event:?}")
        };
        if let EventKind::Set { entry, .. } = &change.event().kind {
            let text = std::str::from_utf8(&entry.value).expect("a number");
            numbers.push(text.parse().expect("a number"));
        }
    }
    numbers
}

/// Watches on one node while both nodes write, and compares what it sees.
fn watch_both(database: &Arc<SharedDatabase>, poll_interval: Duration) {
    let timing = SharedOptions {
        poll_interval,
        ..options()
    };
    let nodes = [database.node(timing), database.node(timing)];
    let servers = nodes.each_ref().map(|node| server(node, "ns"));
    run(async {
        servers[0]
            .submit(key("n"), add())
            .await
            .expect("an outcome");
        let mut watch = servers[1]
            .watch(WatchOptions::default())
            .await
            .expect("a watch");
        let resumed = WatchOptions {
            start: Start::After(Revision::ZERO),
            ..WatchOptions::default()
        };
        for round in 0..20_u64 {
            let adds = (0..50).map(|index| servers[index % 2].submit(key("n"), add()));
            assert!(join_all(adds).await.iter().all(Result::is_ok));
            let first = 2 + round * 50;
            let expected: Vec<u64> = (first..first + 50).collect();
            assert_eq!(numbers(&mut watch, 50).await, expected);
        }
        // A resume works on any node.
        let mut resumed = servers[0].watch(resumed).await.expect("a watch");
        let all: Vec<u64> = (1..=1_001).collect();
        assert_eq!(numbers(&mut resumed, 1_001).await, all);
    });
}

#[test]
fn a_watch_sees_the_changes_of_all_nodes() {
    watch_both(&SharedDatabase::new(), Duration::from_secs(60));
}

#[test]
fn a_watch_needs_no_hints() {
    let database = SharedDatabase::new();
    database.has_hints.store(false, Ordering::SeqCst);
    watch_both(&database, Duration::from_millis(20));
}

#[test]
fn a_watch_of_a_restored_database_is_reset() {
    let database = SharedDatabase::new();
    let node = database.node(options());
    let server = server(&node, "ns");
    run(async {
        for _ in 0..3 {
            server.submit(key("n"), add()).await.expect("an outcome");
        }
        let mut watch = server
            .watch(WatchOptions::default())
            .await
            .expect("a watch");
        server.submit(key("n"), add()).await.expect("an outcome");
        assert_eq!(numbers(&mut watch, 1).await, [4]);
        database.lose_everything();
        server.submit(key("n"), add()).await.expect("an outcome");
        let event = watch.next().await.expect("an event").expect("a reset");
        assert!(matches!(event, WatchEvent::Reset(_)), "{event:?}");
    });
}

#[test]
fn watches_end_with_the_executor() {
    let node = SharedDatabase::new().node(options());
    let server = server(&node, "ns");
    run(async {
        let mut watch = pin!(
            server
                .watch(WatchOptions::default())
                .await
                .expect("a watch")
        );
        node.end_watches();
        assert!(watch.next().await.is_none());
        let refused = server.watch(WatchOptions::default()).await;
        assert_eq!(refused.err().expect("an error").code(), Code::Closing);
        assert!(server.set(key("a"), "1").await.is_ok());
    });
}

#[test]
fn a_namespace_can_be_dropped_and_created_again() {
    let database = SharedDatabase::new();
    let nodes = [database.node(options()), database.node(options())];
    let [first, second] = nodes.each_ref().map(|node| server(node, "ns"));
    run(async {
        assert!(!first.drop_namespace().await.expect("an outcome"));
        first.set(key("a"), "1").await.expect("an outcome");
        assert!(second.drop_namespace().await.expect("an outcome"));
        assert!(first.find(b"a").await.expect("a read").is_none());
        let outcome = first.set(key("a"), "2").await.expect("an outcome");
        assert!(!outcome.existed);
        assert_eq!(second.get(b"a").await.expect("an entry").value, "2");
    });
}
