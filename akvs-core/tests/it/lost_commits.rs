//! A store that lost commits is refused and left unchanged until its operator accepts the loss; after that the
//! remaining data is consistent, and no number is assigned twice.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use akvs_core::engine::{Durability, Table};
use akvs_core::{
    Action, Database, DiskEngine, DiskOptions, GarbageCollector, Op, OpenError, Options,
    Representation, Revision, Ttl, verify_backup,
};

use crate::common::{at, key, listing, log_segments, newest_segment, records, rows, store_named};
use crate::sample_data::backup;

const GROUPS: u64 = 120;

fn disk_options(folder: &Path, accept: bool) -> DiskOptions {
    DiskOptions {
        memtable_bytes: 12 << 10,
        accept_lost_commits: accept,
        ..DiskOptions::new(folder)
    }
}

fn open(folder: &Path, accept: bool) -> Result<Database, OpenError> {
    open_with(&disk_options(folder, accept))
}

fn open_with(disk: &DiskOptions) -> Result<Database, OpenError> {
    let engine = DiskEngine::open(disk)?;
    Ok(Database::open(Arc::new(engine), Options::default()).expect("a database"))
}

/// Writes a folder and ends like a process that is killed.
fn write(folder: &Path) -> Revision {
    write_with(&disk_options(folder, false))
}

fn write_with(disk: &DiskOptions) -> Revision {
    for _ in 0..2 {
        // Each open begins another segment of the log.
        let database = open_with(disk).expect("a database");
        let store = store_named(&database, "kept");
        for group in 0..GROUPS {
            let mut changes = database.group();
            for index in 0..5_u64 {
                let name = key(((group * 5 + index) % 97).to_string());
                let value = group.to_string().repeat(20);
                let op = Op::from(Action::Set {
                    value: value.into(),
                    representation: Representation::default(),
                    // Some keys have deadlines, which are in a table of their own.
                    ttl: match index {
                        0 => Ttl::Millis(1_000_000 + group),
                        _ => Ttl::Forever,
                    },
                });
                changes.apply(&store, &name, op, at(1)).expect("a change");
            }
            changes.commit(Durability::Synced).expect("a commit");
        }
    }
    open_with(disk).expect("a database").revision()
}

/// Replaces bytes of the newest segment by zeros.
fn clear(folder: &Path, place: impl FnOnce(&[Range<usize>]) -> Range<usize>) {
    let (path, mut bytes) = newest_segment(folder);
    let place = place(&records(&bytes));
    bytes[place].fill(0);
    fs::write(path, bytes).expect("a segment");
}

/// Removes all records of the log.
fn clear_all(folder: &Path) {
    for path in log_segments(folder) {
        let mut bytes = fs::read(&path).expect("a segment");
        bytes[4_096..].fill(0);
        fs::write(path, bytes).expect("a segment");
    }
}

/// Returns the text of the refusal, which changes only the lock file.
fn refusal(folder: &Path) -> String {
    let before = listing(folder);
    let Err(error) = open(folder, false) else {
        panic!("it was opened")
    };
    assert!(matches!(error, OpenError::Damaged(..)), "{error}");
    assert_eq!(listing(folder), before);
    error.to_string()
}

/// Opens with the loss accepted, and then normally.
fn accepted(folder: &Path, newest: Revision) {
    let revision = open(folder, true).expect("it is accepted").revision();
    assert!(revision > newest);
    let database = open(folder, false).expect("it is whole again");
    assert_consistent(&database, folder);
    assert_eq!(database.revision(), revision);
    let store = store_named(&database, "kept");
    let outcome = store.set(&key("new"), "new", at(2)).expect("a set");
    assert!(outcome.revision > Some(newest));
    drop((store, database));
    for _ in 0..2 {
        let database = open(folder, false).expect("it is whole again");
        let found = store_named(&database, "kept")
            .get(&key("new"), at(2))
            .expect("the value");
        assert_eq!(found.value, "new");
        assert_consistent(&database, folder);
    }
}

/// Checks that the counts match the rows, and every row has its namespace.
fn assert_consistent(database: &Database, folder: &Path) {
    assert!(folder.exists());
    let mut found = Vec::new();
    let verified = database.verify(&mut |finding| found.push(finding.to_string()), &mut |_| ());
    assert_eq!(
        (verified.expect("a check").findings, found),
        (0, Vec::new())
    );
    // A backup of it is consistent as well.
    let file = backup(database);
    verify_backup(&file[..], &mut |_| ()).expect("a good backup");
    let mut sweep = GarbageCollector::default();
    while sweep.step(database, 1_000).expect("a step") {}
    let all = database.namespaces(None, 100).expect("the namespaces");
    let sum = |count: fn(&akvs_core::Counts) -> u64| {
        all.iter().map(|info| count(&info.counts)).sum::<u64>()
    };
    let store = store_named(database, "kept");
    let names = (0..97_u64)
        .map(|number| number.to_string())
        .chain(["new".to_owned()]);
    let found: Vec<_> = names
        .filter_map(|name| {
            let entry = store.find(name.as_bytes(), at(2)).expect("a read")?;
            Some((name.len() + entry.value.len()) as u64)
        })
        .collect();
    assert_eq!(sum(|counts| counts.keys), found.len() as u64);
    assert_eq!(sum(|counts| counts.bytes), found.iter().sum::<u64>());
}

