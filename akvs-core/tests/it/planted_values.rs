//! A client's value is never parsed as a commit: whatever it contains, a torn tail is truncated, and the start
//! succeeds.

use std::fs;
use std::path::Path;

use akvs_core::{DiskEngine, DiskOptions, Revision};

use crate::common::{at, disk, key, newest_segment, records, store_named};

/// Stores this many keys, and ends like a process that is killed.
fn fill(folder: &Path, keys: usize) {
    let database = disk(folder);
    let store = store_named(&database, "ns");
    for number in 0..keys {
        let set = store.set(&key(number.to_string()), "a value", at(1));
        set.expect("a set");
    }
}

/// Stores a value last, tears its commit, and asserts that the store starts. The value is made once the store is open.
fn assert_starts(folder: &Path, value: impl FnOnce() -> Vec<u8>, torn: usize) {
    let newest = {
        let database = disk(folder);
        let store = store_named(&database, "ns");
        store.set(&key("before"), "a value", at(2)).expect("a set");
        let newest = database.revision();
        let set = store.set(&key("planted"), value(), at(2));
        set.expect("a set");
        newest
    };
    let (path, mut bytes) = newest_segment(folder);
    let last = records(&bytes).pop().expect("a record");
    assert!(last.len() > torn);
    bytes[last.end - torn..last.end].fill(0);
    fs::write(path, bytes).expect("a segment");
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

/// Returns the newest segment of a log up to its last record.
fn written(folder: &Path) -> Vec<u8> {
    let (_, mut bytes) = newest_segment(folder);
    let last = records(&bytes).pop().expect("a record");
    bytes.truncate(last.end);
    bytes
}

#[test]
fn a_value_with_a_part_of_another_log_is_not_a_commit() {
    let other = tempfile::tempdir().expect("a folder");
    fill(other.path(), 40);
    let theirs = written(other.path());
    for length in [437, 2_000, theirs.len()] {
        let folder = tempfile::tempdir().expect("a folder");
        fill(folder.path(), 3);
        let piece = theirs[theirs.len() - length..].to_vec();
        assert_starts(folder.path(), || piece, 20);
    }
}

#[test]
fn a_value_with_a_part_of_the_same_log_is_not_a_commit() {
    let folder = tempfile::tempdir().expect("a folder");
    fill(folder.path(), 20);
    let ours = written(folder.path());
    assert_starts(folder.path(), || ours[ours.len() - 437..].to_vec(), 20);
    assert_starts(folder.path(), || ours, 20);
}

/// The value is in the segment that it repeats, also at the offset within a page where a record began.
#[test]
fn a_value_with_a_part_of_the_same_segment_is_not_a_commit() {
    for shift in 0..16 {
        let folder = tempfile::tempdir().expect("a folder");
        fill(folder.path(), 3);
        let part = || {
            let ours = written(folder.path());
            [vec![0; shift], ours[4_096..].to_vec(), ours].concat()
        };
        assert_starts(folder.path(), part, 20);
    }
}

/// Each offset looks like the beginning of a commit that is as long as the rest.
#[test]
fn values_that_look_like_commits_at_every_offset_do_not_delay_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    fill(folder.path(), 3);
    let mut number = 0x9e37_79b9_7f4a_7c15_u64;
    let mut value = Vec::new();
    while value.len() < 8 << 20 {
        number ^= number << 13;
        number ^= number >> 7;
        number ^= number << 17;
        // Checksums, the length and flags, and then small numbers of commits.
        value.extend(number.to_le_bytes());
        value.extend((4_u64 << 20).to_le_bytes());
        value.extend((5 + value.len() as u64 / 100).to_le_bytes());
    }
    assert_starts(folder.path(), || value, 20);
}

#[test]
fn a_segment_of_another_store_is_refused() {
    let (one, other) = (tempfile::tempdir(), tempfile::tempdir());
    let (one, other) = (one.expect("a folder"), other.expect("a folder"));
    fill(one.path(), 3);
    disk(one.path()).close().expect("a close");
    fill(other.path(), 9);
    let (theirs, ours) = (newest_segment(other.path()), newest_segment(one.path()));
    fs::copy(theirs.0, ours.0).expect("a copy");
    let opened = DiskEngine::open(&DiskOptions::new(one.path()));
    let error = opened.map(drop).expect_err("it was opened").to_string();
    assert!(error.contains("is of another store"), "{error}");
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
