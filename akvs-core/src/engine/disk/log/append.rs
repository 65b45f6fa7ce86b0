//! The end of the log: encodes records and writes them in whole pages.
//!
//! The last page is kept in memory, so that it is never read back when the next record begins in it. Invariant: a failed
//! write changes nothing here, and the caller must not append again.

use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::format::{
    ALIGNMENT, HEADER_BYTES, PAGE, RECORD_HEADER, RecordHeader, Seed, record_bytes,
};
use super::payload::put_rows;
use super::segment::Segment;
use crate::engine::Row;
use crate::engine::disk::store_id::StoreId;

/// A buffer that is larger than this is given back after its record.
const MAX_KEPT_BYTES: usize = 8 << 20;

/// The numbers of a commit.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine::disk) struct Head {
    pub(in crate::engine::disk) commit: u64,
    pub(in crate::engine::disk) sequence: u64,
    /// The newest commit that is known to be synced.
    pub(in crate::engine::disk) synced: u64,
    /// Whether commits before it were lost, which was accepted.
    pub(in crate::engine::disk) is_after_loss: bool,
}

/// Appends records to a segment.
pub(in crate::engine::disk) struct Appender {
    id: StoreId,
    segment: Arc<Segment>,
    seed: Seed,
    /// Where the next record begins.
    end: u64,
    /// The bytes of the last page, if it is not full.
    buffer: Vec<u8>,
}

impl Appender {
    pub(in crate::engine::disk) fn new(id: StoreId, segment: Segment) -> Appender {
        Appender {
            id,
            seed: Seed::new(&id, segment.number),
            segment: Arc::new(segment),
            end: HEADER_BYTES,
            buffer: Vec::new(),
        }
    }

    /// Returns the segment that is written to.
    pub(in crate::engine::disk) fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    /// Returns the bytes that are in use.
    pub(in crate::engine::disk) fn used(&self) -> u64 {
        self.end
    }

    /// Returns whether a record with a payload of this length fits.
    pub(in crate::engine::disk) fn fits(&self, payload_bytes: u64) -> bool {
        segment_bytes(self.end, payload_bytes) <= self.segment.bytes
    }

    /// Continues in another segment, and returns the one before.
    pub(in crate::engine::disk) fn begin(&mut self, segment: Segment) -> Arc<Segment> {
        self.seed = Seed::new(&self.id, segment.number);
        self.end = HEADER_BYTES;
        self.buffer.clear();
        std::mem::replace(&mut self.segment, Arc::new(segment))
    }

    /// Writes a record; it is durable after the next sync of the segment. Returns the bytes that were written.
    pub(in crate::engine::disk) fn append(&mut self, head: Head, rows: &[Row]) -> io::Result<u64> {
        let start = self.buffer.len();
        let buffer = &mut self.buffer;
        buffer.resize(start + RECORD_HEADER, 0);
        put_rows(buffer, rows);
        let header = RecordHeader {
            payload_bytes: buffer.len() - start - RECORD_HEADER,
            commit: head.commit,
            sequence: head.sequence,
            synced: head.synced,
            is_after_loss: head.is_after_loss,
        };
        buffer.resize(buffer.len().next_multiple_of(ALIGNMENT), 0);
        let end = self.end + header.record_bytes() as u64;
        if end > self.segment.bytes || u32::try_from(header.payload_bytes).is_err() {
            buffer.truncate(start);
            return Err(io::Error::other("a record exceeds its segment"));
        }
        header.seal(&mut buffer[start..], self.seed, self.end as usize);
        let used = buffer.len();
        buffer.resize(used.next_multiple_of(PAGE), 0);
        let page = self.end - start as u64;
        self.segment.file.write_all_at(buffer, page)?;
        let written = buffer.len() as u64;
        let last = used / PAGE * PAGE;
        buffer.copy_within(last..used, 0);
        buffer.truncate(used - last);
        if buffer.capacity() > MAX_KEPT_BYTES {
            buffer.shrink_to(PAGE);
        }
        self.end = end;
        Ok(written)
    }
}

/// Returns the end of a record that begins at this place, at the latest.
fn segment_bytes(place: u64, payload_bytes: u64) -> u64 {
    let payload = usize::try_from(payload_bytes).unwrap_or(usize::MAX / 2);
    place.saturating_add(record_bytes(payload.min(usize::MAX / 2)) as u64)
}

/// Returns the length of a segment that has room for a payload of this length, in whole pages.
pub(in crate::engine::disk) fn min_segment_bytes(payload_bytes: u64) -> u64 {
    segment_bytes(HEADER_BYTES, payload_bytes).next_multiple_of(PAGE as u64)
}
