//! Snapshots: pages of entries and of changes as they were at one moment, and the limits of the history.

use std::time::Duration;

use akvs_core::engine::PageLimit;
use akvs_core::{Code, EventKind, Namespace, NamespaceSnapshot, Op, Revision, Timestamp, Txn};
use akvs_server::{SharedExecutor, SharedOptions, Start, WatchEvent, WatchOptions};
use futures_util::StreamExt;
use futures_util::future::join_all;

use crate::common::{TestDatabase, key, run, server};

const NOW: Timestamp = Timestamp::from_millis(0);

fn name(name: &str) -> Namespace {
    Namespace::new(name).expect("a name")
}

fn fill(node: &SharedExecutor, namespace: &str, keys: usize) {
    let server = server(node, namespace);
    run(async {
        let sets = (0..keys).map(|index| {
            let value = vec![b'x'; if index % 10 == 0 { 20_000 } else { 10 }];
            server.set(key(format!("{index:04}")), value)
        });
        assert!(join_all(sets).await.iter().all(Result::is_ok));
    });
}

/// Asserts that a snapshot has 100 keys, page by page.
fn assert_has_pages(snapshot: &NamespaceSnapshot) {
    let expected: Vec<_> = (0..100).map(|index| key(format!("{index:04}"))).collect();
    for reverse in [false, true] {
        let (mut keys, mut start, mut end) = (Vec::new(), Vec::new(), None::<Vec<u8>>);
        loop {
            let limit = PageLimit {
                rows: 7,
                bytes: 30_000,
            };
            let range = (&start[..], end.as_deref());
            let page = snapshot.peek_entries(range, reverse, usize::MAX, limit, NOW);
            let page = page.expect("a page");
            for (key, peeked) in page.entries {
                let length = if key.as_bytes().ends_with(b"0") {
                    20_000
                } else {
                    10
                };
                assert_eq!(
                    (peeked.entry.value.len(), peeked.left_bytes),
                    (length, None)
                );
                keys.push(key);
            }
            match page.next {
                Some(next) if reverse => end = Some(next.to_vec()),
                Some(next) => start = next.to_vec(),
                None => break,
            }
        }
        if reverse {
            keys.reverse();
        }
        assert_eq!(keys, expected);
    }
}

#[test]
fn pages_are_of_one_moment_in_either_direction() {
    let Some(database) = TestDatabase::create() else {
        return;
    };
    let node = database.node();
    fill(&node, "ns", 100);
    let snapshot = node
        .backend()
        .namespace_snapshot(&name("ns"))
        .expect("a snapshot");
    let writer = server(&node, "ns");
    run(async {
        writer.set(key("0000"), "later").await.expect("an outcome");
        writer.set(key("later"), "later").await.expect("an outcome");
        assert!(writer.drop_namespace().await.expect("an outcome"));
    });
    assert_has_pages(&snapshot);
    let peeked = snapshot
        .find(b"0010", 1_000, NOW)
        .expect("a read")
        .expect("an entry");
    assert_eq!(
        (peeked.entry.value.len(), peeked.left_bytes),
        (0, Some(20_000))
    );
    let info = snapshot.info().expect("its metadata");
    assert_eq!((info.counts.keys, info.revision), (100, Revision::new(100)));
    // A later snapshot has what followed.
    let later = node
        .backend()
        .namespace_snapshot(&name("ns"))
        .expect("a snapshot");
    assert!(!later.exists() && later.revision() == Revision::new(103));
    let changes = later
        .changes(Revision::new(100), PageLimit::rows(10), true)
        .expect("changes");
    assert!(matches!(changes.events[2].kind, EventKind::Drop));
}

#[test]
fn changes_come_in_whole_revisions_with_their_values() {
    let Some(database) = TestDatabase::create() else {
        return;
    };
    let node = database.node();
    let server = server(&node, "ns");
    run(async {
        server
            .set(key("a"), vec![b'x'; 50_000])
            .await
            .expect("an outcome");
        let ops = (0..30)
            .map(|index| (key(format!("t{index}")), Op::set("1")))
            .collect();
        let txn = Txn::new(Vec::new(), ops).expect("a transaction");
        server.transact(txn).await.expect("outcomes");
        server.del(key("a")).await.expect("an outcome");
        server
            .set(key("b"), vec![b'y'; 50_000])
            .await
            .expect("an outcome");
    });
    let snapshot = node
        .backend()
        .namespace_snapshot(&name("ns"))
        .expect("a snapshot");
    let (mut after, mut sizes) = (Revision::ZERO, Vec::new());
    while after < snapshot.revision() {
        let changes = snapshot
            .changes(after, PageLimit::rows(5), true)
            .expect("changes");
        assert!(changes.events.last().is_none_or(|event| event.is_last));
        sizes.extend(
            changes
                .events
                .iter()
                .map(|event| (event.revision.get(), event.has_value())),
        );
        after = changes.until;
    }
    let mut expected = vec![(1, false)];
    expected.extend((0..30).map(|_| (2, true)));
    // The history has no long value that was replaced or deleted.
    expected.extend([(3, false), (4, true)]);
    assert_eq!(sizes, expected);
    let future = snapshot.changes(Revision::new(5), PageLimit::rows(5), false);
    assert_eq!(future.expect_err("an error").code(), Code::HistoryGone);
}

