//! Tests of the reading of logs: cuts, changed bytes, zeros, missing segments and records of other stores.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::{Appender, Head, Segment, prepare};
use super::*;
use crate::engine::{Batch, Table};

const ID: StoreId = [9; 16];
const SEGMENT: u64 = 3 * PAGE as u64;

/// A store with a log, and the state of its writer.
struct Written {
    store: tempfile::TempDir,
    appender: Appender,
    commit: u64,
    synced: u64,
}

fn batch(commit: u64) -> Batch {
    let mut batch = Batch::default();
    let length = (commit * 37 % 900) as usize;
    batch.put(
        Table::Data,
        commit.to_be_bytes().to_vec(),
        vec![commit as u8; length],
    );
    batch.put(Table::Meta, &b"commit"[..], commit.to_le_bytes().to_vec());
    batch
}

fn new_segment(folder: &Path, number: u64) -> Segment {
    prepare(folder, &ID, number, SEGMENT, None, &|| false).unwrap()
}

impl Written {
    fn new() -> Written {
        let store = tempfile::tempdir().unwrap();
        let folder = store.path().join(FOLDER);
        fs::create_dir(&folder).unwrap();
        Oldest::first().write(&folder, &ID).unwrap();
        let segment = new_segment(&folder, 1);
        Written {
            appender: Appender::new(ID, segment),
            store,
            commit: 0,
            synced: 0,
        }
    }

    /// Returns a log of this many segments, each full. Every commit was synced before the next one.
    fn with_segments(count: u64) -> Written {
        let mut written = Written::new();
        while written.appender.segment().number <= count {
            written.commit(true);
        }
        written
    }

    fn folder(&self) -> PathBuf {
        self.store.path().join(FOLDER)
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder().join(format!("{number:016}.log"))
    }

    fn next_segment(&mut self) {
        let number = self.appender.segment().number + 1;
        self.appender.begin(new_segment(&self.folder(), number));
    }

    fn commit(&mut self, sync: bool) {
        let batch = batch(self.commit + 1);
        if !self.appender.fits(max(&batch)) {
            self.next_segment();
        }
        self.commit += 1;
        self.append(&batch, false);
        if sync {
            self.synced = self.commit;
        }
    }

    fn append(&mut self, batch: &Batch, is_after_loss: bool) {
        let head = Head {
            commit: self.commit,
            sequence: 10 * self.commit,
            synced: self.synced,
            is_after_loss,
        };
        self.appender.append(head, batch.rows()).unwrap();
    }

    fn read(&self) -> Log {
        Log::read(self.store.path(), &ID).unwrap()
    }

    /// Checks that the rows are those of these commits, in order.
    fn assert_has(&self, log: &Log, commits: impl IntoIterator<Item = u64>) {
        let mut found = Vec::new();
        log.replay(&ID, |sequence, row| {
            if row.table == Table::Meta {
                found.push(sequence / 10);
            } else {
                let commit = sequence / 10;
                assert_eq!(row.value, batch(commit).rows()[0].value, "{commit}");
            }
        })
        .unwrap();
        assert_eq!(found, commits.into_iter().collect::<Vec<_>>());
    }
}

fn max(batch: &Batch) -> u64 {
    super::super::max_payload_bytes(batch.len(), batch.bytes())
}

#[test]
fn commits_are_read_as_they_were_written() {
    for segments in 0..4 {
        let written = Written::with_segments(segments);
        let log = written.read();
        assert_eq!(
            (log.commit, log.loss(written.commit)),
            (written.commit, None)
        );
        assert!(
            log.loss(written.commit + 1)
                .unwrap()
                .contains("ends before")
        );
        written.assert_has(&log, 1..=written.commit);
        assert!(log.segments.iter().all(|info| info.unread.is_none()));
    }
}

