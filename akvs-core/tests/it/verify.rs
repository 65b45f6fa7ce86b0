//! A check finds every byte of a data folder that differs from what was written, or reports that it does not check it;
//! and it finds rows that do not belong together.
//!
//! `AKVS_DAMAGE_STRIDE` flips bytes at this distance, instead of some in the larger files.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use akvs_core::engine::{Batch, Durability, Engine, Table};
use akvs_core::{
    Database, DiskEngine, DiskOptions, Finding, MemoryEngine, OpenError, Options, Verified,
    verify_folder,
};

use crate::common::{TestDb, at, key, listing, store_named};
use crate::sample_data::{Prng, all_rows, copy, write};

fn options(folder: &Path) -> DiskOptions {
    DiskOptions {
        memtable_bytes: 64 << 10,
        ..DiskOptions::new(folder)
    }
}

fn open(folder: &Path) -> Database {
    let engine = DiskEngine::open(&options(folder)).expect("an engine");
    Database::open(Arc::new(engine), Options::default()).expect("a database")
}

fn verify(folder: &Path) -> Result<(Verified, Vec<Finding>), OpenError> {
    let mut found = Vec::new();
    let verified = verify_folder(
        &options(folder),
        &mut |finding| found.push(finding),
        &mut |_| (),
    )?;
    assert_eq!(verified.findings, found.len() as u64);
    Ok((verified, found))
}

fn verify_live(database: &Database) -> Vec<String> {
    let mut found = Vec::new();
    let sink = &mut |finding: Finding| found.push(finding.to_string());
    database.verify(sink, &mut |_| ()).expect("a check");
    found
}

/// Returns a folder with files of every kind, and commits that only the log has.
fn filled_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let mut prng = Prng(11);
    for _ in 0..2 {
        let database = open(folder.path());
        write(&database, &mut prng, 150, Durability::Buffered);
        crate::common::reclaim(&database);
        write(&database, &mut prng, 25, Durability::Buffered);
        database.close().expect("a close");
    }
    folder
}

fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let all = listing(folder).into_iter();
    all.filter_map(|(path, bytes)| Some((path, bytes?)))
        .collect()
}

#[test]
fn an_intact_store_has_no_findings() {
    let folder = filled_folder();
    let (verified, found) = verify(folder.path()).unwrap();
    assert_eq!(found, []);
    assert!(verified.rows > 200 && verified.files > 10, "{verified:?}");
    let database = open(folder.path());
    assert_eq!(verify_live(&database), [""; 0]);
    assert!(matches!(verify(folder.path()), Err(OpenError::Locked(..))));
    drop(database);
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(verify(empty.path()), Err(OpenError::NoStore(_))));
    assert!(listing(empty.path()).is_empty());
    let missing = empty.path().join("none");
    assert!(verify(&missing).is_err() && !missing.exists());
}

/// The rows are far more than fit into the memtables of the check.
#[test]
fn a_check_changes_no_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = DiskEngine::open(&DiskOptions::new(folder.path())).expect("an engine");
    let database = Database::open(Arc::new(engine), Options::default()).expect("a database");
    write(&database, &mut Prng(12), 600, Durability::Synced);
    // As a process that is killed leaves it: without the end of a clean stop.
    drop(database);
    let before = listing(folder.path());
    for _ in 0..3 {
        let (verified, found) = verify(folder.path()).unwrap();
        assert_eq!(found, []);
        assert!(verified.rows > 600, "{verified:?}");
        assert!(listing(folder.path()) == before);
    }
}

/// Returns the bytes of a file to flip.
fn places(length: usize) -> Vec<usize> {
    let stride = std::env::var("AKVS_DAMAGE_STRIDE").ok();
    let stride = stride.and_then(|text| text.parse().ok());
    let (stride, end) = match stride {
        Some(stride) => (stride, 64),
        None => (97.max(length / 10), 12),
    };
    let ends = (0..length).filter(|at| *at < end || at + end >= length);
    let mut places: Vec<usize> = (0..length).step_by(stride).chain(ends).collect();
    places.sort_unstable();
    places.dedup();
    places
}

