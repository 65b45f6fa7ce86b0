//! The sweep of dropped namespaces while the same name is purged, created again or dropped again: no row of a purged
//! namespace remains, and no row of a known one is lost.

use std::sync::Arc;

use akvs_core::engine::{Batch, Durability, Engine, Table};
use akvs_core::{Database, GarbageCollector, MemoryEngine, Options};

use crate::common::{TestDb, rows};
use crate::purged_drops::{
    KEPT_DROPS, count, drop_namespace, drop_others, fill, name, reported, snapshot_of, sweep_all,
};
use crate::wrapped_engine::WrappedEngine;

const ONE: [u8; 8] = 1_u64.to_be_bytes();
const OTHERS: usize = 1_100;

/// Drops a namespace and sweeps it this many steps, of the three that it takes. Its history stays.
fn swept(database: &Database, steps: usize) -> GarbageCollector {
    fill(database, "gone", 5);
    fill(database, "other", OTHERS);
    drop_namespace(database, "gone");
    let mut sweep = GarbageCollector::default();
    for step in 0..steps {
        assert_eq!(sweep.step(database, 2).expect("a step"), step < 3, "{step}");
    }
    sweep
}

fn assert_nothing_left(test_db: &TestDb, history: usize) {
    assert_eq!(count(test_db, Table::Catalogue, b"\0"), 0);
    assert_eq!(count(test_db, Table::Data, &ONE), 0);
    assert_eq!(count(test_db, Table::History, &ONE), history);
}

#[test]
fn a_name_that_is_purged_during_its_sweep_is_removed() {
    let memory = (0..10).map(|steps| (TestDb::memory(), steps));
    for (test_db, steps) in memory.chain([(TestDb::disk(), 3), (TestDb::disk(), 6)]) {
        let database = test_db.open(Options::default());
        let mut sweep = swept(&database, steps);
        drop_others(&database, "n", KEPT_DROPS);
        assert_eq!(database.history_id(&name("gone")).unwrap(), None);
        fill(&database, "gone", 3);
        while sweep.step(&database, 2).unwrap() {}
        let newest = database.revision().get();
        let new_changes = reported(&snapshot_of(&database, "gone"), newest - 3);
        assert_eq!(new_changes, Ok(vec![newest - 2, newest - 1, newest]));
        for number in 0..KEPT_DROPS as u64 {
            let snapshot = snapshot_of(&database, &format!("n{number:03}"));
            let made = 1_106 + 1 + 2 * number;
            assert_eq!(reported(&snapshot, made - 1), Ok(vec![made, made + 1]));
        }
        drop(database);
        assert_nothing_left(&test_db, 0);
        assert_eq!(
            count(&test_db, Table::History, b""),
            OTHERS + 3 + 2 * KEPT_DROPS
        );
        assert_eq!(count(&test_db, Table::Data, b""), OTHERS + 3);
    }
}

#[test]
fn a_name_created_and_dropped_during_its_sweep_loses_no_change() {
    let memory = (0..10).map(|steps| (TestDb::memory(), steps));
    for (test_db, steps) in memory.chain([(TestDb::disk(), 3), (TestDb::disk(), 6)]) {
        let database = test_db.open(Options::default());
        let mut sweep = swept(&database, steps);
        // The drop is at 1,106.
        fill(&database, "gone", 4);
        assert!(sweep.step(&database, 2).unwrap() || steps > 2);
        drop_namespace(&database, "gone");
        let snapshot = snapshot_of(&database, "gone");
        assert_eq!(reported(&snapshot, 1_105), Ok((1_106..=1_111).collect()));
        fill(&database, "gone", 2);
        while sweep.step(&database, 2).unwrap() {}
        assert_eq!(
            reported(&snapshot_of(&database, "gone"), 1_105),
            Ok((1_106..=1_113).collect())
        );
        assert_eq!(
            reported(&snapshot_of(&database, "other"), 5),
            Ok((6..=1_105).collect())
        );
        drop((database, snapshot));
        assert_nothing_left(&test_db, 13);
        assert_eq!(count(&test_db, Table::Data, b""), OTHERS + 2);
    }
}

#[test]
fn a_pending_sweep_is_completed_after_the_purge() {
    for test_db in TestDb::each() {
        let database = test_db.open(Options::default());
        // Dropped twice, so that its history has another id than its data.
        fill(&database, "gone", 5);
        drop_namespace(&database, "gone");
        fill(&database, "gone", 6);
        drop_namespace(&database, "gone");
        drop_others(&database, "n", KEPT_DROPS);
        assert_eq!(database.history_id(&name("gone")).unwrap(), None);
        database.close().unwrap();
        drop(database);
        let database = test_db.open(Options::default());
        sweep_all(&database, 3);
        drop(database);
        assert_nothing_left(&test_db, 0);
        assert_eq!(count(&test_db, Table::Data, b""), 0);
        assert_eq!(count(&test_db, Table::History, b""), 2 * KEPT_DROPS);
    }
}

/// Opens the engine as an engine that lost commits.
fn reset(engine: &Arc<MemoryEngine>) {
    let lossy = WrappedEngine::lossy(Arc::clone(engine) as Arc<dyn Engine>);
    Database::open(Arc::new(lossy), Options::default()).expect("a database");
}

#[test]
fn sweeping_old_rows_keeps_the_history_of_a_namespace_created_again() {
    let engine = Arc::new(MemoryEngine::new());
    let open = || Database::open(Arc::clone(&engine) as Arc<dyn Engine>, Options::default());
    let database = open().unwrap();
    fill(&database, "ns", 1);
    let left = rows(&*engine, Table::Data);
    drop_namespace(&database, "ns");
    fill(&database, "ns", 1);
    sweep_all(&database, 9);
    drop(database);
    // The data table lost the sweep, and the catalogue did not.
    let mut batch = Batch::default();
    for (key, row) in left {
        batch.put(Table::Data, key, row);
    }
    engine.commit(batch, Durability::Synced).unwrap();
    reset(&engine);
    let database = open().unwrap();
    let newest = database.revision().get();
    fill(&database, "ns", 2);
    let reported = || reported(&snapshot_of(&database, "ns"), newest);
    assert_eq!(reported(), Ok(vec![newest + 1, newest + 2]));
    sweep_all(&database, 9);
    assert_eq!(reported(), Ok(vec![newest + 1, newest + 2]));
}