#[test]
fn long_histories_are_trimmed() {
    let Some(database) = TestDatabase::create() else {
        return;
    };
    let mut options = database.options();
    options.history_changes = 50;
    let node = database.node_with(&options, SharedOptions::default());
    fill(&node, "ns", 300);
    let held = || {
        let snapshot = node
            .backend()
            .namespace_snapshot(&name("ns"))
            .expect("a snapshot");
        (
            snapshot.compacted_revision().get(),
            snapshot.info().expect("metadata").counts,
        )
    };
    while held().0 < 250 {
        std::thread::sleep(Duration::from_millis(10));
    }
    let (compacted, counts) = held();
    assert_eq!((counts.keys, counts.history), (300, 300 - compacted));
    let snapshot = node
        .backend()
        .namespace_snapshot(&name("ns"))
        .expect("a snapshot");
    let gone = snapshot
        .check_since(Revision::new(compacted - 1))
        .expect_err("an error");
    assert_eq!(gone.code(), Code::HistoryGone);
    let kept = snapshot.changes(Revision::new(compacted), PageLimit::rows(100), false);
    assert_eq!(kept.expect("changes").events.len() as u64, 300 - compacted);
}

#[test]
fn namespaces_are_listed_and_counted() {
    let Some(database) = TestDatabase::create() else {
        return;
    };
    let nodes = [database.node(), database.node()];
    for (node, namespace) in nodes.iter().cycle().zip(["c", "a", "d", "b", "B"]) {
        fill(node, namespace, 3);
    }
    run(async {
        let dropped = server(&nodes[0], "d").drop_namespace().await;
        assert!(dropped.expect("an outcome"));
    });
    let backend = nodes[1].backend();
    let names = |after: Option<&Namespace>, limit| -> Vec<String> {
        let page = backend.namespaces(after, limit).expect("a page");
        page.into_iter()
            .map(|info| info.name.as_str().to_owned())
            .collect()
    };
    assert_eq!(names(None, 10), ["B", "a", "b", "c"]);
    assert_eq!(names(Some(&name("a")), 1), ["b"]);
    let stats = backend.storage_stats(2).expect("statistics");
    assert_eq!(
        (stats.namespaces, stats.counts.keys, stats.largest.len()),
        (4, 12, 2)
    );
    assert!(backend.stored_bytes().expect("a size") > 100_000);
    let snapshot = backend.database_snapshot().expect("a snapshot");
    fill(&nodes[0], "aa", 3);
    let mut after = None;
    let mut seen = Vec::new();
    while let Some(namespace) = snapshot.after(after.as_ref()).expect("a namespace") {
        let info = namespace.info().expect("its metadata").clone();
        seen.push(info.name.as_str().to_owned());
        after = Some(info.name);
    }
    assert_eq!(seen, ["B", "a", "b", "c"]);
    assert_eq!(snapshot.count().expect("a count"), 4);
}

#[test]
fn a_watch_begins_with_the_state() {
    let Some(database) = TestDatabase::create() else {
        return;
    };
    let node = database.node();
    fill(&node, "ns", 20);
    let server = server(&node, "ns");
    run(async {
        let watch = server.watch(WatchOptions {
            start: Start::State,
            values: true,
            ..WatchOptions::default()
        });
        let mut watch = watch.await.expect("a watch");
        let mut entries = 0;
        loop {
            match watch.next().await.expect("an event").expect("an entry") {
                WatchEvent::Entry(_) => entries += 1,
                WatchEvent::Synced(revision) => {
                    assert_eq!((entries, revision), (20, Revision::new(20)));
                    break;
                }
                other @ (WatchEvent::Change { .. } | WatchEvent::Reset(_)) => panic!("{other:?}"),
            }
        }
        server.set(key("later"), "1").await.expect("an outcome");
        let event = watch.next().await.expect("an event").expect("a change");
        assert!(matches!(event, WatchEvent::Change { .. }));
    });
}
