//! A data folder can be opened again as soon as its database is dropped, and after an interrupted start.

use std::fs;
use std::path::Path;

use akvs_core::engine::{Durability, PageLimit};
use akvs_core::{Code, DiskEngine, DiskOptions, EventKind, Namespace, Op, Revision};

use crate::common::{at, key, store};

fn set(folder: &Path, value: u64) -> Revision {
    let database = crate::common::disk(folder);
    let outcome = store(&database).set(&key("k"), value.to_string(), at(1));
    outcome.expect("a set").revision.expect("a revision")
}

#[test]
fn a_folder_can_be_opened_right_after_the_drop_of_its_database() {
    let folder = tempfile::tempdir().expect("a folder");
    for round in 1..=20 {
        assert_eq!(set(folder.path(), round), Revision::new(round));
    }
}

/// A segment of the log without commits is removed by the close. A commit into it would be lost.
#[test]
fn after_a_close_reads_succeed_and_commits_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    set(folder.path(), 1);
    let database = crate::common::disk(folder.path());
    let store = store(&database);
    database.close().expect("a close");
    let refused = store.set(&key("k"), "2", at(1)).expect_err("a refusal");
    assert_eq!(refused.code(), Code::Storage);
    assert_eq!(refused.message(), "the storage is closed");
    assert_eq!(store.get(&key("k"), at(1)).expect("an entry").value, "1");
    let segments = fs::read_dir(folder.path().join("store/log")).expect("a folder");
    let names = segments.map(|file| file.expect("a file").file_name());
    let is_segment = |name: &std::ffi::OsString| name.to_string_lossy().ends_with(".log");
    // The one with the first value.
    assert_eq!(names.filter(is_segment).count(), 1);
    drop((store, database));
    assert_eq!(set(folder.path(), 3), Revision::new(2));
}

#[test]
fn a_start_repeats_an_interrupted_creation_of_the_store() {
    let folder = tempfile::tempdir().expect("a folder");
    set(folder.path(), 1);
    let whole = |name: &str| folder.path().join(name);
    fs::remove_file(whole("akvs.format")).expect("a file");
    fs::rename(whole("store"), whole("store.new")).expect("a folder");
    fs::remove_file(whole("store.new").join("store.id")).expect("a file");
    assert_eq!(set(folder.path(), 1), Revision::new(1));
    assert!(!whole("store.new").exists() && whole("store").exists());
}

#[test]
fn a_start_completes_a_store_without_a_format() {
    let folder = tempfile::tempdir().expect("a folder");
    set(folder.path(), 1);
    crate::common::disk(folder.path()).close().expect("a close");
    let watermark = || fs::read(folder.path().join("akvs.watermark")).expect("a file");
    let before = watermark();
    fs::remove_file(folder.path().join("akvs.format")).expect("a file");
    assert_eq!(set(folder.path(), 2), Revision::new(2), "the data is kept");
    assert_eq!(watermark(), before, "the watermark is kept");
}

#[test]
fn a_folder_can_be_opened_after_a_refused_open() {
    let folder = tempfile::tempdir().expect("a folder");
    set(folder.path(), 1);
    let (id, moved) = (
        folder.path().join("store/store.id"),
        folder.path().join("akvs.moved"),
    );
    fs::rename(&id, &moved).expect("a file");
    for _ in 0..3 {
        assert!(DiskEngine::open(&DiskOptions::new(folder.path())).is_err());
    }
    fs::rename(&moved, &id).expect("a file");
    assert_eq!(set(folder.path(), 2), Revision::new(2));
}

#[test]
fn missing_parent_folders_are_created() {
    let around = tempfile::tempdir().expect("a folder");
    let folder = around.path().join("a/b/c");
    assert_eq!(set(&folder, 1), Revision::new(1));
    assert_eq!(set(&folder, 2), Revision::new(2));
}

#[test]
fn the_log_has_a_value_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = crate::common::disk(folder.path());
    let kept = store(&database);
    let value = |number: u8| format!("value {number} ").repeat(60);
    let mut group = database.group();
    // The first value of the first key is replaced in the same commit.
    for (name, number) in [("a", 1), ("b", 2), ("a", 3), ("c", 4)] {
        let op = Op::set(value(number));
        group.apply(&kept, &key(name), op, at(1)).expect("a set");
    }
    group.commit(Durability::Synced).expect("a commit");
    let (_, log) = crate::common::newest_segment(folder.path());
    for number in 1..=4 {
        let value = value(number);
        let windows = log.windows(value.len());
        let times = windows.filter(|found| *found == value.as_bytes()).count();
        assert_eq!(times, 1, "{number}");
    }
    drop((kept, database));
    let database = crate::common::disk(folder.path());
    let name = Namespace::new("test").expect("a name");
    let snapshot = database.namespace_snapshot(&name).expect("a snapshot");
    let page = snapshot.changes(Revision::ZERO, PageLimit::rows(10), true);
    let events = page.expect("the changes").events;
    let values = events.iter().map(|event| {
        let EventKind::Set { entry, .. } = &event.kind else {
            panic!("{event:?}")
        };
        entry.value.clone()
    });
    assert_eq!(values.collect::<Vec<_>>(), [1, 2, 3, 4].map(value));
    let kept = store(&database);
    for (name, number) in [("a", 3), ("b", 2), ("c", 4)] {
        let found = kept.get(&key(name), at(1)).expect("a value").value;
        assert_eq!(found, value(number));
    }
}
