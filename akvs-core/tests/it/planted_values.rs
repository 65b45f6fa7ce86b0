//! A client's value is never parsed as a commit: whatever it contains, a torn tail is truncated, and the start
//! succeeds.

use std::fs;
use std::path::{Path, PathBuf};

use akvs_core::{DiskEngine, DiskOptions, Revision};

use crate::common::{at, disk, key, store_named};

fn journal(folder: &Path) -> PathBuf {
    folder.join("store/0.jnl")
}

/// Returns the content of the journal, without the preallocated space after it.
fn written(folder: &Path) -> Vec<u8> {
    let mut bytes = fs::read(journal(folder)).expect("a journal");
    let last = bytes.iter().rposition(|byte| *byte != 0);
    bytes.truncate(last.expect("a commit") + 1);
    bytes
}

/// Stores this many keys, and ends like a process that is killed.
fn fill(folder: &Path, keys: usize) {
    let database = disk(folder);
    let store = store_named(&database, "ns");
    for number in 0..keys {
        let set = store.set(&key(number.to_string()), "a value", at(1));
        set.expect("a set");
    }
}

/// Stores a value last, tears its commit, and asserts that the store starts.
fn assert_starts(folder: &Path, value: Vec<u8>, torn: usize) {
    let (before, newest) = {
        let database = disk(folder);
        let (before, newest) = (written(folder).len(), database.revision());
        let set = store_named(&database, "ns").set(&key("planted"), value, at(2));
        set.expect("a set");
        (before, newest)
    };
    let bytes = written(folder);
    assert!(bytes.len() > before + torn);
    fs::write(journal(folder), &bytes[..bytes.len() - torn]).expect("a journal");
    let database = disk(folder);
    assert_eq!(
        database.revision(),
        newest,
        "the torn commit is missing completely"
    );
    let store = store_named(&database, "ns");
    assert!(store.find(b"planted", at(2)).expect("a read").is_none());
    assert_eq!(
        store.get(&key("0"), at(2)).expect("a value").value,
        "a value"
    );
    let next = store.set(&key("next"), "value", at(2)).expect("a set");
    assert_eq!(next.revision, Some(newest.next()));
    drop((store, database));
    assert_eq!(disk(folder).revision(), newest.next());
}

#[test]
fn a_value_with_a_part_of_another_journal_is_not_a_commit() {
    let other = tempfile::tempdir().expect("a folder");
    fill(other.path(), 40);
    let theirs = written(other.path());
    for length in [437, 2_000, theirs.len()] {
        let folder = tempfile::tempdir().expect("a folder");
        fill(folder.path(), 3);
        let piece = theirs[theirs.len() - length..].to_vec();
        assert_starts(folder.path(), piece, 20);
    }
}

#[test]
fn a_value_with_a_part_of_the_same_journal_is_not_a_commit() {
    let folder = tempfile::tempdir().expect("a folder");
    fill(folder.path(), 20);
    let ours = written(folder.path());
    assert_starts(folder.path(), ours[ours.len() - 437..].to_vec(), 20);
    assert_starts(folder.path(), ours, 20);
}

/// Each offset looks like the beginning of a commit that is as long as the rest.
#[test]
fn values_that_look_like_commits_at_every_offset_do_not_delay_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    fill(folder.path(), 3);
    // The values differ, because the engine compresses its journal.
    let mut number = 0x9e37_79b9_7f4a_7c15_u64;
    let mut value = Vec::new();
    while value.len() < 8 << 20 {
        number ^= number << 13;
        number ^= number >> 7;
        number ^= number << 17;
        value.extend([1, 0xff, 0xff, 0xff, 0xff]);
        value.extend(number.to_le_bytes());
        value.extend([2, 0, 0]);
        value.extend(number.rotate_left(29).to_le_bytes());
        value.extend([0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f]);
    }
    assert_starts(folder.path(), value, 20);
}

#[test]
fn a_journal_of_another_store_is_refused() {
    let (one, other) = (tempfile::tempdir(), tempfile::tempdir());
    let (one, other) = (one.expect("a folder"), other.expect("a folder"));
    fill(one.path(), 3);
    disk(one.path()).close().expect("a close");
    fill(other.path(), 9);
    fs::copy(journal(other.path()), journal(one.path())).expect("a copy");
    let opened = DiskEngine::open(&DiskOptions::new(one.path()));
    let error = opened.map(drop).expect_err("it was opened").to_string();
    assert!(
        error.contains("end before the last synced commit"),
        "{error}"
    );
    assert_eq!(disk(other.path()).revision(), Revision::new(9));
}

#[test]
fn a_store_without_its_id_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    fill(folder.path(), 3);
    let path = folder.path().join("store/store.id");
    let whole = fs::read(&path).expect("the identity");
    let refused = |how: &str| {
        let opened = DiskEngine::open(&DiskOptions::new(folder.path()));
        let error = opened.map(drop).expect_err("it was opened").to_string();
        assert!(error.contains(how), "{error}");
    };
    fs::write(&path, &whole[1..]).expect("a file");
    refused("the file store.id is damaged");
    fs::remove_file(&path).expect("a removal");
    refused("the file store.id is missing");
    fs::write(&path, whole).expect("a file");
    assert_eq!(disk(folder.path()).revision(), Revision::new(3));
}