#[test]
fn a_gap_before_the_last_synced_commit_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let newest = write(folder.path());
    clear(folder.path(), |records| {
        let middle = records[records.len() / 2].start;
        middle..middle + 512
    });
    for _ in 0..2 {
        let text = refusal(folder.path());
        assert!(text.contains("cannot be read from byte"), "{text}");
    }
    accepted(folder.path(), newest);
}

#[test]
fn a_log_that_ends_before_the_watermark_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let newest = write(folder.path());
    open(folder.path(), false)
        .expect("a database")
        .close()
        .expect("a close");
    clear(folder.path(), |records| {
        let end = records[records.len() - 1].end;
        records[records.len() * 3 / 4].start + 100..end
    });
    let text = refusal(folder.path());
    assert!(
        text.contains("ends before the last synced commit"),
        "{text}"
    );
    accepted(folder.path(), newest);
}

#[test]
fn a_complete_log_of_several_segments_is_accepted() {
    let folder = tempfile::tempdir().expect("a folder");
    let newest = write(folder.path());
    assert!(log_segments(folder.path()).len() > 1);
    let database = open(folder.path(), false).expect("nothing is missing");
    assert_eq!(database.revision(), newest);
    assert_consistent(&database, folder.path());
}

#[test]
fn a_segment_without_its_end_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let newest = write(folder.path());
    let segments = log_segments(folder.path());
    let older = &segments[segments.len() - 2];
    let bytes = fs::read(older).expect("a segment");
    let last = records(&bytes).pop().expect("a record");
    // The end is within a record, and between two.
    for end in [last.start + 100, last.start] {
        let mut damaged = bytes.clone();
        damaged[end..].fill(0);
        fs::write(older, &damaged).expect("a segment");
        let text = refusal(folder.path());
        assert!(text.contains("commits are missing before"), "{text}");
        assert!(
            text.contains("although later commits were synced"),
            "{text}"
        );
    }
    accepted(folder.path(), newest);
}

#[test]
fn a_missing_segment_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let newest = write(folder.path());
    open(folder.path(), false)
        .expect("a database")
        .close()
        .expect("a close");
    let segments = log_segments(folder.path());
    for path in &segments {
        let bytes = fs::read(path).expect("a segment");
        fs::remove_file(path).expect("a removal");
        let text = refusal(folder.path());
        assert!(
            text.contains("is missing") || text.contains("ends before the last synced commit"),
            "{text}"
        );
        fs::write(path, &bytes[..bytes.len() - 1]).expect("a segment");
        let text = refusal(folder.path());
        assert!(text.contains("has a wrong length"), "{text}");
        fs::write(path, bytes).expect("a segment");
    }
    let oldest = folder.path().join("store/log/oldest");
    let whole = fs::read(&oldest).expect("a file");
    fs::remove_file(&oldest).expect("a removal");
    assert!(refusal(folder.path()).contains("the file log/oldest is missing"));
    fs::write(&oldest, &whole[..20]).expect("a file");
    assert!(refusal(folder.path()).contains("the file log/oldest is damaged"));
    fs::write(&oldest, whole).expect("a file");
    drop(open(folder.path(), false).expect("it is whole again"));
    // All but the newest one.
    for path in &segments[..segments.len() - 1] {
        fs::remove_file(path).expect("a removal");
    }
    accepted(folder.path(), newest);
}

#[test]
fn tables_at_different_commits_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let newest = write(folder.path());
    clear_all(folder.path());
    let Err(error) = open(folder.path(), false) else {
        panic!("it was opened")
    };
    assert!(
        error.to_string().contains("the log ends before the table "),
        "{error}"
    );
    accepted(folder.path(), newest);
}

#[test]
fn rows_without_a_namespace_are_swept() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path());
    // Few rows of the catalogue: only the log has them.
    clear_all(folder.path());
    let engine = DiskEngine::open(&disk_options(folder.path(), true)).expect("it is accepted");
    assert!(rows(&engine, Table::Catalogue).is_empty() && !rows(&engine, Table::Data).is_empty());
    let database = Database::open(Arc::new(engine), Options::default()).expect("it is accepted");
    let store = store_named(&database, "new");
    store.set(&key("k"), "v", at(1)).expect("a set");
    assert!(store.find(b"1", at(1)).expect("a read").is_none());
    let mut sweep = GarbageCollector::default();
    while sweep.step(&database, 1_000).expect("a step") {}
    drop((store, database));
    let engine = DiskEngine::open(&disk_options(folder.path(), false)).expect("it is whole again");
    let left =
        [Table::Data, Table::History, Table::Catalogue].map(|table| rows(&engine, table).len());
    assert_eq!(left, [1, 1, 1]);
}

