//! The segments of the log other than the active segment, which is written to: full segments that are still needed, a
//! prepared segment, and files to use again.
//!
//! Invariant: a segment is removed only once all its rows are in files, and after the log's beginning was moved past it.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use lsm_tree::SeqNo;

use super::log::{Oldest, Segment, SegmentInfo, prepare, retire, segment_path};
use super::store_id::StoreId;

/// The length of the first segment after a start, so that a short run writes little.
const FIRST_SEGMENT_BYTES: u64 = 1 << 20;
/// Each further segment is longer by this factor, up to the limit.
const GROWTH: u64 = 4;
const MAX_SEGMENT_BYTES: u64 = 16 << 20;
/// The number of retired files that are kept.
const MAX_RETIRED: usize = 2;
/// Beyond this many full segments of the maximum length, memtables that need the oldest ones are written to files.
const CHECKPOINT_SEGMENTS: u64 = 8;
/// The maximum length of the full segments together, in segments of the maximum length. The last one may exceed it.
const MAX_SEGMENTS: u64 = 12;

/// A segment that is not written to any more.
struct FullSegment {
    number: u64,
    path: PathBuf,
    bytes: u64,
    /// The last commit in it and its sequence number, if any.
    last: Option<(u64, SeqNo)>,
}

/// The files of the log.
pub(super) struct LogFiles {
    folder: PathBuf,
    id: StoreId,
    max_segment_bytes: u64,
    /// The bytes of the full segments.
    full_bytes: AtomicU64,
    /// The bytes of the active segment.
    active_bytes: AtomicU64,
    /// Whether a segment is prepared.
    has_spare: AtomicBool,
    /// Whether no segment can be prepared because the disk is full.
    pub(super) is_disk_full: AtomicBool,
    state: Mutex<State>,
}

struct State {
    full: VecDeque<FullSegment>,
    active: (u64, u64),
    spare: Option<Segment>,
    /// The least length of the segment that is wanted, if one is.
    wanted: Option<u64>,
    retired: Vec<PathBuf>,
    oldest: Oldest,
}

/// A segment to prepare.
pub(super) struct Wanted {
    min_bytes: u64,
    bytes: u64,
    retired: Option<PathBuf>,
}

impl LogFiles {
    /// Returns the files of a log with these segments, which are followed by the first segment of this start.
    pub(super) fn new(
        folder: PathBuf,
        id: StoreId,
        memtable_bytes: u64,
        oldest: Oldest,
        segments: Vec<SegmentInfo>,
        first: &Segment,
    ) -> LogFiles {
        let full = segments.into_iter().map(|info| FullSegment {
            number: info.number,
            path: info.path,
            bytes: info.bytes,
            last: info.last,
        });
        let files = LogFiles {
            folder,
            id,
            max_segment_bytes: max_segment_bytes(memtable_bytes),
            full_bytes: AtomicU64::new(0),
            active_bytes: AtomicU64::new(0),
            has_spare: AtomicBool::new(false),
            is_disk_full: AtomicBool::new(false),
            state: Mutex::new(State {
                full: full.collect(),
                active: (first.number, first.bytes),
                spare: None,
                wanted: None,
                retired: Vec::new(),
                oldest,
            }),
        };
        files.measure(&files.state());
        files
    }

