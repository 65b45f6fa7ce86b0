//! The engine's journals, read and checked before the engine replays them.
//!
//! The engine takes anything unreadable in a journal as the journal's end, truncates the rest, and continues with the
//! next journal. That is correct for a torn write, and a silent loss otherwise. So this reads the journals first,
//! changes nothing, and distinguishes the two:
//!
//! - A journal that is followed by others with batches was synced when it was sealed: nothing may follow its last
//!   complete batch.
//! - After the last complete batch of all there may be a torn write, unless a later marker of this store
//!   (`commit_markers`) in it shows that missing commits were synced. A full disk can tear a write, and an empty
//!   journal may follow.
//! - Every batch follows the one before, by their markers. Its sequence number, which its checksum does not cover, is
//!   at least that of its own marker and less than that of the next one.
//!
//! It does not know what rows mean, and cannot detect that a journal before the oldest is missing.

mod tail;

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

use self::tail::read_tail;
use super::commit_markers;
use super::commit_markers::CommitMarkers;
use super::store_id::StoreId;

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const TRAILER: &[u8; 4] = b"FJL\x03";
/// The bytes of a batch's sequence number, which its checksum does not cover.
const SEQUENCE: Range<u64> = 5..13;
/// How far the engine may advance its sequence number between the beginning of a commit and its batch.
const SEQUENCE_SLACK: u64 = 1 << 20;

/// The content of the journals.
#[derive(Debug, Default)]
pub(super) struct Journals {
    store: StoreId,
    /// The newest commit, if any.
    commit: Option<u64>,
    /// The fault of the journals, if any.
    fault: Option<String>,
    /// The journals to truncate, and their complete length.
    ends: Vec<(PathBuf, u64)>,
    /// The journal with an unreadable end, which is correct only if no batch follows.
    torn: Option<(PathBuf, u64)>,
    /// The length of each file.
    files: Vec<u64>,
    /// The offsets of batches whose sequence number is higher than that of their marker. It can be correct: the engine
    /// also advances it on its own.
    suspect: Vec<(PathBuf, u64)>,
}

/// The state of an engine that writes to the store.
pub(super) struct Live<'a> {
    /// Waits until every batch that had begun is complete.
    pub(super) settle: &'a dyn Fn(),
    /// The newest commit; later ones need not be read.
    pub(super) commit: u64,
}

impl Journals {
    /// Reads all journals of a store that no engine writes to.
    pub(super) fn read(store: &Path, id: StoreId) -> io::Result<Journals> {
        Journals::read_while(store, id, None)
    }