#[test]
fn a_commit_larger_than_a_page_and_one_as_large_as_its_segment_are_read() {
    let mut written = Written::new();
    let next = prepare(&written.folder(), &ID, 2, 8 * SEGMENT, None, &|| false);
    written.appender.begin(next.unwrap());
    for bytes in [0, 1, 4_000, 5_000, 9_000] {
        let mut batch = Batch::default();
        batch.put(Table::Meta, &b"k"[..], vec![1; bytes]);
        written.commit += 1;
        written.append(&batch, false);
    }
    let payload = 2 << 20;
    let bytes = super::super::min_segment_bytes(payload);
    let large = prepare(&written.folder(), &ID, 3, bytes, None, &|| false).unwrap();
    written.appender.begin(large);
    assert!(written.appender.fits(payload) && !written.appender.fits(payload + PAGE as u64));
    let mut batch = Batch::default();
    batch.put(Table::Meta, &b"k"[..], vec![2; payload as usize - 30]);
    written.commit += 1;
    written.append(&batch, false);
    written.next_segment();
    written.commit(true);
    let log = written.read();
    assert_eq!((log.commit, log.loss(7)), (7, None));
}

/// Every byte of a log is changed, one by one: the log is refused, or a prefix of the commits is left that has all that
/// the watermark says were synced.
#[test]
fn a_changed_byte_is_a_loss_or_a_torn_end() {
    let written = Written::with_segments(2);
    let newest = written.commit;
    let mut outcomes = BTreeMap::<&str, u32>::new();
    for number in 1..=3 {
        let path = written.path(number);
        let whole = fs::read(&path).unwrap();
        let used = whole.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        // All of the last segment, where a change may be a torn end.
        let stride = if number < 3 { 13 } else { 1 };
        for place in (0..used).step_by(stride) {
            let mut bytes = whole.clone();
            bytes[place] ^= 1 << (place % 8);
            fs::write(&path, &bytes).unwrap();
            let log = written.read();
            let outcome = match log.loss(newest - 1) {
                Some(_) => "refused",
                // It is padding after the last record, or the last record.
                None if log.commit == newest => "whole",
                None => {
                    assert_eq!((log.commit, number), (newest - 1, 3));
                    "torn"
                }
            };
            assert!(log.loss(newest).is_some() || outcome == "whole");
            *outcomes.entry(outcome).or_default() += 1;
            if log.loss(newest - 1).is_none() {
                written.assert_has(&log, 1..=log.commit);
            }
        }
        fs::write(&path, &whole).unwrap();
    }
    assert!(outcomes["refused"] > PAGE as u32, "{outcomes:?}");
    assert!(outcomes["torn"] > 40, "{outcomes:?}");
    assert_eq!(outcomes.get("whole"), None, "{outcomes:?}");
}

#[test]
fn a_cut_is_refused_and_zeros_to_the_end_are_a_loss_or_a_torn_end() {
    let written = Written::with_segments(2);
    let newest = written.commit;
    for number in 1..=3 {
        let path = written.path(number);
        let whole = fs::read(&path).unwrap();
        for place in (0..whole.len()).step_by(61) {
            fs::write(&path, &whole[..place]).unwrap();
            assert!(written.read().loss(0).is_some(), "cut at {place}");
            let mut bytes = whole.clone();
            bytes[place..].fill(0);
            fs::write(&path, &bytes).unwrap();
            let log = written.read();
            if number < 3 && place < whole.len() - 2_000 {
                assert!(log.loss(0).is_some(), "zeros from {place} of {number}");
            }
            if log.loss(newest).is_none() {
                written.assert_has(&log, 1..=newest);
            } else if log.loss(0).is_none() {
                written.assert_has(&log, 1..=log.commit);
            }
        }
        fs::write(&path, &whole).unwrap();
    }
}

#[test]
fn a_missing_segment_is_refused() {
    let written = Written::with_segments(3);
    for (number, how) in [
        (1, "segment 1 is missing"),
        (2, "segment 2 is missing"),
        (3, "segment 3 is missing"),
        (4, "ends before the last synced commit"),
    ] {
        let whole = fs::read(written.path(number)).unwrap();
        fs::remove_file(written.path(number)).unwrap();
        let loss = written.read().loss(written.commit).unwrap();
        assert!(loss.contains(how), "{loss}");
        fs::write(written.path(number), whole).unwrap();
    }
    let folder = written.folder();
    let oldest = fs::read(folder.join("oldest")).unwrap();
    fs::remove_file(folder.join("oldest")).unwrap();
    assert!(written.read().loss(0).unwrap().contains("is missing"));
    fs::write(folder.join("oldest"), oldest).unwrap();
    assert_eq!(written.read().loss(written.commit), None);
    for number in 1..=4 {
        fs::remove_file(written.path(number)).unwrap();
    }
    assert_eq!(written.read().loss(0).unwrap(), "the log has no segment");
}

