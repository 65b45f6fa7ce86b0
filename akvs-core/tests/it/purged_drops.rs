//! The remaining data of a dropped namespace: its history, while it is one of the newest drops; after that only the
//! fact that changes may be missing.

mod sweeping;

use std::sync::{Arc, Mutex};

use akvs_core::engine::{Durability, Engine, PageLimit, Table};
use akvs_core::{
    Code, CommitSummary, Database, Event, GarbageCollector, HistoryId, MemoryEngine, Namespace,
    NamespaceSnapshot, Op, Options, Revision, Store,
};

use crate::common::{TestDb, at, change_count, key, rows, store_named};
use crate::wrapped_engine::WrappedEngine;

/// The promise of `commit_group::namespaces`.
const KEPT_DROPS: usize = 256;

fn name(text: &str) -> Namespace {
    Namespace::new(text).expect("a name")
}

fn snapshot_of(database: &Database, text: &str) -> NamespaceSnapshot {
    database
        .namespace_snapshot(&name(text))
        .expect("a snapshot")
}

/// Sets this many keys at once.
fn fill(database: &Database, text: &str, keys: usize) {
    let store = store_named(database, text);
    let mut group = database.group();
    for number in 0..keys {
        let set = group.apply(
            &store,
            &key(number.to_string()),
            Op::set(text.to_owned()),
            at(1),
        );
        set.expect("a set");
    }
    group.commit(Durability::Buffered).expect("a commit");
}

fn drop_namespace(database: &Database, text: &str) -> CommitSummary {
    let store = store_named(database, text);
    let mut group = database.group();
    assert!(group.drop_namespace(&store).expect("a drop"), "{text}");
    group.commit(Durability::Buffered).expect("a commit")
}

/// Creates and drops this many other namespaces.
fn drop_others(database: &Database, prefix: &str, count: usize) {
    for number in 0..count {
        let text = format!("{prefix}{number:03}");
        fill(database, &text, 1);
        drop_namespace(database, &text);
    }
}

fn sweep_all(database: &Database, rows: usize) {
    let mut sweep = GarbageCollector::default();
    while sweep.step(database, rows).expect("a step") {}
}

/// Returns the revisions of all changes after a revision, or the code of the error.
fn reported(snapshot: &NamespaceSnapshot, after: u64) -> Result<Vec<u64>, Code> {
    let page = snapshot.changes(Revision::new(after), PageLimit::rows(10_000), true);
    let page = page.map_err(|error| error.code())?;
    assert_eq!(page.until, snapshot.revision());
    let revision = |event: &Event| event.revision.get();
    Ok(page.events.iter().map(revision).collect())
}

/// Returns the number of rows of a table with this prefix.
fn count(test_db: &TestDb, table: Table, prefix: &[u8]) -> usize {
    let all = rows(&*test_db.engine(), table);
    let all = all.iter().filter(|(key, _)| key.starts_with(prefix));
    match table {
        Table::History => all.map(change_count).sum(),
        Table::Catalogue | Table::Data | Table::Deadlines | Table::Meta => all.count(),
    }
}

fn history_id(database: &Database, text: &str) -> Option<HistoryId> {
    database.history_id(&name(text)).expect("a read")
}

/// Asserts that of 300 namespaces with three changes each that were dropped one after the other, the newest are known.
fn assert_newest_known(database: &Database, names: &[String], histories: &[HistoryId]) {
    let (gone, kept) = names.split_at(300 - KEPT_DROPS);
    let newest_forgotten = 900 + gone.len() as u64;
    for text in gone.iter().map(String::as_str).chain(["never"]) {
        assert_eq!(history_id(database, text), None, "{text}");
        let snapshot = snapshot_of(database, text);
        assert_eq!(
            snapshot.compacted_revision().get(),
            newest_forgotten,
            "{text}"
        );
        assert_eq!(
            reported(&snapshot, newest_forgotten - 1),
            Err(Code::HistoryGone)
        );
        assert_eq!(reported(&snapshot, newest_forgotten), Ok(vec![]));
    }
    for (index, text) in kept.iter().enumerate() {
        let index = index + gone.len();
        assert_eq!(history_id(database, text), Some(histories[index]));
        let (first, dropped) = (3 * index as u64 + 1, 901 + index as u64);
        let snapshot = snapshot_of(database, text);
        assert_eq!(snapshot.compacted_revision().get(), 0, "{text}");
        let changes = vec![first, first + 1, first + 2, dropped];
        assert_eq!(reported(&snapshot, 0), Ok(changes));
    }
}

