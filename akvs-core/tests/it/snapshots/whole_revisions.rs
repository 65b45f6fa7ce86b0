//! Changes that were committed under one revision are returned together.

use std::sync::Arc;

use akvs_core::engine::{Batch, Durability, Engine, PageLimit, Table};
use akvs_core::{Database, MemoryEngine, Op, Options, Revision, Ttl, Txn};

use crate::common::{TestDb, at, key, rows, store_named};
use crate::snapshots::{changes, put, snapshot_of};

/// Writes a history whose revisions have this many changes each, as `encoding` describes it.
fn several_changes(counts: &[usize]) -> Database {
    let engine = Arc::new(MemoryEngine::new());
    let open = || Database::open(Arc::clone(&engine) as Arc<dyn Engine>, Options::default());
    put(
        &store_named(&open().expect("a database"), "ns"),
        b"k",
        "v",
        Ttl::Forever,
    );
    let (first, _) = rows(&*engine, Table::History).remove(0);
    let mut batch = Batch::default();
    for (number, count) in counts.iter().enumerate() {
        let revision = (number as u64 + 2).to_be_bytes();
        for index in 0..*count {
            let row_key = [&first[..8], &revision, &(index as u16).to_be_bytes()].concat();
            let kind = if index + 1 == *count { 5 } else { 5 | 128 };
            batch.put(Table::History, row_key, [&[kind][..], b"key"].concat());
        }
    }
    let newest = (counts.len() as u64 + 1).to_le_bytes();
    batch.put(Table::Meta, &b"revision"[..], newest.to_vec());
    engine.commit(batch, Durability::Synced).expect("a commit");
    open().expect("a database")
}

#[test]
fn a_revision_of_several_changes_is_never_split() {
    let counts = [1, 4, 1, 1, 7, 2, 3];
    let snapshot = snapshot_of(&several_changes(&counts), "ns");
    let limits = (1..25).map(PageLimit::rows);
    let small = (1..60).map(|number| PageLimit {
        rows: 100,
        bytes: number * 9,
    });
    for limit in limits.chain(small) {
        for after in 1..=8 {
            let reported = changes(&snapshot, Revision::new(after), limit, true);
            let expected: Vec<u64> = (after + 1..=8)
                .flat_map(|revision| vec![revision; counts[revision as usize - 2]])
                .collect();
            let found: Vec<u64> = reported.iter().map(|event| event.revision.get()).collect();
            assert_eq!(found, expected, "{limit:?} after {after}");
        }
    }
    // The page ends with the last revision that fits completely.
    let page = snapshot
        .changes(Revision::new(1), PageLimit::rows(6), true)
        .expect("a page");
    assert_eq!((page.events.len(), page.until), (6, Revision::new(4)));
    let page = snapshot
        .changes(Revision::new(1), PageLimit::rows(8), true)
        .expect("a page");
    assert_eq!((page.events.len(), page.until), (7, Revision::new(5)));
    let page = snapshot
        .changes(Revision::new(1), PageLimit::rows(100), true)
        .expect("a page");
    assert_eq!((page.events.len(), page.until), (19, Revision::new(8)));
}

/// The changes of one commit share a row of the history; a reader may begin at any revision in it.
#[test]
fn the_changes_of_one_commit_are_read_from_any_of_its_revisions() {
    let database = TestDb::memory().open(Options::default());
    let store = store_named(&database, "ns");
    let mut expected = Vec::new();
    for revisions in [1, 3, 40, 2] {
        let mut group = database.group();
        for index in 0..revisions {
            let ops = (0..=index % 3).map(|number| (key(format!("k{number}")), Op::set("v")));
            let txn = Txn::new(Vec::new(), ops.collect()).expect("a transaction");
            let outcomes = group.transact(&store, txn, at(1)).expect("changes");
            expected.extend(outcomes.iter().filter_map(|outcome| outcome.revision));
        }
        group.commit(Durability::Synced).expect("a commit");
    }
    let snapshot = snapshot_of(&database, "ns");
    let limits = (0..9).map(PageLimit::rows);
    let small = [1, 100, 1_000].map(|bytes| PageLimit { rows: 100, bytes });
    for limit in limits.chain(small) {
        for after in 0..=46 {
            let after = Revision::new(after);
            let found = changes(&snapshot, after, limit, true);
            let found: Vec<Revision> = found.iter().map(|event| event.revision).collect();
            let later = expected.iter().filter(|revision| **revision > after);
            assert_eq!(
                found,
                later.copied().collect::<Vec<_>>(),
                "{limit:?} after {after}"
            );
        }
    }
    let page = snapshot
        .changes(Revision::new(5), PageLimit::rows(4), false)
        .expect("a page");
    assert_eq!((page.events.len(), page.until), (2, Revision::new(6)));
}
