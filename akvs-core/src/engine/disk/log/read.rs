//! The log of a store as a start or a check finds it: which records count, and whether synced commits are missing.
//!
//! A power loss or a full disk leaves a log whose last commits are damaged in any way; these were not synced, and do not
//! count. A log that lost synced commits looks alike, but is refused where that can be seen: a later valid record says
//! that a missing commit was synced, the watermark says so, or a segment is missing. Reading changes nothing.

use std::fs;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::format::{HEADER_BYTES, PAGE, Seed, header_fault};
use super::oldest::Oldest;
use super::payload::{LoggedRow, parse_rows};
use super::scan::{Record, is_empty_from, next_record, record_at};
use super::segment::{self, FOLDER};
use crate::engine::disk::store_id::StoreId;

/// A segment, and the records in it that count.
#[derive(Debug)]
pub(in crate::engine::disk) struct SegmentInfo {
    pub(in crate::engine::disk) number: u64,
    pub(in crate::engine::disk) path: PathBuf,
    pub(in crate::engine::disk) bytes: u64,
    /// The last commit in it and its sequence number, if any.
    pub(in crate::engine::disk) last: Option<(u64, u64)>,
    /// Where bytes begin that are neither zeros nor records that count.
    pub(in crate::engine::disk) unread: Option<u64>,
    records: Vec<Range<usize>>,
}

/// The content of a log.
#[derive(Debug)]
pub(in crate::engine::disk) struct Log {
    pub(in crate::engine::disk) oldest: Oldest,
    /// The newest commit and its sequence number.
    pub(in crate::engine::disk) commit: u64,
    pub(in crate::engine::disk) sequence: u64,
    pub(in crate::engine::disk) segments: Vec<SegmentInfo>,
    /// The segments before the oldest that is needed.
    obsolete: Vec<PathBuf>,
    fault: Option<String>,
    /// Records that follow a tear in this segment. They do not count unless one of them shows that the tear is a loss.
    torn: Option<Torn>,
}

#[derive(Debug)]
struct Torn {
    how: String,
    records: Vec<(usize, Record)>,
}

impl Log {
    /// Reads the log of a store that no engine writes to.
    pub(in crate::engine::disk) fn read(store: &Path, id: &StoreId) -> io::Result<Log> {
        Log::read_until(store, id, u64::MAX)
    }

    /// Reads the log up to this commit, after which an engine may be writing.
    pub(in crate::engine::disk) fn read_until(
        store: &Path,
        id: &StoreId,
        commit: u64,
    ) -> io::Result<Log> {
        let folder = store.join(FOLDER);
        let (oldest, fault) = match Oldest::read(&folder, id)? {
            Ok(oldest) => (oldest, None),
            Err(fault) => (Oldest::first(), Some(fault)),
        };
        let mut log = Log {
            oldest,
            commit: oldest.commit,
            sequence: oldest.sequence,
            segments: Vec::new(),
            obsolete: Vec::new(),
            fault,
            torn: None,
        };
        let mut files = segment::list(&folder)?;
        if log.fault.is_some()
            && let Some((first, _)) = files.first()
        {
            log.oldest.segment = *first;
        }
        let needed = files.partition_point(|(number, _)| *number < log.oldest.segment);
        log.obsolete = files.drain(..needed).map(|(_, path)| path).collect();
        if files.is_empty() {
            log.set_fault(|| "the log has no segment".to_owned());
        }
        let mut expected = log.oldest.segment;
        for (number, path) in files {
            if number != expected {
                log.set_fault(|| format!("the log segment {expected} is missing"));
            }
            expected = number.saturating_add(1);
            if log.commit < commit {
                log.read_segment(id, number, path, commit)?;
            }
        }
        Ok(log)
    }