    /// Reads all journals of a store; up to the newest commit where an engine writes to it.
    pub(super) fn read_while(
        store: &Path,
        id: StoreId,
        live: Option<&Live<'_>>,
    ) -> io::Result<Journals> {
        let mut found = Journals {
            store: id,
            ..Journals::default()
        };
        let mut files = Vec::new();
        for entry in fs::read_dir(store)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "jnl") {
                let stem = path.file_stem().and_then(|stem| stem.to_str());
                match stem.and_then(|stem| stem.parse::<u64>().ok()) {
                    Some(number) => files.push((number, path)),
                    None => found.set_fault(&path, "is not a journal of this store"),
                }
            }
        }
        files.sort();
        if files.is_empty() {
            found.fault = Some("the journals are missing".into());
        }
        let mut opened = Vec::new();
        for (_, path) in files {
            match File::open(&path) {
                Ok(file) => opened.push((path, file)),
                // The oldest are deleted first, once they are obsolete.
                Err(error) if error.kind() == ErrorKind::NotFound && live.is_some() => {
                    opened.clear();
                }
                Err(error) => return Err(error),
            }
        }
        let mut before = None;
        for (path, file) in opened {
            found.files.push(file.metadata()?.len());
            found.read_one(&path, file, live, &mut before)?;
        }
        Ok(found)
    }

    /// Returns the length of each file.
    pub(super) fn files(&self) -> &[u64] {
        &self.files
    }

    /// Returns the journals with an unreadable end, and its offset.
    pub(super) fn ends(&self) -> &[(PathBuf, u64)] {
        &self.ends
    }

    /// Returns the ranges of sequence numbers that may be correct or damaged.
    pub(super) fn suspect(&self) -> impl Iterator<Item = (&Path, Range<u64>)> {
        let places = self.suspect.iter();
        places.map(|(path, start)| (&**path, start + SEQUENCE.start..start + SEQUENCE.end))
    }

    /// Returns what was lost, if anything, given the last synced commit.
    pub(super) fn loss(&self, synced: u64) -> Option<String> {
        let short = self.commit.is_some_and(|commit| commit < synced);
        let short = short.then(|| "the journals end before the last synced commit".to_owned());
        self.fault.clone().or(short)
    }

    /// Truncates the journals after their last complete batch.
    pub(super) fn cut(&self) -> io::Result<()> {
        for (path, end) in &self.ends {
            let file = OpenOptions::new().write(true).open(path)?;
            file.set_len(*end)?;
            file.sync_all()?;
        }
        Ok(())
    }

    fn read_one(
        &mut self,
        path: &Path,
        file: File,
        live: Option<&Live<'_>>,
        before: &mut Option<Batch>,
    ) -> io::Result<()> {
        let mut input = Input::new(BufReader::with_capacity(256 << 10, file), self.store);
        let (mut end, mut pending) = (0, Vec::new());
        loop {
            if live.is_some_and(|live| self.commit >= Some(live.commit)) {
                return Ok(());
            }
            match input.batch() {
                Ok(batch) => {
                    self.record(path, end, batch, before);
                    end = input.position;
                    pending.clear();
                    continue;
                }
                Err(ReadError::Failed(error)) => return Err(error),
                Err(ReadError::Unreadable) => {}
            }
            if !pending.is_empty() {
                break;
            }
            input.seek_to(end)?;
            pending = read_tail(&mut input.bytes)?;
            let Some(live) = live.filter(|_| !pending.is_empty()) else {
                break;
            };
            // It may be a part of a batch that will be complete after this.
            (live.settle)();
            input.seek_to(end)?;
        }
        if pending.is_empty() {
            return Ok(());
        }
        self.ends.push((path.to_owned(), end));
        let synced = tail::synced(&pending, &self.store);
        if synced.is_some_and(|synced| synced > self.commit.unwrap_or_default()) {
            let text =
                format!("cannot be read from byte {end}, although later commits were synced");
            self.set_fault(path, &text);
        }
        self.torn = Some((path.to_owned(), end));
        Ok(())
    }

    /// Records the batch at this offset.
    fn record(&mut self, path: &Path, start: u64, batch: Batch, before: &mut Option<Batch>) {
        if let Some((torn, end)) = self.torn.take() {
            self.set_fault(&torn, &format!("cannot be read from byte {end}"));
        }
        if !batch.follows(*before) {
            self.set_fault(path, &format!("has a commit out of order at byte {start}"));
        }
        if batch.marker.previous == 0 {
            // Earlier losses were accepted.
            self.fault = None;
        }
        if batch.sequence > batch.marker.sequence {
            self.suspect.push((path.to_owned(), start));
        }
        self.commit = Some(batch.marker.commit);
        *before = Some(batch);
    }

    fn set_fault(&mut self, path: &Path, how: &str) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        self.fault
            .get_or_insert_with(|| format!("the journal {name} {how}"));
    }
}

/// Why no batch could be read.
#[derive(Debug)]
enum ReadError {
    /// There is none, or it is incomplete.
    Unreadable,
    /// The file could not be read.
    Failed(io::Error),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> ReadError {
        if error.kind() == ErrorKind::UnexpectedEof {
            ReadError::Unreadable
        } else {
            ReadError::Failed(error)
        }
    }
}

/// A complete batch.
#[derive(Clone, Copy, Debug)]
struct Batch {
    sequence: u64,
    marker: CommitMarkers,
}

impl Batch {
    /// Returns whether it can follow the previous batch.
    fn follows(&self, before: Option<Batch>) -> bool {
        let CommitMarkers {
            sequence, previous, ..
        } = self.marker;
        let in_order = before.is_none_or(|before| {
            before.sequence < sequence && (previous == before.marker.commit || previous == 0)
        });
        in_order && (sequence..=sequence.saturating_add(SEQUENCE_SLACK)).contains(&self.sequence)
    }
}

/// A reader of batches that counts its position.
struct Input<R> {
    bytes: R,
    position: u64,
    store: StoreId,
}

impl<R: Read + Seek> Input<R> {
    fn seek_to(&mut self, position: u64) -> io::Result<()> {
        self.bytes.seek(SeekFrom::Start(position))?;
        self.position = position;
        Ok(())
    }
}

impl<R: Read> Input<R> {
    fn new(bytes: R, store: StoreId) -> Input<R> {
        Input {
            bytes,
            position: 0,
            store,
        }
    }