#[test]
fn segments_before_the_oldest_are_removed() {
    let written = Written::with_segments(3);
    let before = written.read();
    let (commit, sequence) = before.segments[1].last.unwrap();
    let oldest = Oldest {
        segment: 3,
        commit,
        sequence,
    };
    oldest.write(&written.folder(), &ID).unwrap();
    // They may be damaged, or half removed.
    fs::remove_file(written.path(1)).unwrap();
    fs::write(written.path(2), "rest").unwrap();
    fs::write(written.folder().join("retired-0000000000000001.log"), "").unwrap();
    let mut log = written.read();
    assert_eq!(log.loss(written.commit), None);
    written.assert_has(&log, commit + 1..=written.commit);
    assert_eq!(log.settle(written.store.path(), false).unwrap(), 5);
    assert!(!written.path(2).exists());
    assert_eq!(fs::read_dir(written.folder()).unwrap().count(), 3);
}

/// A power loss keeps some pages of commits that were not synced, and not the ones before.
#[test]
fn commits_that_were_not_synced_may_be_torn_anywhere() {
    let mut written = Written::with_segments(1);
    let synced = written.synced;
    while written.appender.segment().number < 4 {
        written.commit(false);
    }
    let newest = written.commit;
    let last = written.appender.used() as usize;
    let path = written.path(2);
    let whole = fs::read(&path).unwrap();
    // The first commit in the segment was synced.
    for page in 1..3 {
        let mut bytes = whole.clone();
        bytes[page * PAGE + 1_500..(page + 1) * PAGE].fill(0xee);
        fs::write(&path, &bytes).unwrap();
        let mut log = written.read();
        assert_eq!(log.loss(synced), None, "{page}");
        let kept = log.commit;
        assert!(kept >= synced && kept < newest);
        written.assert_has(&log, 1..=kept);
        // The next start continues with the number after the last commit that is left.
        let copied = tempfile::tempdir().unwrap();
        fs::create_dir(copied.path().join(FOLDER)).unwrap();
        for file in fs::read_dir(written.folder()).unwrap().flatten() {
            fs::copy(
                file.path(),
                copied.path().join(FOLDER).join(file.file_name()),
            )
            .unwrap();
        }
        let mut copied = Written {
            appender: Appender::new(ID, new_segment(copied.path(), 99)),
            store: copied,
            commit: kept,
            synced: kept,
        };
        log = copied.read();
        let next = log.settle(copied.store.path(), false).unwrap();
        assert_eq!(next, 3, "the segments after it are removed");
        copied.appender = Appender::new(ID, new_segment(&copied.folder(), next));
        for _ in 0..30 {
            copied.commit(true);
        }
        let again = copied.read();
        assert_eq!((again.commit, again.loss(kept + 30)), (kept + 30, None));
        copied.assert_has(&again, 1..=kept + 30);
    }
    assert!(last > PAGE);
}

#[test]
fn an_accepted_loss_is_no_fault_after_the_next_commit() {
    let mut written = Written::with_segments(3);
    let path = written.path(2);
    let mut bytes = fs::read(&path).unwrap();
    bytes[PAGE + 900..PAGE + 1_800].fill(0);
    fs::write(&path, &bytes).unwrap();
    let mut log = written.read();
    assert!(log.loss(0).unwrap().contains("cannot be read from byte"));
    let mut left = Vec::new();
    log.replay(&ID, |sequence, row| {
        if row.table == Table::Meta {
            left.push(sequence / 10);
        }
    })
    .unwrap();
    let newest = written.commit;
    assert!(left.len() as u64 >= newest - 10 && left.last() == Some(&newest));
    let next = log.settle(written.store.path(), true).unwrap();
    assert_eq!(next, 5);
    written.appender.begin(new_segment(&written.folder(), next));
    assert!(
        written.read().loss(0).is_some(),
        "nothing was committed yet"
    );
    // Numbers of lost commits may be skipped.
    written.commit += 7;
    let first = batch(written.commit);
    written.append(&first, true);
    written.synced = written.commit;
    written.commit(true);
    let log = written.read();
    assert_eq!(log.loss(written.commit), None);
    left.extend([newest + 7, newest + 8]);
    written.assert_has(&log, left);
}

