//! A dropped namespace is empty at once, whenever its rows are removed.

use std::sync::Arc;

use akvs_core::engine::{Batch, Durability, Engine, KeyRange, Table};
use akvs_core::{
    Action, Code, Database, GarbageCollector, MemoryEngine, Op, Options, Representation, Result,
    Revision, Store, Ttl,
};

use crate::common::{TestDb, at, key, rows, store_named};

const KEYS: u64 = 50;

fn fill(store: &Store, value: &str) {
    for index in 0..KEYS {
        store
            .set(&key(index.to_string()), value.to_owned(), at(1))
            .expect("a set");
    }
}

fn drop_namespace(database: &Database, store: &Store) -> bool {
    let mut group = database.group();
    let existed = group.drop_namespace(store).expect("a drop");
    group.commit(Durability::Synced).expect("a commit");
    existed
}

fn assert_holds(store: &Store, value: Option<&str>) {
    for index in 0..KEYS {
        let found = store
            .find(index.to_string().as_bytes(), at(1))
            .expect("a read");
        let found = found.map(|entry| entry.value);
        assert_eq!(found.as_deref(), value.map(str::as_bytes), "{index}");
    }
}

/// Returns the rows of a namespace in all tables except the history, which outlives it; its id is the number of
/// namespaces created so far.
fn rows_of(test_db: &TestDb, id: u64) -> usize {
    let engine = test_db.engine();
    let id = id.to_be_bytes();
    let belongs = |table: Table, key: &[u8]| match table {
        Table::Catalogue => key[0] == 0 && key[1..] == id,
        Table::Data => key.starts_with(&id),
        Table::History => false,
        Table::Deadlines => key[8..].starts_with(&id),
        Table::Meta => key.starts_with(b"counts") && key.ends_with(&id),
    };
    let count = |table: Table| {
        let all = rows(&*engine, table);
        all.iter().filter(|(key, _)| belongs(table, key)).count()
    };
    Table::ALL.into_iter().map(count).sum()
}

#[test]
fn a_drop_is_visible_at_once() {
    for test_db in TestDb::each() {
        let database = test_db.open(Options::default());
        let store = store_named(&database, "gone");
        fill(&store, "old");
        assert_holds(&store, Some("old"));
        assert!(drop_namespace(&database, &store));
        assert!(store.is_dropped() && !store.exists());
        assert_holds(&store, None);
        assert!(database.namespaces(None, 10).expect("a page").is_empty());
        let refused = store
            .set(&key("k"), "v", at(2))
            .map_err(|error| error.code());
        assert_eq!(refused, Err(Code::Unavailable));
        let again = database
            .group()
            .drop_namespace(&store)
            .map_err(|error| error.code());
        assert_eq!(again, Err(Code::Unavailable));
    }
}

#[test]
fn dropping_a_missing_namespace_returns_false() {
    let database = crate::common::memory();
    assert!(!drop_namespace(&database, &store_named(&database, "never")));
    assert_eq!(database.revision(), Revision::ZERO);
}

#[test]
fn a_namespace_created_again_is_empty_and_its_revisions_continue() {
    for test_db in TestDb::each() {
        let database = test_db.open(Options::default());
        let (store, other) = (
            store_named(&database, "again"),
            store_named(&database, "other"),
        );
        fill(&store, "old");
        fill(&other, "untouched");
        let before = database.revision();
        drop_namespace(&database, &store);
        let store = store_named(&database, "again");
        assert_eq!(store.counts().keys, 0);
        assert_holds(&store, None);
        let outcome = store.set(&key("new"), "new", at(2)).expect("a set");
        assert!(outcome.revision > Some(before) && !outcome.existed);
        assert_holds(&store, None);
        assert_eq!(store.counts().keys, 1);
        assert_holds(&other, Some("untouched"));
    }
}