#[test]
fn a_missing_table_is_refused_even_if_losses_are_accepted() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path());
    let before = listing(folder.path());
    for table in Table::ALL {
        let name = table.name();
        let current = folder.path().join(format!("store/{name}/current"));
        let bytes = fs::read(&current).expect("a file");
        fs::remove_file(&current).expect("a removal");
        let Err(error) = open(folder.path(), true) else {
            panic!("it was opened without the table {name}")
        };
        assert!(
            error.to_string().ends_with("has no file current"),
            "{error}"
        );
        fs::write(&current, bytes).expect("a file");
        assert_eq!(listing(folder.path()), before, "no other file was changed");
    }
    open(folder.path(), false).expect("it is whole again");
}

#[test]
fn a_record_with_another_number_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path());
    open(folder.path(), false)
        .expect("a database")
        .close()
        .expect("a close");
    let (path, whole) = newest_segment(folder.path());
    let all = records(&whole);
    for record in [&all[0], &all[all.len() / 2], &all[all.len() - 1]] {
        // Length, flags, commit, sequence number, and the newest synced commit.
        for (byte, bit) in [
            (16, 1),
            (19, 0x40),
            (20, 1),
            (24, 1),
            (31, 0x20),
            (32, 2),
            (39, 1),
            (40, 1),
            (47, 0x40),
        ] {
            let mut bytes = whole.clone();
            bytes[record.start + byte] ^= bit;
            fs::write(&path, &bytes).expect("a segment");
            let text = refusal(folder.path());
            let how = match record == &all[all.len() - 1] {
                true => "the log ends before the last synced commit",
                false => "cannot be read from byte",
            };
            assert!(text.contains(how), "{text}");
        }
    }
}

#[test]
fn a_damaged_list_of_files_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path());
    let files = listing(&folder.path().join("store")).into_iter();
    let number = |path: &Path| -> Option<u64> {
        let name = path.file_name()?.to_str()?;
        name.strip_prefix('v')?.parse().ok()
    };
    // The newest of each table: an earlier one may still exist.
    let mut lists = BTreeMap::new();
    for (path, bytes) in files {
        let Some(number) = number(&path) else {
            continue;
        };
        let folder = path.parent().expect("a folder").to_owned();
        let newest = lists
            .entry(folder)
            .or_insert((number, path.clone(), bytes.clone()));
        if newest.0 < number {
            *newest = (number, path, bytes);
        }
    }
    assert_eq!(lists.len(), Table::ALL.len());
    for (_, path, bytes) in lists.into_values() {
        let bytes = bytes.expect("a file");
        for place in (0..bytes.len()).step_by(37) {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1;
            fs::write(&path, &damaged).expect("a file");
            let Err(error) = open(folder.path(), true) else {
                panic!(
                    "it was opened with byte {place} of {} changed",
                    path.display()
                )
            };
            assert!(
                error.to_string().contains("has a damaged file v"),
                "{error}"
            );
        }
        fs::write(&path, bytes).expect("a file");
    }
    open(folder.path(), false).expect("it is whole again");
}

#[test]
fn a_torn_last_write_is_not_a_loss() {
    let folder = tempfile::tempdir().expect("a folder");
    // The commits fit in memory: a commit in a table was synced before, and cannot be torn.
    let newest = write_with(&DiskOptions::new(folder.path()));
    let (path, whole) = newest_segment(folder.path());
    let last = records(&whole).pop().expect("a record");
    type Tear = fn(&mut [u8], Range<usize>);
    let tears: [Tear; 4] = [
        |bytes, last| bytes[last.start..].fill(0),
        |bytes, last| bytes[last.start + last.len() / 2..].fill(0),
        |bytes, last| bytes[last.end - 200..last.end - 100].fill(0),
        |bytes, last| {
            bytes[last.end - 60] ^= 1;
            bytes[last.end..last.end + 100_000].fill(0xa5);
        },
    ];
    for tear in tears {
        let mut bytes = whole.clone();
        tear(&mut bytes, last.clone());
        fs::write(&path, bytes).expect("a segment");
        let database =
            open(folder.path(), false).expect("a torn write without a sync is not a loss");
        assert_eq!(
            database.revision().get(),
            newest.get() - 5,
            "the last commit is missing completely"
        );
        assert_consistent(&database, folder.path());
    }
}