    fn read_segment(
        &mut self,
        id: &StoreId,
        number: u64,
        path: PathBuf,
        until: u64,
    ) -> io::Result<()> {
        let bytes = match fs::read(&path) {
            // Removed meanwhile: the caller tells whether it should have been there.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.set_fault(|| format!("the log segment {number} is missing"));
                return Ok(());
            }
            bytes => bytes?,
        };
        if let Some(how) = header_fault(&bytes, id, number) {
            self.set_fault(|| format!("the log segment {number} {how}"));
        }
        self.segments.push(SegmentInfo {
            number,
            path,
            bytes: bytes.len() as u64,
            last: None,
            unread: None,
            records: Vec::new(),
        });
        let at = self.segments.len() - 1;
        let (seed, mut place, mut has_gap) = (Seed::new(id, number), PAGE, false);
        while self.commit < until {
            let found = record_at(&bytes, seed, place);
            if let Some(record) = found {
                place = record.end;
                self.record(at, record, has_gap);
                continue;
            }
            self.segments[at].unread.get_or_insert(place as u64);
            has_gap = true;
            match next_record(&bytes, seed, place, self.commit) {
                Some(record) => place = record.start,
                None => break,
            }
        }
        let info = &mut self.segments[at];
        let rest = info.unread.unwrap_or(place as u64) as usize;
        info.unread = (!is_empty_from(&bytes, rest)).then_some(rest as u64);
        Ok(())
    }

    /// Records a valid record, after bytes of its segment that are none if it has a gap.
    fn record(&mut self, at: usize, record: Record, has_gap: bool) {
        let header = &record.header;
        let is_next = header.commit == self.commit + 1 && header.sequence > self.sequence;
        if header.is_after_loss {
            self.fault = None;
            self.torn = None;
            return self.count(at, record);
        }
        if self.fault.is_some() {
            // All that is left, for an operator who accepts the loss.
            if header.commit > self.commit && header.sequence > self.sequence {
                self.count(at, record);
            }
            return;
        }
        let is_first = record.start as u64 == HEADER_BYTES;
        if is_next && (is_first || !has_gap && self.torn.is_none()) {
            // What follows a tear in an earlier segment did not count for the start that wrote this one either.
            self.torn = None;
            return self.count(at, record);
        }
        let number = self.segments[at].number;
        if header.commit <= self.commit || header.sequence <= self.sequence {
            let place = record.start;
            self.set_fault(|| {
                format!("the log segment {number} has a commit out of order at byte {place}")
            });
            return;
        }
        let torn_at = match self.segments[at].unread {
            Some(place) => format!("the log segment {number} cannot be read from byte {place}"),
            None => format!("commits are missing before the log segment {number}"),
        };
        let torn = self.torn.get_or_insert_with(|| Torn {
            how: torn_at,
            records: Vec::new(),
        });
        torn.records.push((at, record));
        if record.header.synced > self.commit
            && let Some(torn) = self.torn.take()
        {
            self.fault = Some(format!("{}, although later commits were synced", torn.how));
            for (at, record) in torn.records {
                self.record(at, record, true);
            }
        }
    }

    fn count(&mut self, at: usize, record: Record) {
        self.commit = record.header.commit;
        self.sequence = record.header.sequence;
        let info = &mut self.segments[at];
        info.last = Some((self.commit, self.sequence));
        match info.records.last_mut() {
            Some(range) if range.end == record.start => range.end = record.end,
            _ => info.records.push(record.start..record.end),
        }
    }

    fn set_fault(&mut self, how: impl FnOnce() -> String) {
        if self.fault.is_none() {
            self.fault = Some(how());
        }
    }

    /// Returns what was lost, if anything, given the last commit that is known to be synced.
    pub(in crate::engine::disk) fn loss(&self, synced: u64) -> Option<String> {
        let is_short = self.commit < synced;
        let short = is_short.then(|| "the log ends before the last synced commit".to_owned());
        self.fault.clone().or(short)
    }

    /// Passes the rows of each commit to `visit`, in order, with its sequence number.
    pub(in crate::engine::disk) fn replay(
        &self,
        id: &StoreId,
        mut visit: impl FnMut(u64, LoggedRow),
    ) -> io::Result<()> {
        for info in &self.segments {
            if info.records.is_empty() {
                continue;
            }
            let (bytes, seed) = (fs::read(&info.path)?, Seed::new(id, info.number));
            for range in &info.records {
                let mut place = range.start;
                while place < range.end {
                    // It was valid a moment ago.
                    let changed = || io::Error::other("the log changed while it was read");
                    let record = record_at(&bytes, seed, place).ok_or_else(changed)?;
                    let payload = record.payload(&bytes);
                    let rows = parse_rows(payload).ok_or_else(|| {
                        io::Error::new(ErrorKind::InvalidData, "a commit in the log is damaged")
                    })?;
                    for row in rows {
                        visit(record.header.sequence, row);
                    }
                    place = record.end;
                }
            }
        }
        Ok(())
    }

    /// Makes durable what was read, and removes files that do not count: segments before the oldest, and those after
    /// the last commit unless the log lost commits. Returns the number of the next segment.
    pub(in crate::engine::disk) fn settle(
        &mut self,
        store: &Path,
        has_loss: bool,
    ) -> io::Result<u64> {
        let folder = store.join(FOLDER);
        for path in self.obsolete.drain(..) {
            fs::remove_file(path)?;
        }
        segment::clean(&folder)?;
        // One segment always stays: a log without any was lost.
        while !has_loss
            && self.segments.len() > 1
            && let Some(last) = self.segments.pop_if(|last| last.last.is_none())
        {
            fs::remove_file(last.path)?;
        }
        let last = self.segments.last().map(|last| last.number);
        let next = last.map_or(self.oldest.segment, |last| last.saturating_add(1));
        for info in &self.segments {
            fs::File::open(&info.path)?.sync_data()?;
        }
        segment::sync_folder(&folder)?;
        Ok(next)
    }
}

#[cfg(test)]
mod tests;