#[test]
fn what_an_earlier_use_of_a_file_left_does_not_count() {
    let mut written = Written::with_segments(2);
    // The file of the first segment, with its records, becomes the next one.
    let (commit, sequence) = written.read().segments[0].last.unwrap();
    let oldest = Oldest {
        segment: 2,
        commit,
        sequence,
    };
    oldest.write(&written.folder(), &ID).unwrap();
    let kept = super::super::retire(&written.path(1), true).unwrap();
    let next = written.appender.segment().number + 1;
    let recycled = prepare(
        &written.folder(),
        &ID,
        next,
        SEGMENT,
        kept.as_deref(),
        &|| false,
    );
    written.appender.begin(recycled.unwrap());
    let newest = written.commit;
    assert_eq!(written.read().loss(newest), None);
    written.commit(true);
    let log = written.read();
    assert_eq!((log.commit, log.loss(newest + 1)), (newest + 1, None));
    assert!(
        log.segments.last().unwrap().unread.is_some(),
        "it is reported"
    );
    written.assert_has(&log, commit + 1..=newest + 1);
}

#[test]
fn a_segment_of_another_store_is_refused() {
    let (one, mut other) = (Written::with_segments(1), Written::with_segments(0));
    let seed = ID.map(|byte| byte ^ 1);
    let segment = prepare(&other.folder(), &seed, 2, SEGMENT, None, &|| false).unwrap();
    let mut theirs = Appender::new(seed, segment);
    for commit in 1..20 {
        let head = Head {
            commit,
            sequence: commit,
            synced: commit - 1,
            is_after_loss: false,
        };
        if theirs.append(head, batch(commit).rows()).is_err() {
            break;
        }
    }
    fs::copy(other.path(2), one.path(2)).unwrap();
    let loss = one.read().loss(0).unwrap();
    assert!(loss.contains("is of another store"), "{loss}");
    // A part of it as a client's value is no record either, nor is a part of this log.
    for planted in [
        fs::read(one.path(2)).unwrap(),
        fs::read(one.path(1)).unwrap(),
    ] {
        let mut batch = Batch::default();
        let value = planted[PAGE..PAGE + 3_000].to_vec();
        batch.put(Table::Meta, &b"planted"[..], value);
        other.commit += 1;
        other.next_segment();
        other.append(&batch, false);
        let path = other.appender.segment().path.clone();
        let mut bytes = fs::read(&path).unwrap();
        let end = other.appender.used() as usize;
        bytes[end - 20] ^= 1;
        fs::write(&path, bytes).unwrap();
        let log = other.read();
        assert_eq!((log.commit, log.loss(0)), (0, None), "the commit is torn");
        other.commit -= 1;
        fs::remove_file(path).unwrap();
        other.appender.begin(new_segment(&other.folder(), 1));
    }
}

/// Each place looks like the beginning of a commit that is as long as the rest.
#[test]
fn values_that_look_like_commits_do_not_delay_the_reading() {
    let written = Written::new();
    let path = written.path(1);
    let mut bytes = super::super::format::segment_header(&ID, 1, 16 << 20).to_vec();
    while bytes.len() < 16 << 20 {
        bytes.extend(0x00ff_ffff_u64.to_le_bytes());
    }
    fs::write(path, bytes).unwrap();
    // Reading each claimed record would take hours.
    let log = written.read();
    assert_eq!((log.commit, log.loss(0)), (0, None));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn any_damage_leaves_a_prefix_or_is_refused(
        segments in 0..3_u64,
        damages in proptest::collection::vec((any::<u32>(), any::<u32>(), 1..5_000_usize, any::<u8>()), 1..4),
    ) {
        let written = Written::with_segments(segments);
        for (number, place, length, fill) in damages {
            let path = written.path(1 + u64::from(number) % (segments + 1));
            let mut bytes = fs::read(&path).unwrap();
            let place = place as usize % bytes.len();
            let end = (place + length).min(bytes.len());
            bytes[place..end].fill(fill);
            fs::write(&path, &bytes).unwrap();
        }
        let log = written.read();
        if log.loss(0).is_none() {
            prop_assert!(log.commit <= written.commit);
            written.assert_has(&log, 1..=log.commit);
            if log.commit < written.commit {
                prop_assert!(log.loss(written.commit).is_some());
            }
        } else {
            log.replay(&ID, |_, _| ()).unwrap();
        }
    }
}
