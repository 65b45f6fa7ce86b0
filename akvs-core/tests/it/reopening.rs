//! A folder is free as soon as its database is dropped, and an interrupted start is simply repeated.

use std::fs;
use std::path::Path;

use akvs_core::{DiskEngine, DiskOptions, Revision};

use crate::common::{at, key, store};

fn set(folder: &Path, value: u64) -> Revision {
    let database = crate::common::disk(folder);
    let outcome = store(&database).set(&key("k"), value.to_string(), at(1));
    outcome.expect("a set").revision.expect("a revision")
}

#[test]
fn repeatedly_right_after_the_drop() {
    let folder = tempfile::tempdir().expect("a folder");
    for round in 1..=20 {
        assert_eq!(set(folder.path(), round), Revision::new(round));
    }
}

#[test]
fn after_a_start_that_ended_before_the_store_was_created() {
    let folder = tempfile::tempdir().expect("a folder");
    set(folder.path(), 1);
    let whole = |name: &str| folder.path().join(name);
    fs::remove_file(whole("akvs.format")).expect("a file");
    fs::rename(whole("store"), whole("store.new")).expect("a folder");
    fs::remove_file(whole("store.new").join("version")).expect("a file");
    assert_eq!(set(folder.path(), 1), Revision::new(1));
    assert!(!whole("store.new").exists() && whole("store").exists());
}

#[test]
fn after_a_start_that_ended_before_the_format_was_written() {
    let folder = tempfile::tempdir().expect("a folder");
    set(folder.path(), 1);
    crate::common::disk(folder.path()).close().expect("a close");
    let watermark = || fs::read(folder.path().join("akvs.watermark")).expect("a file");
    let before = watermark();
    fs::remove_file(folder.path().join("akvs.format")).expect("a file");
    assert_eq!(
        set(folder.path(), 2),
        Revision::new(2),
        "what is there is kept"
    );
    assert_eq!(watermark(), before, "and so is what is known of it");
}

#[test]
fn after_a_refused_open() {
    let folder = tempfile::tempdir().expect("a folder");
    set(folder.path(), 1);
    let (version, aside) = (
        folder.path().join("store/version"),
        folder.path().join("akvs.aside"),
    );
    fs::rename(&version, &aside).expect("a file");
    for _ in 0..3 {
        assert!(DiskEngine::open(&DiskOptions::new(folder.path())).is_err());
    }
    fs::rename(&aside, &version).expect("a file");
    assert_eq!(set(folder.path(), 2), Revision::new(2));
}

#[test]
fn missing_parent_folders_are_created() {
    let around = tempfile::tempdir().expect("a folder");
    let folder = around.path().join("a/b/c");
    assert_eq!(set(&folder, 1), Revision::new(1));
    assert_eq!(set(&folder, 2), Revision::new(2));
}
