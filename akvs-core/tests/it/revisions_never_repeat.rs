//! No revision is ever assigned twice, however a store goes back in time: by a restore, by a power loss, or because its
//! engine is volatile. A client that has received lost changes does not continue in another history.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use akvs_core::engine::{Batch, Durability, Engine, PageLimit, Table};
use akvs_core::{
    Code, Database, DiskEngine, DiskOptions, MemoryEngine, Namespace, Op, Options, Result as Done,
    Revision, Timestamp, restore,
};

use crate::common::{NOW, at, disk, key, memory, newest_segment, records, store_named};
use crate::sample_data::backup;

/// Sets a key this many times, and returns the revisions.
fn set(database: &Database, times: u64, durability: Durability) -> Vec<u64> {
    let store = store_named(database, "ns");
    let one = |_| {
        let mut group = database.group();
        let set = group.apply(&store, &key("k"), Op::set("v"), at(1));
        group.commit(durability).expect("a commit");
        set.expect("a set").revision.expect("a revision").get()
    };
    (0..times).map(one).collect()
}

/// Returns the revisions of all changes after a revision, or the code of the error.
fn reported(database: &Database, after: u64) -> Result<Vec<u64>, Code> {
    let snapshot = database.namespace_snapshot(&Namespace::new("ns").expect("a name"));
    let page =
        snapshot
            .expect("a snapshot")
            .changes(Revision::new(after), PageLimit::rows(10_000), true);
    let page = page.map_err(|error| error.code())?;
    Ok(page
        .events
        .iter()
        .map(|event| event.revision.get())
        .collect())
}

fn restored(file: &[u8], folder: &Path, now: Timestamp) -> Database {
    let options = DiskOptions::new(folder);
    restore(file, &options, now, &mut |_| ()).expect("a restore");
    disk(folder)
}

#[test]
fn repeated_restores_of_a_backup_assign_no_revision_again() {
    // A correct clock, a clock that stands still far before the data, and none.
    for (first, step) in [(NOW, 10), (7, 0), (0, 0)] {
        let folders = tempfile::tempdir().expect("a folder");
        let database = disk(&folders.path().join("first"));
        let mut assigned: BTreeSet<u64> =
            set(&database, 5, Durability::Synced).into_iter().collect();
        assert_eq!(assigned.last(), Some(&5), "a new store begins at 1");
        let file = backup(&database);
        let lost = set(&database, 3, Durability::Synced);
        assert_eq!(lost, [6, 7, 8]);
        assigned.extend(lost);
        for round in 0..4 {
            let folder = folders.path().join(round.to_string());
            let database = restored(&file, &folder, at(first + round * step));
            let after = database.revision().get();
            // All revisions that were assigned after the backup belong to another history.
            for seen in assigned.iter().filter(|seen| **seen > 5) {
                assert_eq!(reported(&database, *seen), Err(Code::HistoryGone), "{seen}");
            }
            for unseen in [9, after - 1, after + 1, u64::MAX] {
                assert_eq!(
                    reported(&database, unseen),
                    Err(Code::HistoryGone),
                    "{unseen}"
                );
            }
            assert_eq!(reported(&database, after), Ok(vec![]));
            let new = set(&database, 4, Durability::Synced);
            for revision in &new {
                assert!(assigned.insert(*revision), "{revision} was assigned before");
            }
            assert!(*new.last().expect("one") < 1 << 53);
            let all: Vec<u64> = [4, 5].into_iter().chain(new.iter().copied()).collect();
            for since in 3..5 {
                assert_eq!(
                    reported(&database, since),
                    Ok(all[since as usize - 3..].to_vec())
                );
            }
            assert_eq!(
                reported(&database, 5),
                Ok(new.clone()),
                "a client with all changes of the backup"
            );
            assert_eq!(reported(&database, after), Ok(new.clone()));
            assert_eq!(reported(&database, 7), Err(Code::HistoryGone));
            database.close().expect("a close");
            drop(database);
            let database = disk(&folder);
            assert_eq!(
                reported(&database, 7),
                Err(Code::HistoryGone),
                "after another start"
            );
            assert_eq!(reported(&database, 5), Ok(new));
            assigned.extend(set(&database, 1, Durability::Synced));
        }
    }
}