/// Returns whether a flipped byte is found, or is in an unchecked part.
fn is_detected(folder: &Path, name: &Path, place: u64) -> Option<bool> {
    let Ok((verified, found)) = verify(folder) else {
        return Some(true);
    };
    if !found.is_empty() {
        return Some(true);
    }
    let left_out = verified.unchecked.iter().any(|part| {
        name.starts_with(&part.path)
            && place >= part.start
            && part.end.is_none_or(|end| place < end)
    });
    left_out.then_some(false)
}

#[test]
fn a_flipped_byte_is_found_anywhere() {
    let folder = filled_folder();
    fs::write(folder.path().join("tokens.toml"), "theirs").unwrap();
    let (mut flips, mut found, mut left_out) = (0, 0, 0);
    let scratch = tempfile::tempdir().unwrap();
    let fresh = |number: usize| {
        let folder_of = scratch.path().join(number.to_string());
        fs::create_dir(&folder_of).unwrap();
        copy(folder.path(), &folder_of);
        folder_of
    };
    let mut number = 0;
    let mut copied = fresh(number);
    for (path, bytes) in files(folder.path()) {
        let name = path.strip_prefix(folder.path()).unwrap();
        // The rest of a segment of the log is zeros.
        let used = bytes.iter().rposition(|byte| *byte != 0);
        let used = used.map_or(0, |last| (last + 200).min(bytes.len()));
        for place in places(used) {
            let flip = [0x01, 0x80, 0xff, 0x10][flips % 4];
            let mut damaged = bytes.clone();
            damaged[place] ^= flip;
            fs::write(copied.join(name), &damaged).unwrap();
            flips += 1;
            match is_detected(&copied, name, place as u64) {
                Some(true) => {
                    found += 1;
                    fs::write(copied.join(name), &bytes).unwrap();
                }
                noticed => {
                    assert!(
                        noticed.is_some(),
                        "{} byte {place} ^ {flip}",
                        name.display()
                    );
                    left_out += 1;
                    // The store was opened, and may have other files by now.
                    fs::remove_dir_all(&copied).unwrap();
                    number += 1;
                    copied = fresh(number);
                }
            }
        }
    }
    println!("{flips} flips: {found} found, {left_out} where nothing is checked");
    assert!(found > 500 && left_out * 10 < flips, "{found} of {flips}");
}

#[test]
fn a_missing_or_longer_file_is_found() {
    let folder = filled_folder();
    let unchecked = verify(folder.path()).unwrap().0.unchecked;
    for (path, bytes) in files(folder.path()) {
        let name = path.strip_prefix(folder.path()).unwrap();
        if bytes.is_empty()
            || unchecked
                .iter()
                .any(|part| part.end.is_none() && part.path == name)
        {
            continue;
        }
        let tried = |damage: &dyn Fn()| {
            damage();
            let noticed = verify(folder.path()).map_or(true, |(_, found)| !found.is_empty());
            assert!(noticed, "{}", name.display());
            fs::write(&path, &bytes).unwrap();
        };
        tried(&|| fs::remove_file(&path).unwrap());
        tried(&|| fs::write(&path, &bytes[..bytes.len() / 2]).unwrap());
        tried(&|| fs::write(&path, [&bytes[..], b"x"].concat()).unwrap());
    }
}

#[test]
fn a_store_is_checked_while_it_is_written_to() {
    let folder = filled_folder();
    let database = open(folder.path());
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut prng = Prng(17);
            let mut rounds = 0;
            while !is_over.load(Ordering::Acquire) {
                write(&database, &mut prng, 100, Durability::Buffered);
                crate::common::reclaim(&database);
                rounds += 1;
            }
            rounds
        });
        let found: Vec<String> = (0..12).flat_map(|_| verify_live(&database)).collect();
        is_over.store(true, Ordering::Release);
        assert!(writer.join().unwrap() > 0);
        assert_eq!(found, [""; 0]);
    });
    // Damage under a running engine is found, too.
    let is_table = |path: &Path| {
        path.parent()
            .is_some_and(|folder| folder.ends_with("data/blobs"))
    };
    // The engine may replace the damaged file before it is checked, so the test tries again.
    let damage_and_verify = || {
        let (path, mut bytes) = files(folder.path())
            .into_iter()
            .rfind(|(path, _)| is_table(path))
            .unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).unwrap();
        verify_live(&database).concat()
    };
    assert!((0..10).any(|_| damage_and_verify().contains("has a wrong checksum")));
}