#[test]
fn only_the_newest_drops_are_kept() {
    for test_db in TestDb::each() {
        let database = test_db.open(Options::default());
        let names: Vec<String> = (0..300).map(|number| format!("n{number:03}")).collect();
        names.iter().for_each(|text| fill(&database, text, 3));
        let history = |text: &String| history_id(&database, text).unwrap();
        let histories: Vec<_> = names.iter().map(history).collect();
        let drops = names.iter().map(|text| drop_namespace(&database, text));
        let purged: Vec<_> = drops.flat_map(|drop| drop.purged).collect();
        assert_eq!(purged, histories[..300 - KEPT_DROPS]);
        assert_newest_known(&database, &names, &histories);
        database.close().unwrap();
        drop(database);

        let database = test_db.open(Options::default());
        assert_newest_known(&database, &names, &histories);
        sweep_all(&database, 7);
        assert_newest_known(&database, &names, &histories);
        fill(&database, "n000", 1);
        assert!(history_id(&database, "n000").unwrap() > histories[299]);
        let snapshot = snapshot_of(&database, "n000");
        assert_eq!(snapshot.compacted_revision().get(), 944);
        assert_eq!(reported(&snapshot, 944), Ok(vec![1_201]));
        assert_eq!(reported(&snapshot, 943), Err(Code::HistoryGone));
        drop((database, snapshot));
        let found = [
            (Table::Data, &b""[..], 1),
            (Table::Deadlines, b"", 0),
            (Table::History, b"", 4 * KEPT_DROPS + 1),
            (Table::Catalogue, b"\0", 0),
            (Table::Catalogue, b"", KEPT_DROPS + 1),
            (Table::Meta, b"dropped", KEPT_DROPS),
            (Table::Meta, b"counts", 1),
        ];
        for (table, prefix, expected) in found {
            assert_eq!(count(&test_db, table, prefix), expected, "{table:?}");
        }
    }
}

#[test]
fn many_drops_of_one_group_are_purged_gradually() {
    let test_db = TestDb::memory();
    let database = test_db.open(Options::default());
    let texts: Vec<String> = (0..300).map(|number| format!("n{number:03}")).collect();
    texts.iter().for_each(|text| fill(&database, text, 1));
    let stores: Vec<Store> = texts
        .iter()
        .map(|text| store_named(&database, text))
        .collect();
    let mut group = database.group();
    for store in &stores {
        assert!(group.drop_namespace(store).unwrap());
    }
    assert!(
        group
            .commit(Durability::Buffered)
            .unwrap()
            .purged
            .is_empty()
    );
    // Two in one group, each of which purges two, because there are too many.
    for first in [1, 5] {
        fill(&database, "x", 1);
        fill(&database, "y", 1);
        let stores = ["x", "y"].map(|text| store_named(&database, text));
        let mut group = database.group();
        for store in &stores {
            assert!(group.drop_namespace(store).unwrap());
        }
        let purged = group.commit(Durability::Buffered).unwrap().purged;
        assert_eq!(purged, (first..first + 4).collect::<Vec<_>>());
    }
    for is_there in [false, true] {
        let snapshot = snapshot_of(&database, "n007");
        assert_eq!(snapshot.compacted_revision().get(), 308, "{is_there}");
        assert_eq!(reported(&snapshot, 307), Err(Code::HistoryGone));
        // Created again, it knows that changes may be missing.
        fill(&database, "n007", 1);
    }
    assert_eq!(
        reported(&snapshot_of(&database, "n008"), 0),
        Ok(vec![9, 309])
    );
    drop_others(&database, "z", 50);
    assert_eq!(count(&test_db, Table::Meta, b"dropped"), KEPT_DROPS);
}

