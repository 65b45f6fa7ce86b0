//! An operation that a group refuses affects only itself, and uncommitted changes leave no trace.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use akvs_core::engine::{Durability, Engine, Table};
use akvs_core::{Code, Database, Error, MemoryEngine, Op, Options, Result, Revision};
use bytes::Bytes;

use crate::common::{TestDb, at, key, store_named};

#[test]
fn a_namespace_that_was_opened_twice_is_refused() {
    let test_db = TestDb::memory();
    let database = test_db.open(Options::default());
    let (first, second) = (
        store_named(&database, "twice"),
        store_named(&database, "twice"),
    );
    let mut group = database.group();
    group
        .apply(&first, &key("k"), Op::set("1"), at(1))
        .expect("a change");
    let refused = group.apply(&second, &key("k"), Op::set("2"), at(1));
    assert_eq!(
        refused.map_err(|error| error.code()),
        Err(Code::Unavailable)
    );
    group.commit(Durability::Synced).expect("a commit");
    assert_eq!(first.get(&key("k"), at(1)).expect("a value").value, "1");
    // For its store, the namespace still does not exist.
    let refused = second.set(&key("k"), "2", at(1));
    assert_eq!(
        refused.map_err(|error| error.code()),
        Err(Code::Unavailable)
    );
    assert_eq!(database.revision(), Revision::new(1));
}

#[test]
fn a_dropped_group_uses_no_revision() {
    for test_db in TestDb::each() {
        let database = test_db.open(Options::default());
        let store = store_named(&database, "kept");
        let mut group = database.group();
        group
            .apply(&store, &key("k"), Op::set("1"), at(1))
            .expect("a change");
        drop(group);
        assert!(!store.exists() && store.counts().keys == 0);
        assert_eq!(database.revision(), Revision::ZERO);
        let outcome = store.set(&key("k"), "2", at(1)).expect("a set");
        assert_eq!(
            (outcome.revision, outcome.existed),
            (Some(Revision::new(1)), false)
        );
    }
}

#[test]
fn the_revision_can_be_read_while_a_group_is_open() {
    let database = TestDb::memory().open(Options::default());
    let store = store_named(&database, "open");
    store.set(&key("k"), "1", at(1)).expect("a set");
    let mut group = database.group();
    group
        .apply(&store, &key("k"), Op::set("2"), at(1))
        .expect("a change");
    assert_eq!(database.revision(), Revision::new(1));
    group.commit(Durability::Synced).expect("a commit");
    assert_eq!(database.revision(), Revision::new(2));
}

#[test]
fn a_watermark_is_not_raised_above_the_data() {
    let test_db = TestDb::disk();
    let database = test_db.open(Options::default());
    store_named(&database, "low")
        .set(&key("k"), "1", at(1))
        .expect("a set");
    database
        .raise_watermark(Revision::new(1_000))
        .expect("a watermark");
    drop(database);
    assert_eq!(
        test_db.open(Options::default()).revision(),
        Revision::new(1)
    );
}

/// An engine whose reads of counts fail this many times.
struct Failing {
    inner: MemoryEngine,
    times: AtomicUsize,
}

impl Engine for Failing {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>> {
        let fails = || {
            let times = &self.times;
            times.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            })
        };
        if table == Table::Meta && key.starts_with(b"counts") && fails().is_ok() {
            return Err(Error::new(Code::Storage, "the read failed"));
        }
        self.inner.get(table, key)
    }

    akvs_core::forward_engine!(inner: page, snapshot, commit, sync, watermark, raise_watermark, stored_bytes, capabilities);
}

#[test]
fn a_failed_read_refuses_only_its_operation() {
    let engine = Arc::new(Failing {
        inner: MemoryEngine::new(),
        times: AtomicUsize::new(0),
    });
    let open = || {
        let engine: Arc<dyn Engine> = Arc::clone(&engine) as _;
        Database::open(engine, Options::default()).expect("a database")
    };
    let (k, value) = (key("k"), || Op::set("v"));
    store_named(&open(), "ns")
        .set(&k, "old", at(1))
        .expect("a set");

    // Its counts are read again at its first change.
    let database = open();
    let store = store_named(&database, "ns");
    engine.times.store(1, Ordering::SeqCst);
    let mut group = database.group();
    let refused = group.apply(&store, &k, value(), at(1));
    assert_eq!(refused.unwrap_err().code(), Code::Storage);
    group
        .apply(&store, &k, value(), at(1))
        .expect("the next one");
    group.commit(Durability::Synced).expect("a commit");
    assert_eq!(store.get(&k, at(1)).expect("a value").value, "v");
}