/// Returns the findings in a database in memory whose rows `change` has changed.
fn tampered(change: impl FnOnce(&dyn Engine, &mut Batch)) -> Vec<String> {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let database = Database::open(Arc::clone(&engine), Options::default()).expect("a database");
    write(&database, &mut Prng(21), 300, Durability::Buffered);
    let store = store_named(&database, "zzz");
    for number in 0..3 {
        let name = key(format!("key {number}"));
        store.set(&name, "v", at(1)).expect("a set");
    }
    assert_eq!(verify_live(&database), [""; 0]);
    let mut batch = Batch::default();
    change(&*engine, &mut batch);
    engine.commit(batch, Durability::Synced).expect("a commit");
    verify_live(&database)
}

fn row(engine: &dyn Engine, table: Table, prefix: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut all = all_rows(engine).into_iter().rev();
    let found = all.find(|(of, key, _)| *of == table && key.starts_with(prefix));
    let (_, key, value) = found.expect("a row");
    (key.to_vec(), value.to_vec())
}

#[test]
fn rows_that_do_not_belong_together_are_found() {
    let removed = |table, prefix: &'static [u8]| {
        tampered(|engine, batch| batch.remove(table, row(engine, table, prefix).0)).join("\n")
    };
    let has = |found: String, text: &str| assert!(found.contains(text), "{text}: {found}");
    has(removed(Table::Deadlines, b""), "its deadline has no row");
    has(removed(Table::Data, b"\0"), "but its counts say");
    // Separated values come last.
    has(removed(Table::Data, b"\x80"), "its value is missing");
    has(
        removed(Table::History, b""),
        "changes, but its namespace counts",
    );
    has(removed(Table::Meta, b"counts"), "has no counts");
    has(
        removed(Table::Meta, b"revision"),
        "is higher than the newest revision",
    );
    has(removed(Table::Catalogue, b"zzz"), "unknown namespace id");
    let put = |table, key: &'static [u8], value: &'static [u8]| {
        tampered(|_, batch| batch.put(table, key, value)).join("\n")
    };
    has(
        put(Table::Data, b"\0\0\0\0\0\0\xff\0k", b""),
        "a stored value is damaged",
    );
    has(
        put(Table::Data, b"short", b""),
        "data row short: invalid key",
    );
    has(
        put(
            Table::History,
            b"\0\0\0\0\0\0\xff\0\0\0\0\0\0\0\0\x01\0\0",
            b"\x05k",
        ),
        "unknown history",
    );
    has(
        put(Table::Deadlines, b"x", b""),
        "a stored deadline is damaged",
    );
    has(put(Table::Meta, b"what", b""), "meta row what: unknown row");
    has(
        put(Table::Meta, b"dropped\0\0\0\0\0\0\0\x01", b"n"),
        "no namespace was dropped",
    );
    has(
        put(Table::Catalogue, b"new", b"\x07"),
        "a stored namespace is damaged",
    );
    let stale = tampered(|engine, batch| {
        let (mut key, value) = row(engine, Table::Deadlines, b"");
        key[7] ^= 1;
        batch.put(Table::Deadlines, key, value);
    });
    has(stale.join("\n"), "the key has another deadline or none");
}

#[test]
fn each_engine_is_intact_after_every_operation() {
    for seed in 1..6 {
        for test_db in TestDb::each() {
            let options = Options {
                history_changes: 40 * seed,
                ..Options::default()
            };
            let database = test_db.open(options);
            write(&database, &mut Prng(seed * 77), 400, Durability::Buffered);
            let mut expiry = akvs_core::ExpiryTask::default();
            let expired = expiry.step(&database, at(50_000), 30, Durability::Synced, false);
            expired.unwrap();
            let store = store_named(&database, "one");
            store.set(&key("last"), "v", at(60_000)).unwrap();
            assert_eq!(verify_live(&database), [""; 0], "{seed}");
        }
    }
}