#[test]
fn a_namespace_can_be_dropped_with_changes_of_the_same_group() {
    for test_db in TestDb::each() {
        let database = test_db.open(Options::default());
        let store = store_named(&database, "gone");
        fill(&store, "old");
        let mut group = database.group();
        group
            .apply(&store, &key("late"), Op::set("v"), at(2))
            .expect("a change");
        assert!(group.drop_namespace(&store).expect("a drop"));
        let refused = group.apply(&store, &key("later"), Op::set("v"), at(2));
        assert_eq!(
            refused.map_err(|error| error.code()),
            Err(Code::Unavailable)
        );
        let committed = group.commit(Durability::Synced).expect("a commit");
        assert_eq!(
            committed.revision,
            Revision::new(KEYS + 2),
            "a returned revision is never used again, and the drop has one"
        );
        let mut sweep = GarbageCollector::default();
        while sweep.step(&database, 1_000).expect("a step") {}
        drop((store, database));
        assert_eq!(rows_of(&test_db, 1), 0);
    }
}

#[test]
fn an_uncommitted_drop_has_no_effect() {
    let database = crate::common::memory();
    let store = store_named(&database, "kept");
    fill(&store, "old");
    assert!(database.group().drop_namespace(&store).expect("a drop"));
    assert_holds(&store, Some("old"));
    store.set(&key("k"), "v", at(2)).expect("a set");
}

#[test]
fn an_interrupted_sweep_leaves_no_row() {
    for test_db in TestDb::each() {
        let database = test_db.open(Options::default());
        let (store, other) = (
            store_named(&database, "swept"),
            store_named(&database, "other"),
        );
        fill(&store, "old");
        fill(&store, "newer");
        fill(&other, "untouched");
        drop_namespace(&database, &store);
        fill(&store_named(&database, "swept"), "new");
        drop((store, other, database));

        // Each round is a process of its own, which ends during the sweep.
        let (mut steps, mut before) = (0, rows_of(&test_db, 1));
        assert_eq!(before, 1 + KEYS as usize, "the drop and the values");
        loop {
            let database = test_db.open(Options::default());
            let mut sweep = GarbageCollector::default();
            let more = (0..3).any(|_| !sweep.step(&database, 3).expect("a step"));
            assert_holds(&store_named(&database, "swept"), Some("new"));
            assert_holds(&store_named(&database, "other"), Some("untouched"));
            drop(database);
            steps += 1;
            let left = rows_of(&test_db, 1);
            assert!(
                left <= before && steps < 100,
                "{left} rows in round {steps}"
            );
            before = left;
            if more {
                break;
            }
        }
        assert!(steps > 5, "{steps} rounds");
        assert_eq!(rows_of(&test_db, 1), 0);
        assert_eq!(rows_of(&test_db, 2), 1 + KEYS as usize, "counts, values");
        assert_eq!(rows_of(&test_db, 3), 1 + KEYS as usize);
    }
}

#[test]
fn all_dropped_namespaces_are_swept() {
    let test_db = TestDb::memory();
    let database = test_db.open(Options::default());
    for name in ["a", "b", "c"] {
        let store = store_named(&database, name);
        fill(&store, "old");
        drop_namespace(&database, &store);
    }
    let mut sweep = GarbageCollector::default();
    while sweep.step(&database, 7).expect("a step") {}
    let left: Vec<usize> = (1..=3).map(|id| rows_of(&test_db, id)).collect();
    assert_eq!(left, [0, 0, 0]);
    assert!(!sweep.step(&database, 7).expect("a step"));
}

/// Returns the size of the tables' files. The log is stored next to them, and preallocated.
fn table_bytes(test_db: &TestDb) -> usize {
    let TestDb::Disk(folder) = test_db else {
        return 0;
    };
    let store = folder.path().join("store");
    let files = crate::common::listing(&store).into_iter();
    let files = files.filter(|(path, _)| !path.starts_with(store.join("log")));
    files.filter_map(|(_, bytes)| Some(bytes?.len())).sum()
}