    /// Returns the length of the first segment after a start.
    pub(super) fn first_bytes(memtable_bytes: u64) -> u64 {
        FIRST_SEGMENT_BYTES.min(max_segment_bytes(memtable_bytes))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn measure(&self, state: &State) {
        let full = state.full.iter().map(|segment| segment.bytes).sum();
        self.full_bytes.store(full, Ordering::Relaxed);
        self.active_bytes.store(state.active.1, Ordering::Relaxed);
    }

    /// Returns the bytes of the log.
    pub(super) fn bytes(&self) -> u64 {
        self.full_bytes.load(Ordering::Relaxed) + self.active_bytes.load(Ordering::Relaxed)
    }

    /// Returns whether the log is below its maximum length.
    pub(super) fn has_room(&self) -> bool {
        self.full_bytes.load(Ordering::Relaxed) <= MAX_SEGMENTS * self.max_segment_bytes
    }

    /// Requests the next segment unless it is there, and returns whether it must be prepared. Mostly waits for no lock.
    pub(super) fn request_next(&self) -> bool {
        !self.has_spare.load(Ordering::Relaxed) && self.request(0)
    }

    /// Requests a segment of at least this length, and returns whether it must be prepared.
    pub(super) fn request(&self, min_bytes: u64) -> bool {
        let mut state = self.state();
        if let Some(spare) = &state.spare
            && spare.bytes >= min_bytes
        {
            return false;
        }
        let wanted = state.wanted.unwrap_or_default().max(min_bytes);
        let is_new = state.wanted.replace(wanted) != Some(wanted);
        is_new || self.is_disk_full.load(Ordering::Relaxed)
    }

    /// Returns the segment to prepare, if one was requested. `free` is the free space of the disk.
    pub(super) fn wanted(&self, free: u64) -> Option<Wanted> {
        let mut state = self.state();
        let min_bytes = state.wanted?;
        let is_there = |spare: &Segment| spare.bytes >= min_bytes;
        if state.spare.as_ref().is_some_and(is_there) {
            state.wanted = None;
            return None;
        }
        let first = FIRST_SEGMENT_BYTES.min(self.max_segment_bytes);
        let usual = state.active.1.saturating_mul(GROWTH);
        let usual = usual.clamp(first, self.max_segment_bytes);
        let has_space = free >= GROWTH * usual;
        let bytes = min_bytes.max(if has_space { usual } else { first });
        let is_long = bytes == self.max_segment_bytes;
        Some(Wanted {
            min_bytes,
            bytes,
            retired: state.retired.last().filter(|_| is_long).cloned(),
        })
    }

    /// Prepares a segment, and returns its length. A prepared segment that is too short is replaced.
    pub(super) fn prepare(
        &self,
        wanted: &Wanted,
        is_cancelled: &dyn Fn() -> bool,
    ) -> io::Result<u64> {
        let mut state = self.state();
        let shorter = state.spare.take();
        self.has_spare.store(false, Ordering::Relaxed);
        // Without a prepared segment the active one stays the last until this is done.
        let number = state.active.0 + 1;
        state
            .retired
            .retain(|path| wanted.retired.as_ref() != Some(path));
        drop(state);
        if let Some(shorter) = shorter {
            std::fs::remove_file(shorter.path)?;
        }
        let bytes = wanted.bytes;
        let retired = wanted.retired.as_deref();
        let made = prepare(&self.folder, &self.id, number, bytes, retired, is_cancelled)?;
        let mut state = self.state();
        state.spare = Some(made);
        self.has_spare.store(true, Ordering::Relaxed);
        if state.wanted <= Some(wanted.min_bytes) {
            state.wanted = None;
        }
        Ok(bytes)
    }

    /// Returns the bytes that preparing a segment takes from the disk.
    pub(super) fn needed_bytes(wanted: &Wanted) -> u64 {
        if wanted.retired.is_some() {
            0
        } else {
            wanted.bytes
        }
    }

    /// Takes the prepared segment, if it has at least this length. It follows the active one, whose last commit and
    /// sequence number are given.
    pub(super) fn take(
        &self,
        min_bytes: u64,
        last: Option<(u64, SeqNo)>,
        path: PathBuf,
    ) -> Option<Segment> {
        let mut state = self.state();
        let spare = state.spare.take_if(|spare| spare.bytes >= min_bytes)?;
        self.has_spare.store(false, Ordering::Relaxed);
        let (number, bytes) = std::mem::replace(&mut state.active, (spare.number, spare.bytes));
        state.full.push_back(FullSegment {
            number,
            path,
            bytes,
            last,
        });
        self.measure(&state);
        Some(spare)
    }

    /// Returns the sequence number up to which rows must be written to files because the log is long, if it is.
    pub(super) fn checkpoint(&self) -> Option<SeqNo> {
        let state = self.state();
        let mut excess = self
            .full_bytes
            .load(Ordering::Relaxed)
            .checked_sub(CHECKPOINT_SEGMENTS * self.max_segment_bytes)?;
        let mut sequence = None;
        for segment in &state.full {
            if excess == 0 {
                break;
            }
            sequence = segment.last.map_or(sequence, |(_, last)| Some(last));
            excess = excess.saturating_sub(segment.bytes);
        }
        sequence
    }

    /// Returns the sequence number up to which no row is in the log.
    pub(super) fn begins_after(&self) -> SeqNo {
        self.state().oldest.sequence
    }

    /// Returns the beginning of the log.
    pub(super) fn oldest(&self) -> Oldest {
        self.state().oldest
    }

    /// Removes the prepared segment, retired files, and the active segment if it is empty. One segment always stays.
    pub(super) fn remove_unused(&self, is_active_empty: bool) {
        let mut state = self.state();
        let spare = state.spare.take().map(|spare| spare.path);
        let active = is_active_empty && !state.full.is_empty();
        let active = active.then(|| segment_path(&self.folder, state.active.0));
        for path in state.retired.drain(..).chain(spare).chain(active) {
            // The next start removes what stays.
            let _ = std::fs::remove_file(path);
        }
    }

    /// Removes the segments whose rows are all below this sequence number. A few files are kept to be used again, if
    /// there is space for them. Returns whether any was removed.
    pub(super) fn retire(&self, needed: SeqNo, has_space: bool) -> io::Result<bool> {
        let mut state = self.state();
        let is_obsolete =
            |segment: &FullSegment| segment.last.is_none_or(|(_, last)| last < needed);
        let count = state
            .full
            .iter()
            .take_while(|segment| is_obsolete(segment))
            .count();
        if count == 0 {
            return Ok(false);
        }
        let obsolete = state.full.iter().take(count);
        let last = obsolete.filter_map(|segment| segment.last).next_back();
        let before = (state.oldest.commit, state.oldest.sequence);
        let (commit, sequence) = last.unwrap_or(before);
        let oldest = Oldest {
            segment: state
                .full
                .get(count)
                .map_or(state.active.0, |segment| segment.number),
            commit,
            sequence,
        };
        // Only this thread removes segments, and no commit waits for the disk.
        drop(state);
        oldest.write(&self.folder, &self.id)?;
        state = self.state();
        state.oldest = oldest;
        let obsolete: Vec<FullSegment> = state.full.drain(..count).collect();
        self.measure(&state);
        let mut kept = state.retired.len();
        drop(state);
        for segment in obsolete {
            let keep = has_space && kept < MAX_RETIRED && segment.bytes == self.max_segment_bytes;
            if let Some(path) = retire(&segment.path, keep)? {
                kept += 1;
                self.state().retired.push(path);
            }
        }
        Ok(true)
    }
}

/// Returns the length of a long segment: less where memtables are small.
fn max_segment_bytes(memtable_bytes: u64) -> u64 {
    let bytes = memtable_bytes.saturating_mul(GROWTH);
    bytes
        .clamp(FIRST_SEGMENT_BYTES, MAX_SEGMENT_BYTES)
        .next_multiple_of(4_096)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: StoreId = [3; 16];
    const FREE: u64 = 1 << 40;

    struct Fixture {
        folder: tempfile::TempDir,
        files: LogFiles,
        active: PathBuf,
    }

    impl Fixture {
        fn new() -> Fixture {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().to_owned();
            let first = prepare(&path, &ID, 1, 1 << 20, None, &|| false).unwrap();
            Fixture {
                active: first.path.clone(),
                files: LogFiles::new(path, ID, 1 << 20, Oldest::first(), Vec::new(), &first),
                folder,
            }
        }

        fn prepare(&self) -> u64 {
            let wanted = self.files.wanted(FREE).unwrap();
            self.files.prepare(&wanted, &|| false).unwrap()
        }

        /// Continues in the prepared segment, after a commit with these numbers.
        fn take(&mut self, min_bytes: u64, last: Option<(u64, SeqNo)>) -> bool {
            let next = self.files.take(min_bytes, last, self.active.clone());
            next.is_some_and(|next| {
                self.active = next.path;
                true
            })
        }

        fn names(&self) -> Vec<String> {
            let files = std::fs::read_dir(self.folder.path()).unwrap().flatten();
            let names = files.map(|file| file.file_name().into_string().unwrap());
            let mut names: Vec<String> = names.collect();
            names.sort();
            names
        }
    }

    #[test]
    fn a_segment_is_prepared_once_it_is_requested() {
        let mut fixture = Fixture::new();
        assert!(fixture.files.wanted(FREE).is_none());
        assert!(fixture.files.request(0) && !fixture.files.request(0));
        assert!(!fixture.take(0, None), "there is none yet");
        assert_eq!(fixture.prepare(), 4 << 20);
        assert!(fixture.files.wanted(FREE).is_none() && !fixture.files.request(0));
        // A commit that is longer than it gets another segment in its place.
        assert!(fixture.files.request(20 << 20) && !fixture.take(20 << 20, None));
        assert_eq!(fixture.prepare(), 20 << 20);
        assert!(fixture.take(20 << 20, Some((1, 1))));
        assert!(fixture.active.ends_with("0000000000000002.log"));
        // On a disk with little space it is short.
        assert!(fixture.files.request(0));
        let wanted = fixture.files.wanted(8 << 20).unwrap();
        assert_eq!(LogFiles::needed_bytes(&wanted), 1 << 20);
        let cancelled = fixture.files.prepare(&wanted, &|| true).unwrap_err();
        assert_eq!(cancelled.kind(), io::ErrorKind::Interrupted);
        assert_eq!(fixture.prepare(), 4 << 20, "it is still wanted");
        fixture.files.remove_unused(true);
        assert_eq!(fixture.names(), ["0000000000000001.log"]);
    }

    #[test]
    fn segments_are_removed_from_the_oldest_on_and_their_files_are_used_again() {
        let mut fixture = Fixture::new();
        for commit in 1..=12 {
            fixture.files.request(0);
            fixture.prepare();
            assert!(fixture.take(0, Some((commit, 10 * commit))));
        }
        let bytes = (1 + 12 * 4) << 20;
        assert_eq!(fixture.files.bytes(), bytes);
        assert!(fixture.files.has_room());
        // 45 MiB are full, of which 32 may stay.
        assert_eq!(fixture.files.checkpoint(), Some(40));
        assert!(!fixture.files.retire(10, true).unwrap(), "row 10 is needed");
        assert!(fixture.files.retire(31, true).unwrap());
        let oldest = Oldest {
            segment: 4,
            commit: 3,
            sequence: 30,
        };
        assert_eq!(fixture.files.oldest(), oldest);
        assert_eq!(fixture.files.begins_after(), 30);
        assert_eq!(fixture.files.bytes(), bytes - (9 << 20));
        let retired = fixture
            .names()
            .into_iter()
            .filter(|name| name.starts_with("retired-"));
        assert_eq!(retired.count(), 2, "the first one is short");
        fixture.files.request(0);
        let wanted = fixture.files.wanted(FREE).unwrap();
        assert_eq!(LogFiles::needed_bytes(&wanted), 0);
        fixture.files.prepare(&wanted, &|| false).unwrap();
        assert!(fixture.names().contains(&"0000000000000014.log".to_owned()));
        // Without space no file is kept.
        assert!(fixture.files.retire(u64::MAX, false).unwrap());
        let left = ["0000000000000013.log", "0000000000000014.log", "oldest"];
        assert_eq!(fixture.names()[..2], left[..2]);
    }
}
