//! Nodes share one order of changes, and see each other's changes.

use akvs_core::{Action, Code, Condition, EventKind, Op, Revision, Settings, Ttl, Txn};
use akvs_server::{Start, Watch, WatchEvent, WatchOptions};
use futures_util::StreamExt;
use futures_util::future::join_all;

use crate::common::{TestDatabase, key, run, server};

fn add() -> Op {
    Op::from(Action::Add {
        by: 1,
        ttl: Ttl::Default,
    })
}

#[test]
fn nodes_share_one_order_of_changes() {
    let Some(database) = TestDatabase::create() else {
        return;
    };
    let nodes = [database.node(), database.node()];
    let servers = nodes.each_ref().map(|node| server(node, "ns"));
    run(async {
        let adds = (0..400).map(|index| servers[index % 2].submit(key("n"), add()));
        let mut revisions = Vec::new();
        for outcome in join_all(adds).await {
            let revision = outcome.expect("an outcome").revision;
            revisions.push(revision.expect("a revision").get());
        }
        revisions.sort_unstable();
        assert_eq!(revisions, (1..=400).collect::<Vec<_>>());
        for server in &servers {
            assert_eq!(server.get(b"n").await.expect("an entry").value, "400");
        }
    });
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

#[test]
fn a_watch_sees_the_changes_of_all_nodes_and_resumes_on_any() {
    let Some(database) = TestDatabase::create() else {
        return;
    };
    let nodes = [database.node(), database.node()];
    let servers = nodes.each_ref().map(|node| server(node, "ns"));
    run(async {
        servers[0]
            .submit(key("n"), add())
            .await
            .expect("an outcome");
        let watch = servers[1].watch(WatchOptions::default());
        let mut watch = watch.await.expect("a watch");
        for round in 0..10_u64 {
            let adds = (0..50).map(|index| servers[index % 2].submit(key("n"), add()));
            assert!(join_all(adds).await.iter().all(Result::is_ok));
            let first = 2 + round * 50;
            let expected: Vec<u64> = (first..first + 50).collect();
            assert_eq!(numbers(&mut watch, 50).await, expected);
        }
        for server in &servers {
            let resumed = server.watch(WatchOptions {
                start: Start::After(Revision::ZERO),
                ..WatchOptions::default()
            });
            let mut resumed = resumed.await.expect("a watch");
            let all: Vec<u64> = (1..=501).collect();
            assert_eq!(numbers(&mut resumed, 501).await, all);
        }
    });
}

#[test]
fn transactions_conditions_and_settings_hold_on_all_nodes() {
    let Some(database) = TestDatabase::create() else {
        return;
    };
    let nodes = [database.node(), database.node()];
    let [first, second] = nodes.each_ref().map(|node| server(node, "ns"));
    run(async {
        let settings = Settings {
            max_keys: Some(2),
            ..Settings::default()
        };
        assert!(!first.configure(settings).await.expect("an outcome"));
        let checks = vec![(key("a"), Condition::Absent)];
        let ops = vec![(key("a"), Op::set("1")), (key("b"), Op::set("2"))];
        let txn = Txn::new(checks, ops).expect("a transaction");
        let outcomes = second.transact(txn.clone()).await.expect("outcomes");
        assert_eq!(outcomes[0].revision, outcomes[1].revision);
        let refused = first.transact(txn).await.expect_err("an error");
        assert_eq!(refused.code(), Code::PreconditionFailed);
        let full = first.set(key("c"), "3").await.expect_err("an error");
        assert_eq!(full.code(), Code::QuotaExceeded);
        let replaced = Op::set("4").on(Condition::Revisions(vec![Revision::new(1)]));
        let outcome = second.submit(key("a"), replaced).await.expect("an outcome");
        assert_eq!(
            (outcome.existed, outcome.revision),
            (true, Some(Revision::new(2)))
        );
        assert_eq!(first.get(b"a").await.expect("an entry").value, "4");
        assert!(first.drop_namespace().await.expect("an outcome"));
        assert!(second.find(b"a").await.expect("a read").is_none());
        assert!(!second.drop_namespace().await.expect("an outcome"));
        // It starts anew, without the settings, and its revisions continue.
        for name in ["a", "b", "c"] {
            assert!(
                !second
                    .set(key(name), "5")
                    .await
                    .expect("an outcome")
                    .existed
            );
        }
        let last = first.set(key("a"), "6").await.expect("an outcome");
        assert_eq!(last.revision, Some(Revision::new(7)));
    });
}

#[test]
fn large_values_and_touches_keep_their_bytes() {
    let Some(database) = TestDatabase::create() else {
        return;
    };
    let node = database.node();
    let server = server(&node, "ns");
    run(async {
        let value = vec![7_u8; 3 << 20];
        server
            .set(key("large"), value.clone())
            .await
            .expect("an outcome");
        let touch = Op::from(Action::Touch {
            ttl: Ttl::Millis(600_000),
        });
        let touched = server
            .submit(key("large"), touch)
            .await
            .expect("an outcome");
        assert!(touched.existed);
        let entry = server.get(b"large").await.expect("an entry");
        assert!(entry.value == value && entry.deadline.is_some());
        assert_eq!(entry.revision, Revision::new(2));
        let peeked = server
            .peek(b"large", 1_000)
            .await
            .expect("a read")
            .expect("an entry");
        assert_eq!(
            (peeked.entry.value.len(), peeked.left_bytes),
            (0, Some(3 << 20))
        );
    });
}

#[test]
fn entries_expire_as_events_on_all_nodes() {
    let Some(database) = TestDatabase::create() else {
        return;
    };
    let nodes = [database.node(), database.node()];
    let [first, second] = nodes.each_ref().map(|node| server(node, "ns"));
    run(async {
        let watch = second.watch(WatchOptions::default());
        let mut watch = watch.await.expect("a watch");
        let set = Op::from(Action::Set {
            value: "1".into(),
            representation: Default::default(),
            ttl: Ttl::Millis(50),
        });
        first.submit(key("a"), set).await.expect("an outcome");
        assert_eq!(numbers(&mut watch, 1).await, [1]);
        let event = watch.next().await.expect("an event").expect("a change");
        let WatchEvent::Change { change, .. } = event else {
            panic!("{event:?}")
        };
        assert!(matches!(change.event().kind, EventKind::Expire { .. }));
        assert!(first.find(b"a").await.expect("a read").is_none());
    });
}