#[test]
fn the_space_of_a_dropped_namespace_is_freed() {
    let test_db = TestDb::disk();
    // The history stays.
    let database = test_db.open(Options {
        history_changes: 1_000,
        ..Options::default()
    });
    let (store, other) = (
        store_named(&database, "large"),
        store_named(&database, "other"),
    );
    fill(&other, "untouched");
    let mut noise = 1_u64;
    for _ in 0..30 {
        let mut group = database.group();
        for number in 0..1_000 {
            // Bytes that cannot be compressed, each under a key of its own.
            let value: Vec<u8> = (0..1_000)
                .map(|_| {
                    noise = noise
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    (noise >> 56) as u8
                })
                .collect();
            let key = key(format!("{number} {}", database.revision()));
            group
                .apply(&store, &key, Op::set(value), at(1))
                .expect("a set");
        }
        group.commit(Durability::Buffered).expect("a commit");
    }
    let full = table_bytes(&test_db);
    drop_namespace(&database, &store);
    let mut sweep = GarbageCollector::default();
    while sweep.step(&database, 500).expect("a step") {}
    crate::common::reclaim(&database);
    // Obsolete files are deleted in the background.
    let is_given_back = || table_bytes(&test_db) < full / 4;
    let tries = (0..10_000).take_while(|_| !is_given_back());
    tries.for_each(|_| std::thread::sleep(std::time::Duration::from_millis(1)));
    let left = table_bytes(&test_db);
    assert!(left < full / 4, "{left} of {full} bytes are left");
    assert_holds(&other, Some("untouched"));
}

#[test]
fn many_small_namespaces_share_the_steps_that_sweep_them() {
    const NAMESPACES: usize = 300;
    for test_db in TestDb::each() {
        let database = test_db.open(Options::default());
        let stores: Vec<Store> = (0..NAMESPACES)
            .map(|number| store_named(&database, &format!("n{number}")))
            .collect();
        let mut group = database.group();
        for store in &stores {
            group.apply(store, &key("k"), Op::set("v"), at(1)).unwrap();
        }
        group.commit(Durability::Buffered).expect("a commit");
        let kept = store_named(&database, "kept");
        fill(&kept, "kept");
        for store in &stores {
            drop_namespace(&database, store);
        }
        let mut sweep = GarbageCollector::default();
        let mut steps = 0;
        while sweep.step(&database, 1_000).expect("a step") {
            steps += 1;
        }
        assert!(steps < 10, "{steps} steps for {NAMESPACES} namespaces");
        assert_holds(&kept, Some("kept"));
        let mut found = Vec::new();
        database
            .verify(&mut |finding| found.push(finding.to_string()), &mut |_| ())
            .expect("a check");
        assert_eq!(found, [""; 0]);
        drop((kept, stores, database));
        for id in [1, 2, NAMESPACES as u64] {
            assert_eq!(rows_of(&test_db, id), 0, "of the namespace {id}");
        }
    }
}

#[test]
fn sweeping_a_large_namespace_removes_only_its_rows() {
    for test_db in TestDb::each() {
        let database = test_db.open(Options::default());
        let (before, large) = (store_named(&database, "a"), store_named(&database, "large"));
        fill(&before, "before");
        let action = |number: u64| Action::Set {
            value: vec![number as u8; 2_000].into(),
            representation: Representation::default(),
            ttl: Ttl::Millis(1_000_000 + number),
        };
        for round in 0..4 {
            let mut group = database.group();
            for number in 0..1_000 {
                let key = key(format!("{round}-{number}"));
                group
                    .apply(&large, &key, action(number).into(), at(1))
                    .unwrap();
            }
            group.commit(Durability::Buffered).expect("a commit");
        }
        let after = store_named(&database, "z");
        fill(&after, "after");
        // Whole files then contain only rows of this namespace.
        crate::common::reclaim(&database);
        let snapshot = database.namespace_snapshot(large.name()).unwrap();
        drop_namespace(&database, &large);
        let mut sweep = GarbageCollector::default();
        while sweep.step(&database, 1_000).expect("a step") {}
        assert_holds(&before, Some("before"));
        assert_holds(&after, Some("after"));
        assert_eq!(snapshot.info().unwrap().counts.keys, 4_000);
        drop(snapshot);
        drop((before, large, after, database));
        // The deadlines of rows that were discarded unread are removed, too, and no row returns from the log.
        assert_eq!(rows_of(&test_db, 2), 0);
        assert_eq!(rows(&*test_db.engine(), Table::Deadlines), []);
        let database = test_db.open(Options::default());
        assert_holds(&store_named(&database, "z"), Some("after"));
    }
}