    fn batch(&mut self) -> Result<Batch, ReadError> {
        let [tag] = self.array()?;
        if tag != START {
            return Err(ReadError::Unreadable);
        }
        let items = u32::from_le_bytes(self.array()?);
        let sequence = u64::from_le_bytes(self.array()?);
        let (mut checksum, mut marker) = (Xxh3::new(), None);
        for _ in 0..items {
            marker = self.item(&mut checksum)?.or(marker);
        }
        let [tag] = self.array()?;
        let expected = u64::from_le_bytes(self.array()?);
        let trailer: [u8; 4] = self.array()?;
        if tag != END || trailer != *TRAILER || expected != checksum.digest() {
            return Err(ReadError::Unreadable);
        }
        // Every batch of the engine has a marker.
        let marker = marker.filter(|marker| marker.store == self.store);
        let marker = marker.ok_or(ReadError::Unreadable)?;
        Ok(Batch { sequence, marker })
    }

    /// Skips an item, and returns its marker, if it is one.
    fn item(&mut self, checksum: &mut Xxh3) -> Result<Option<CommitMarkers>, ReadError> {
        // Tag, kind, compression, table u64, lengths of the key u16, of the value u32, and of the stored value u32.
        let head: [u8; 21] = self.array()?;
        checksum.update(&head);
        let [
            tag,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            k0,
            k1,
            _,
            _,
            _,
            _,
            v0,
            v1,
            v2,
            v3,
        ] = head;
        if tag != ITEM {
            return Err(ReadError::Unreadable);
        }
        let key_bytes = u64::from(u16::from_le_bytes([k0, k1]));
        let value_bytes = u64::from(u32::from_le_bytes([v0, v1, v2, v3]));
        if key_bytes == commit_markers::KEY.len() as u64
            && value_bytes == commit_markers::META_BYTES as u64
        {
            let key: [u8; commit_markers::KEY.len()] = self.array()?;
            let value: [u8; commit_markers::META_BYTES] = self.array()?;
            checksum.update(&key);
            checksum.update(&value);
            return Ok(CommitMarkers::decode(&value).filter(|_| key == commit_markers::KEY));
        }
        self.skip(key_bytes + value_bytes, checksum)?;
        Ok(None)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        let mut array = [0; N];
        self.bytes.read_exact(&mut array)?;
        self.position += N as u64;
        Ok(array)
    }

    /// Skips bytes. A damaged length must not decide how much memory is allocated.
    fn skip(&mut self, bytes: u64, checksum: &mut Xxh3) -> Result<(), ReadError> {
        let mut left = bytes;
        let mut buffer = [0; 4 << 10];
        while left > 0 {
            let length = left.min(buffer.len() as u64) as usize;
            self.bytes.read_exact(&mut buffer[..length])?;
            checksum.update(&buffer[..length]);
            left -= length as u64;
        }
        self.position += bytes;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Batch as Rows, Durability, Engine, Table};
    use crate::{DiskEngine, DiskOptions};

    /// Returns the path and the content of a journal with three commits.
    fn written(folder: &Path) -> (PathBuf, Vec<u8>) {
        let engine = DiskEngine::open(&DiskOptions::new(folder)).unwrap();
        for number in 0..3 {
            let mut rows = Rows::default();
            rows.put(Table::Data, format!("key {number}"), vec![7; 500]);
            engine.commit(rows, Durability::Synced).unwrap();
        }
        drop(engine);
        let path = folder.join("store/0.jnl");
        let mut bytes = fs::read(&path).unwrap();
        let last = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        bytes.truncate(last + 1);
        (path, bytes)
    }

    #[test]
    fn a_batch_in_progress_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let (path, bytes) = written(folder.path());
        for cut in 1..100 {
            let half = || fs::write(&path, &bytes[..bytes.len() - cut]).unwrap();
            let read = |settle: &dyn Fn()| {
                half();
                let live = Live { settle, commit: 3 };
                let store = folder.path().join("store");
                let id = super::super::store_id::read(&store).unwrap().unwrap();
                Journals::read_while(&store, id, Some(&live)).unwrap()
            };
            let whole = read(&|| fs::write(&path, &bytes).unwrap());
            assert_eq!((whole.commit, whole.ends().len()), (Some(3), 0));
            assert_eq!(whole.loss(3), None);
            let never = read(&|| ());
            assert_eq!((never.commit, never.ends().len()), (Some(2), 1));
            assert!(never.loss(3).is_some());
        }
    }
}