#[test]
fn a_name_created_again_in_the_group_of_a_drop_is_not_purged() {
    for test_db in TestDb::each() {
        let database = test_db.open(Options::default());
        fill(&database, "oldest", 2);
        drop_namespace(&database, "oldest");
        drop_others(&database, "n", KEPT_DROPS - 1);
        fill(&database, "next", 1);
        let before = database.revision().get();
        let (oldest, next) = (
            store_named(&database, "oldest"),
            store_named(&database, "next"),
        );
        let mut group = database.group();
        group
            .apply(&oldest, &key("k"), Op::set("v"), at(2))
            .unwrap();
        assert!(group.drop_namespace(&next).unwrap());
        let purged = group.commit(Durability::Buffered).unwrap().purged;
        assert!(!purged.contains(&1), "{purged:?}");
        sweep_all(&database, 3);
        for _ in 0..2 {
            let snapshot = snapshot_of(&database, "oldest");
            assert_eq!(
                (snapshot.exists(), snapshot.compacted_revision()),
                (true, Revision::ZERO)
            );
            assert_eq!(reported(&snapshot, 0).unwrap()[..4], [1, 2, 3, before + 1]);
            drop(snapshot);
            drop_others(&database, "m", 2);
            sweep_all(&database, 3);
        }
    }
}

#[test]
fn a_name_purged_and_created_again_in_one_group_loses_no_change() {
    let test_db = TestDb::memory();
    let database = test_db.open(Options::default());
    fill(&database, "oldest", 2);
    drop_namespace(&database, "oldest");
    drop_others(&database, "n", KEPT_DROPS - 1);
    fill(&database, "next", 1);
    let (oldest, next) = (
        store_named(&database, "oldest"),
        store_named(&database, "next"),
    );
    let mut group = database.group();
    assert!(group.drop_namespace(&next).unwrap());
    let set = group.apply(&oldest, &key("k"), Op::set("v"), at(2));
    group.commit(Durability::Buffered).unwrap();
    sweep_all(&database, 3);
    // The history may be refused, but must not miss a change.
    if let Ok(outcome) = set {
        let snapshot = snapshot_of(&database, "oldest");
        let newest = outcome.revision.unwrap().get();
        assert_eq!(reported(&snapshot, newest - 1), Ok(vec![newest]));
    }
}

#[test]
fn no_drop_is_purged_too_early() {
    let database = crate::common::memory();
    drop_others(&database, "n", KEPT_DROPS);
    fill(&database, "next", 1);
    let (recreated, next) = (
        store_named(&database, "n255"),
        store_named(&database, "next"),
    );
    let mut group = database.group();
    group
        .apply(&recreated, &key("k"), Op::set("v"), at(2))
        .unwrap();
    assert!(group.drop_namespace(&next).unwrap());
    let purged = group.commit(Durability::Buffered).unwrap().purged;
    assert!(purged.is_empty(), "256 dropped ones are known");
}

#[test]
fn a_snapshot_taken_during_a_purge_misses_no_change_silently() {
    let engine = Arc::new(WrappedEngine::hook_commit(Arc::new(MemoryEngine::new())));
    let shared: Arc<dyn Engine> = engine.clone();
    let database = Database::open(shared, Options::default()).unwrap();
    drop_others(&database, "n", KEPT_DROPS);
    fill(&database, "next", 1);
    let (seen, reader) = (Arc::new(Mutex::new(Vec::new())), database.clone());
    let notes = Arc::clone(&seen);
    // The namespace is dropped at revision 2.
    engine.on_commit(move || {
        let snapshot = snapshot_of(&reader, "n000");
        notes.lock().expect("it").push(reported(&snapshot, 1));
    });
    drop_namespace(&database, "next");
    assert_eq!(*seen.lock().unwrap(), [Err(Code::HistoryGone)]);
    engine.on_commit(|| ());
}