/// An engine that discards all rows of a range at once, as if they were alone in their files.
struct Discarding {
    inner: MemoryEngine,
}

impl Engine for Discarding {
    fn discard(&self, table: Table, range: &KeyRange) -> Result<bool> {
        let mut batch = Batch::default();
        for (key, _) in rows(&self.inner, table) {
            let is_in = key >= range.start && range.end.as_ref().is_none_or(|end| key < *end);
            if is_in {
                batch.remove(table, key);
            }
        }
        self.inner.commit(batch, Durability::Synced)?;
        Ok(true)
    }

    akvs_core::forward_engine!(inner: get, page, snapshot, commit, sync, watermark, raise_watermark, stored_bytes, capabilities);
}

/// Entries are discarded as whole files, unread, and with them the references to their values and deadlines.
#[test]
fn an_interrupted_sweep_of_a_large_namespace_leaves_no_row() {
    const ROWS: u64 = 600;
    let homes = TestDb::each();
    let discarding: Arc<dyn Engine> = Arc::new(Discarding {
        inner: MemoryEngine::new(),
    });
    let engines: [&dyn Fn() -> Arc<dyn Engine>; 3] =
        [&|| Arc::clone(&discarding), &|| homes[0].engine(), &|| {
            homes[1].engine()
        }];
    for engine in engines {
        let open = || Database::open(engine(), Options::default()).expect("a database");
        let database = open();
        let (large, other) = (
            store_named(&database, "large"),
            store_named(&database, "other"),
        );
        fill(&other, "untouched");
        let mut group = database.group();
        for number in 0..ROWS {
            let action = Action::Set {
                // Values of both kinds: in the rows of their entries, and separated.
                value: vec![7; if number % 2 == 0 { 5_000 } else { 50 }].into(),
                representation: Representation::default(),
                ttl: Ttl::Millis(1_000_000 + number),
            };
            group
                .apply(&large, &key(number.to_string()), action.into(), at(1))
                .unwrap();
        }
        group.commit(Durability::Buffered).expect("a commit");
        // Whole files then contain only rows of this namespace.
        crate::common::reclaim(&database);
        drop_namespace(&database, &large);
        drop((large, other, database));
        let mut rounds = 0;
        loop {
            // Each round is a process of its own, which ends once it has removed some rows.
            rounds += 1;
            assert!(rounds < 100, "the sweep does not end");
            if sweep_some(&open()) {
                break;
            }
        }
        let database = open();
        assert_holds(&store_named(&database, "other"), Some("untouched"));
        drop(database);
        let engine = engine();
        let left = rows(&*engine, Table::Data).len();
        assert_eq!(left, KEYS as usize, "only the values of the other");
        assert_eq!(rows(&*engine, Table::Deadlines), []);
        assert_eq!(swept_names(&*engine), 0);
        assert!(rounds > 2, "{rounds} rounds");
    }
}

/// Sweeps until some rows are removed, and returns whether nothing is left.
fn sweep_some(database: &Database) -> bool {
    let mut sweep = GarbageCollector::default();
    loop {
        if !sweep.step(database, 50).expect("a step") {
            return true;
        }
        if sweep.take_removed_bytes() > 0 {
            return false;
        }
        // The engine discards files in the background.
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

/// Returns the number of namespaces to sweep.
fn swept_names(engine: &dyn Engine) -> usize {
    let all = rows(engine, Table::Catalogue);
    all.iter().filter(|(key, _)| key[0] == 0).count()
}
