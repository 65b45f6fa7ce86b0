//! A backup restores every row of every table at one revision, whatever is written meanwhile, and damage to its file is
//! detected.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use akvs_core::engine::{Durability, Engine, PageLimit};
use akvs_core::{
    BackupError, Database, DiskEngine, DiskOptions, MemoryEngine, Namespace, Op, Options, Progress,
    ROWS_FORMAT, Revision, restore, verify_backup,
};
use bytes::Bytes;
use proptest::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use crate::common::{NOW, TestDb, at, disk_engine, key, store_named};
use crate::sample_data::{Prng, all_rows, backup, kept_rows, write};

fn options(folder: &std::path::Path) -> DiskOptions {
    DiskOptions {
        memtable_bytes: 256 << 10,
        ..DiskOptions::new(folder)
    }
}

fn restored(file: &[u8]) -> (tempfile::TempDir, Arc<dyn Engine>) {
    let folder = tempfile::tempdir().expect("a folder");
    restore(file, &options(folder.path()), at(NOW), &mut |_| ()).expect("a restore");
    let engine = disk_engine(folder.path());
    (folder, engine)
}

fn open(engine: &Arc<dyn Engine>) -> Database {
    Database::open(Arc::clone(engine), Options::default()).expect("a database")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn every_row_is_restored(seed in 1_u64.., groups in 0_u64..120) {
        for test_db in TestDb::each() {
            let engine = test_db.engine();
            write(&open(&engine), &mut Prng(seed), groups, Durability::Buffered);
            let file = backup(&open(&engine));
            let (_folder, copy) = restored(&file);
            let rows = all_rows(&*engine);
            prop_assert_eq!(kept_rows(&*copy), kept_rows(&*engine));
            let summary = verify_backup(&file[..], &mut |_| ()).unwrap();
            let database = open(&engine);
            prop_assert_eq!(summary.rows, rows.len() as u64);
            prop_assert_eq!(summary.revision, database.revision());
            prop_assert_eq!(summary.file_bytes, file.len() as u64);
            prop_assert_eq!(summary.keys, database.storage_stats(0).unwrap().counts.keys);
            prop_assert_eq!(summary.namespaces, database.storage_stats(0).unwrap().namespaces);
        }
    }
}

#[test]
fn a_restored_store_continues_after_the_backup() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let database = open(&engine);
    write(&database, &mut Prng(5), 200, Durability::Buffered);
    let (before, namespaces) = (
        database.revision(),
        database.storage_stats(0).unwrap().namespaces,
    );
    let (folder, engine) = restored(&backup(&database));
    let written = {
        let database = open(&engine);
        assert!(database.revision() > before);
        // The last change may be a drop, and the dropped namespace is not purged.
        let store = store_named(&database, "new");
        let outcome = store.set(&key("k"), "v", at(2_000)).unwrap();
        assert!(outcome.revision > Some(before));
        write(&database, &mut Prng(6), 50, Durability::Synced);
        database.close().unwrap();
        all_rows(&*engine)
    };
    drop(engine);
    let engine = disk_engine(folder.path());
    assert_eq!(all_rows(&*engine), written);
    assert!(open(&engine).storage_stats(0).unwrap().namespaces > namespaces.saturating_sub(3));
}

#[test]
fn watchers_continue_after_a_restore() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let database = open(&engine);
    write(&database, &mut Prng(9), 150, Durability::Buffered);
    let (_folder, copy) = restored(&backup(&database));
    let copy = open(&copy);
    let mut reported = 0;
    for name in ["one", "two", "three"] {
        let changes = |database: &Database| {
            let snapshot = database
                .namespace_snapshot(&Namespace::new(name).unwrap())
                .unwrap();
            let since = Revision::new(snapshot.compacted_revision().get().max(20));
            let changes = snapshot
                .changes(since, PageLimit::rows(10_000), true)
                .unwrap();
            (
                snapshot.history(),
                format!("{:?}", changes.events),
                snapshot.compacted_revision(),
            )
        };
        assert!(changes(&copy) == changes(&database), "{name}");
        reported += changes(&database).1.len();
    }
    assert!(reported > 1_000, "few changes were reported");
}

#[test]
fn truncated_and_flipped_bytes_are_detected() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let database = open(&engine);
    let store = store_named(&database, "ns");
    for number in 0..20 {
        let name = key(format!("key {number}"));
        store.set(&name, format!("value {number}"), at(1)).unwrap();
    }
    let file = backup(&database);
    let check = |file: &[u8]| verify_backup(file, &mut |_| ());
    check(&file).unwrap();
    for length in 0..file.len() {
        let error = check(&file[..length]).unwrap_err();
        assert!(
            matches!(error, BackupError::Truncated(at) if at == length as u64),
            "{length}: {error}"
        );
    }
    for at in 0..file.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = file.clone();
            damaged[at] ^= flip;
            let error = check(&damaged).expect_err("a damaged backup");
            assert!(!error.to_string().contains('\n'), "{error}");
        }
    }
    let longer = [&file[..], b"x"].concat();
    let error = check(&longer).unwrap_err().to_string();
    assert!(error.ends_with("trailing data after the end"), "{error}");
    // Complete blocks that are missing or repeated have their checksums, but the checksum of the file differs.
    let empty = backup(&open(&(Arc::new(MemoryEngine::new()) as Arc<dyn Engine>)));
    let end = file.len() - 97;
    let joined = [&empty[..empty.len() - 97], &file[end..]].concat();
    let error = check(&joined).unwrap_err().to_string();
    assert!(error.contains("does not match"), "{error}");
}