#[test]
fn repeated_drops_and_creations_leave_few_rows() {
    for test_db in TestDb::each() {
        let database = test_db.open(Options {
            history_changes: 1_000,
            ..Options::default()
        });
        for round in 0..1_000 {
            fill(&database, "again", 1);
            drop_namespace(&database, "again");
            if round % 300 == 0 {
                sweep_all(&database, 100);
            }
        }
        assert!(!snapshot_of(&database, "again").exists());
        let snapshot = snapshot_of(&database, "again");
        let compacted_revision = snapshot.compacted_revision().get();
        // The newest changes are kept, with the slack of one group.
        assert!(
            (860..=1_000).contains(&compacted_revision),
            "{compacted_revision}"
        );
        assert_eq!(
            reported(&snapshot, compacted_revision),
            Ok((compacted_revision + 1..=2_000).collect())
        );
        assert_eq!(database.history_id(&name("again")).unwrap(), Some(1));
        sweep_all(&database, 100);
        drop((database, snapshot));
        let left = Table::ALL.map(|table| count(&test_db, table, b""));
        // The catalogue has the drop; meta has four numbers and the drop.
        assert_eq!(left, [1, 0, (2_000 - compacted_revision) as usize, 0, 5]);
    }
}

#[test]
fn a_history_continues_after_a_drop() {
    for test_db in TestDb::each() {
        let database = test_db.open(Options::default());
        fill(&database, "long", 1_500);
        fill(&database, "other", 10);
        assert_eq!(drop_namespace(&database, "long").revision.get(), 1_511);
        let snapshot = snapshot_of(&database, "long");
        let changes: Vec<u64> = (1..=1_500).chain([1_511]).collect();
        for _ in 0..2 {
            assert_eq!(snapshot.compacted_revision().get(), 0);
            assert_eq!(reported(&snapshot, 0), Ok(changes.clone()));
            sweep_all(&database, 64);
            let snapshot = snapshot_of(&database, "long");
            assert_eq!(reported(&snapshot, 0), Ok(changes.clone()));
        }
        fill(&database, "long", 2);
        let view_anew = snapshot_of(&database, "long");
        let all: Vec<u64> = changes.iter().copied().chain([1_512, 1_513]).collect();
        assert_eq!(
            (
                view_anew.compacted_revision().get(),
                reported(&view_anew, 0)
            ),
            (0, Ok(all))
        );
        assert_eq!(
            reported(&snapshot_of(&database, "other"), 0),
            Ok((1_501..=1_510).collect())
        );
        drop((database, snapshot, view_anew));
        assert_eq!(count(&test_db, Table::History, b""), changes.len() + 2 + 10);
        assert_eq!(count(&test_db, Table::Catalogue, b"\0"), 0);
    }
}

/// Dropped histories together have at most four of full length, or 100,000 changes.
#[test]
fn long_histories_of_dropped_names_are_purged_earlier() {
    let database = TestDb::memory().open(Options {
        history_changes: 30_000,
        ..Options::default()
    });
    for number in 0..6 {
        let text = format!("n{number}");
        fill(&database, &text, 28_000);
        drop_namespace(&database, &text);
    }
    let is_known = |number| history_id(&database, &format!("n{number}")).is_some();
    assert_eq!(
        [0, 1, 2, 3, 4, 5].map(is_known),
        [false, false, true, true, true, true]
    );
    sweep_all(&database, 1_000);
    let snapshot = snapshot_of(&database, "n2");
    let (first, dropped) = (2 * 28_001 + 1, 3 * 28_001);
    let found = snapshot.changes(Revision::new(first - 1), PageLimit::rows(10_000), false);
    assert_eq!(found.unwrap().events[0].revision.get(), first);
    assert_eq!(reported(&snapshot, dropped - 1), Ok(vec![dropped]));
}

#[test]
fn changes_removed_by_a_drop_are_not_trimmed_again() {
    let database = TestDb::memory().open(Options {
        history_changes: 50,
        ..Options::default()
    });
    fill(&database, "ns", 40);
    fill(&database, "other", 1_100);
    let dropped = drop_namespace(&database, "ns").revision.get();
    sweep_all(&database, 100);
    for _ in 0..20 {
        fill(&database, "ns", 1);
    }
    let all = (dropped..=dropped + 20).collect();
    assert_eq!(
        reported(&snapshot_of(&database, "ns"), dropped - 1),
        Ok(all)
    );
}