#[test]
fn a_backup_of_a_restored_store_has_all_gaps() {
    let folders = tempfile::tempdir().expect("a folder");
    let database = disk(&folders.path().join("first"));
    set(&database, 5, Durability::Synced);
    let mut file = backup(&database);
    let mut ends = vec![(5, 0)];
    for round in 0..3 {
        let folder = folders.path().join(round.to_string());
        let database = restored(&file, &folder, at(NOW + round));
        let new = set(&database, 3, Durability::Synced);
        ends.push((new[2], new[0] - 1));
        file = backup(&database);
        for pair in ends.windows(2) {
            let ((last, _), (_, next)) = (pair[0], pair[1]);
            for gone in [last + 1, next - 1] {
                assert_eq!(reported(&database, gone), Err(Code::HistoryGone), "{gone}");
            }
            assert!(reported(&database, last).is_ok() && reported(&database, next).is_ok());
        }
    }
}

#[test]
fn a_volatile_engine_starts_at_the_clock() {
    let mut assigned = BTreeSet::new();
    for start in 0..3 {
        let options = Options {
            now: Some(at(NOW + start)),
            ..Options::default()
        };
        let database = Database::open(Arc::new(MemoryEngine::new()), options).expect("a database");
        for seen in &assigned {
            assert_eq!(reported(&database, *seen), Err(Code::HistoryGone), "{seen}");
        }
        assert_eq!(reported(&database, 1), Err(Code::HistoryGone));
        for revision in set(&database, 5, Durability::Synced) {
            assert!(revision >= (NOW + start) << 10, "{revision}");
            assert!(assigned.insert(revision));
        }
    }
    let database = memory();
    assert_eq!(
        set(&database, 1, Durability::Synced),
        [1],
        "without a clock"
    );
}

#[test]
fn revisions_lost_by_a_power_loss_are_not_assigned_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let database = disk(folder);
    set(&database, 3, Durability::Buffered);
    database.sync().expect("a sync");
    database
        .raise_watermark(database.revision())
        .expect("a watermark");
    let (path, synced) = newest_segment(folder);
    let lost = set(&database, 40, Durability::Buffered);
    assert_eq!(lost.last(), Some(&43));
    drop(database);
    // A power loss removes commits that were not synced.
    let written = records(&newest_segment(folder).1).len();
    assert!(written > records(&synced).len());
    fs::write(path, synced).expect("a segment");

    let database = disk(folder);
    for seen in lost {
        assert_eq!(reported(&database, seen), Err(Code::HistoryGone), "{seen}");
    }
    assert_eq!(reported(&database, 1), Ok(vec![2, 3]));
    let new = set(&database, 2, Durability::Synced);
    assert!(new[0] > 43, "{new:?}");
    assert_eq!(reported(&database, 2), Ok(vec![3, new[0], new[1]]));
    drop(database);
    let database = disk(folder);
    assert_eq!(database.revision().get(), new[1], "no commit was lost");
    assert_eq!(reported(&database, 20), Err(Code::HistoryGone));
}

/// An engine that lost commits and knows how far their revisions may have gone.
struct Reserving {
    inner: Arc<MemoryEngine>,
    reserved: u64,
}

impl Engine for Reserving {
    fn reserved(&self) -> Done<Revision> {
        Ok(Revision::new(self.reserved))
    }

    akvs_core::forward_engine!(inner: get, page, snapshot, commit, sync, watermark, raise_watermark, stored_bytes, capabilities);
}