#[test]
fn a_file_that_is_not_a_backup_is_refused() {
    let check = |file: &[u8]| verify_backup(file, &mut |_| ()).unwrap_err().to_string();
    assert_eq!(check(b"not a backup"), "the file is not a backup of AKVS");
    let mut file = backup(&crate::common::memory());
    file[8] = 9;
    assert_eq!(
        check(&file),
        "the backup has format 9: this release reads format 1; restore it with the release that wrote it"
    );
    let mut newer = backup(&crate::common::memory());
    // The format of the rows, and the checksum of its header.
    newer[16] = 9;
    let end = 16 + usize::from(newer[12]);
    let checksum = xxh3_64(&newer[..end]).to_le_bytes();
    newer[end..end + 8].copy_from_slice(&checksum);
    assert_eq!(
        check(&newer),
        format!(
            "the backup has rows of format 9: this release reads format {ROWS_FORMAT}; restore it with the release that wrote it"
        )
    );
    let folder = tempfile::tempdir().unwrap();
    let refused = restore(&newer[..], &options(folder.path()), at(NOW), &mut |_| ()).unwrap_err();
    assert!(refused.to_string().contains("format 9"), "{refused}");
    assert!(crate::common::listing(folder.path()).is_empty());
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("read failed"))
        }
    }
    let failed = verify_backup((&file[..5]).chain(Failing), &mut |_| ()).unwrap_err();
    assert_eq!(
        failed.to_string(),
        "the backup cannot be read from byte 5: read failed"
    );
}

#[test]
fn a_backup_is_of_one_revision_and_blocks_no_writer() {
    for test_db in TestDb::each() {
        let engine = test_db.engine();
        let database = open(&engine);
        let store = store_named(&database, "ns");
        let commit = |text: &str| {
            let mut group = database.group();
            for name in 0..200 {
                let name = key(name.to_string());
                let value = text.repeat(200);
                group.apply(&store, &name, Op::set(value), at(1)).unwrap();
            }
            group.commit(Durability::Buffered).unwrap();
        };
        commit("0");
        let is_over = AtomicBool::new(false);
        let (revision, file, meanwhile) = thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let mut round = 0_u64;
                while !is_over.load(Ordering::Acquire) || round < 3 {
                    round += 1;
                    commit(&round.to_string());
                }
            });
            let mut backup = database.backup(at(1), "x").unwrap();
            let mut file = backup.next().unwrap().unwrap().to_vec();
            // The writer continues while the backup does not.
            let begun = database.revision().max(backup.revision());
            while database.revision() <= begun {
                thread::yield_now();
            }
            let (revision, meanwhile) = (backup.revision(), database.revision());
            for chunk in backup {
                file.extend_from_slice(&chunk.unwrap());
            }
            is_over.store(true, Ordering::Release);
            writer.join().unwrap();
            (revision, file, meanwhile)
        });
        assert!(revision < meanwhile);
        let (_folder, copy) = restored(&file);
        let copy = open(&copy);
        assert!(copy.revision() > meanwhile, "{revision}");
        let copy = store_named(&copy, "ns");
        let value = |name: u64| copy.get(&key(name.to_string()), at(1)).unwrap().value;
        assert!(
            (0..200).all(|name| value(name) == value(0)),
            "rows of different revisions"
        );
    }
}

#[test]
fn the_largest_values_are_backed_up_in_small_chunks() {
    const LARGE: usize = 16 << 20;
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let database = open(&engine);
    let store = store_named(&database, "ns");
    let mut noise = Vec::with_capacity(LARGE);
    let mut number = 1_u64;
    while noise.len() < LARGE {
        number = number.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        noise.extend_from_slice(&number.to_be_bytes());
    }
    for (name, value) in [
        ("noise", Bytes::from(noise)),
        ("same", vec![7; LARGE].into()),
    ] {
        store.set(&key(name), value, at(1)).unwrap();
    }
    let mut progress = Vec::new();
    let mut file = Vec::new();
    let mut backup = database.backup(at(1), "x").unwrap();
    while let Some(chunk) = backup.next() {
        let chunk = chunk.unwrap();
        assert!(chunk.len() <= 320 << 10, "{}", chunk.len());
        file.extend_from_slice(&chunk);
        progress.push(backup.progress());
    }
    assert!(progress.is_sorted_by_key(|progress| progress.bytes));
    assert!(file.len() > LARGE && file.len() < LARGE + (1 << 20));
    assert_eq!(progress.last().and_then(Progress::fraction), Some(1.0));
    let (_folder, copy) = restored(&file);
    assert_eq!(kept_rows(&*copy), kept_rows(&*engine));
}

/// A commit of many small values is one row of the history, which is longer than the check keeps of an entry.
#[test]
fn a_long_row_of_the_history_is_backed_up() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let database = open(&engine);
    let store = store_named(&database, "ns");
    let mut group = database.group();
    for number in 0..100 {
        let (name, set) = (key(number.to_string()), Op::set(vec![7; 1 << 10]));
        group.apply(&store, &name, set, at(1)).unwrap();
    }
    group.commit(Durability::Buffered).unwrap();
    let file = backup(&database);
    verify_backup(&file[..], &mut |_| ()).unwrap();
    let (_folder, copy) = restored(&file);
    assert_eq!(kept_rows(&*copy), kept_rows(&*engine));
}

#[test]
fn an_empty_store_can_be_backed_up_and_a_long_version_is_truncated() {
    let folder = tempfile::tempdir().unwrap();
    let engine = DiskEngine::open(&options(folder.path())).unwrap();
    let database = Database::open(Arc::new(engine), Options::default()).unwrap();
    let empty = database.backup(at(1), &"long ".repeat(1_000)).unwrap();
    let chunks: Vec<_> = empty.map(Result::unwrap).collect();
    let summary = verify_backup(&chunks.concat()[..], &mut |_| ()).unwrap();
    assert_eq!((summary.rows, summary.version.len()), (0, 256));
}
