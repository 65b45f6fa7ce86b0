//! The history of a namespace keeps as many changes as configured, few more, and has correct counts.

use akvs_core::engine::{Durability, Table};
use akvs_core::{Database, Op, Options, Store};

use crate::common::{TestDb, at, change_count, key, rows, store_named};

const KEEP: u64 = 50;
const SLACK: u64 = KEEP / 8;

fn options(history_changes: u64) -> Options {
    Options {
        history_changes,
        ..Options::default()
    }
}

/// Commits this many changes as one group.
fn change(database: &Database, store: &Store, changes: u64) {
    let mut group = database.group();
    for index in 0..changes {
        let key = key((index % 70).to_string());
        group
            .apply(store, &key, Op::set("v"), at(1))
            .expect("a change");
    }
    group.commit(Durability::Buffered).expect("a commit");
}

fn stored_changes(test_db: &TestDb) -> u64 {
    let rows = rows(&*test_db.engine(), Table::History);
    rows.iter().map(change_count).sum::<usize>() as u64
}

#[test]
fn the_history_keeps_few_more_changes_than_configured() {
    for test_db in TestDb::each() {
        let mut total = 0;
        for round in 0..3 {
            let database = test_db.open(options(KEEP));
            let store = store_named(&database, "trimmed");
            for index in 0..400 {
                let changes = 1 + index % 7;
                change(&database, &store, changes);
                total += changes;
                let held = store.counts().history;
                assert!(held <= KEEP + SLACK + changes, "{held} in round {round}");
                assert!(
                    held >= KEEP.min(total),
                    "{held} of {total} in round {round}"
                );
            }
            let held = store.counts().history;
            drop((store, database));
            assert_eq!(stored_changes(&test_db), held, "round {round}");
        }
    }
}

#[test]
fn the_newest_changes_are_kept() {
    let test_db = TestDb::memory();
    let database = test_db.open(options(KEEP));
    let store = store_named(&database, "trimmed");
    for _ in 0..300 {
        change(&database, &store, 1);
    }
    let kept = rows(&*test_db.engine(), Table::History);
    let (first, last) = (300 + 1 - kept.len() as u64, 300_u64);
    let revisions: Vec<u64> = kept
        .iter()
        .map(|(key, _)| u64::from_be_bytes(key[8..16].try_into().expect("a revision")))
        .collect();
    assert_eq!(revisions, (first..=last).collect::<Vec<_>>());
}

#[test]
fn large_groups_do_not_outrun_the_trimming() {
    let database = TestDb::memory().open(options(KEEP));
    let store = store_named(&database, "trimmed");
    for _ in 0..10 {
        change(&database, &store, 5_000);
    }
    let held = store.counts().history;
    assert!(held <= KEEP + SLACK + 5_000, "{held}");
}

#[test]
fn a_reduced_history_is_trimmed_gradually() {
    let test_db = TestDb::memory();
    let database = test_db.open(options(10_000));
    change(&database, &store_named(&database, "trimmed"), 9_000);
    drop(database);
    let database = test_db.open(options(KEEP));
    let store = store_named(&database, "trimmed");
    for _ in 0..80 {
        // Changes nothing itself, but its group trims.
        store.del(&key("missing"), at(1)).expect("a delete");
        let held = store.counts().history;
        assert_eq!(stored_changes(&test_db), held);
        let stored = database.namespaces(None, 1).expect("a page")[0].counts;
        assert_eq!(
            stored,
            store.counts(),
            "the counts on disk are the counts in memory"
        );
    }
    assert!(store.counts().history <= KEEP + SLACK);
}

#[test]
fn other_namespaces_keep_their_history() {
    let test_db = TestDb::memory();
    let database = test_db.open(options(KEEP));
    let (one, other) = (store_named(&database, "a"), store_named(&database, "b"));
    change(&database, &other, 40);
    for _ in 0..300 {
        change(&database, &one, 3);
    }
    assert_eq!(other.counts().history, 40);
    assert_eq!(stored_changes(&test_db), 40 + one.counts().history);
}

#[test]
fn a_history_can_be_disabled() {
    for keep in [0, 1, u64::MAX] {
        let database = TestDb::memory().open(options(keep));
        let store = store_named(&database, "trimmed");
        for _ in 0..20 {
            change(&database, &store, 1);
        }
        let held = store.counts().history;
        assert!(held <= keep.saturating_add(2), "{held} of {keep}");
    }
}