#[test]
fn the_last_reserved_revision_is_skipped() {
    let inner = Arc::new(MemoryEngine::new());
    let open = |reserved| {
        let inner = Arc::clone(&inner);
        let engine = Arc::new(Reserving { inner, reserved });
        Database::open(engine, Options::default()).expect("a database")
    };
    set(&open(0), 3, Durability::Buffered);
    assert_eq!(
        open(3).revision().get(),
        3,
        "all reserved revisions are present"
    );
    for reserved in [43, 44] {
        let database = open(reserved);
        assert_eq!(reported(&database, 43), Err(Code::HistoryGone));
        assert_eq!(database.revision().get(), 44);
        assert_eq!(reported(&database, 44), Ok(vec![]));
    }
    let new = set(&open(44), 1, Durability::Buffered);
    assert_eq!(new, [45]);
    assert_eq!(reported(&open(44), 3), Ok(new));
    assert_eq!(
        open(Revision::MAX.get()).revision(),
        Revision::MAX,
        "no revision is left"
    );
}

#[test]
fn after_a_clean_stop_no_revision_is_skipped() {
    let folder = tempfile::tempdir().expect("a folder");
    for round in 0..3 {
        let database = disk(folder.path());
        let new = set(&database, 2, Durability::Buffered);
        assert_eq!(new, [2 * round + 1, 2 * round + 2]);
        database.close().expect("a close");
    }
    // No revision is skipped after a crash either if every commit was synced before its answer.
    for round in 3..5 {
        let database = disk(folder.path());
        let new = set(&database, 2, Durability::Synced);
        assert_eq!(new, [2 * round + 1, 2 * round + 2]);
    }
}

#[test]
fn a_killed_process_loses_nothing_and_its_history_continues() {
    let folder = tempfile::tempdir().expect("a folder");
    let old = set(&disk(folder.path()), 5, Durability::Buffered);
    let database = disk(folder.path());
    let new = set(&database, 1, Durability::Buffered);
    for since in 0..=5 {
        let all: Vec<u64> = old.iter().chain(&new).copied().collect();
        assert_eq!(
            reported(&database, since),
            Ok(all[since as usize..].to_vec())
        );
    }
}

#[test]
fn no_write_is_accepted_after_the_last_revision() {
    let engine = Arc::new(MemoryEngine::new());
    let mut batch = Batch::default();
    let newest = (Revision::MAX.get() - 2).to_le_bytes();
    batch.put(Table::Meta, &b"revision"[..], newest.to_vec());
    engine.commit(batch, Durability::Synced).expect("a commit");
    let shared: Arc<dyn Engine> = engine.clone();
    let database = Database::open(shared, Options::default()).expect("a database");
    assert_eq!(
        set(&database, 2, Durability::Synced).last(),
        Some(&((1 << 53) - 1))
    );
    let store = store_named(&database, "ns");
    let refused = store.set(&key("k"), "late", at(1)).expect_err("a set");
    assert_eq!(refused.code(), Code::Storage);
    assert!(
        refused.message().contains("the revisions are exhausted"),
        "{refused}"
    );
    assert_eq!(store.get(&key("k"), at(1)).expect("a value").value, "v");
    assert!(database.failure().is_none());
    let options = Options {
        now: Some(at(NOW)),
        ..Options::default()
    };
    let refused = Database::open(engine, options)
        .map(drop)
        .expect_err("a start");
    assert!(
        refused.message().contains("the revisions are exhausted"),
        "{refused}"
    );
}

#[test]
fn an_implausible_clock_is_ignored() {
    let folders = tempfile::tempdir().expect("a folder");
    let database = disk(&folders.path().join("first"));
    set(&database, 5, Durability::Synced);
    let file = backup(&database);
    for (name, now) in [("a", u64::MAX), ("b", 1 << 44), ("c", 1 << 43)] {
        let options = DiskOptions::new(folders.path().join(name));
        restore(&file[..], &options, at(now), &mut |_| ()).expect("a restore");
        let engine = DiskEngine::open(&options).expect("an engine");
        let database = Database::open(Arc::new(engine), Options::default()).expect("a database");
        let new = set(&database, 1, Durability::Synced);
        assert!(new[0] > 1 << 32 && new[0] < 1 << 53, "{now}: {new:?}");
    }
}
