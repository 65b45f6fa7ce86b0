//! The valid records in the bytes of a segment.

use super::format::{ALIGNMENT, PAGE, RECORD_HEADER, RecordHeader, Seed};

/// How much higher the number of a commit may be than that of the last one read. A lower bound would not find all
/// records, and a higher one costs a checksum at more places that are no record.
const MAX_AHEAD: u64 = 1 << 32;

/// A record: where it begins and ends, and its header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) header: RecordHeader,
}

impl Record {
    /// Returns the payload, given the bytes of the segment.
    pub(super) fn payload<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        let start = self.start + RECORD_HEADER;
        let payload = bytes.get(start..start + self.header.payload_bytes);
        payload.unwrap_or_default()
    }
}

/// Returns the record at this place, if there is a valid one.
pub(super) fn record_at(bytes: &[u8], seed: Seed, start: usize) -> Option<Record> {
    let (header, _) = RecordHeader::parse_record(bytes, seed, start)?;
    let end = start + header.record_bytes();
    Some(Record { start, end, header })
}

/// Returns the first record after this place whose commit follows this one. Bytes that are no record are each read
/// once, whatever they claim to be.
pub(super) fn next_record(bytes: &[u8], seed: Seed, after: usize, commit: u64) -> Option<Record> {
    let mut place = after;
    while place < bytes.len() {
        if place.is_multiple_of(PAGE) && is_zero(bytes, place) {
            place += PAGE;
            continue;
        }
        let number = bytes
            .get(place + 24..place + 32)
            .and_then(|number| number.try_into().ok())
            .map(u64::from_le_bytes)?;
        if number > commit
            && number - commit < MAX_AHEAD
            && let Some(found) = record_at(bytes, seed, place)
        {
            return Some(found);
        }
        place += ALIGNMENT;
    }
    None
}

/// Returns whether a page is empty. A record may begin before it, but none within it.
fn is_zero(bytes: &[u8], page: usize) -> bool {
    bytes
        .get(page..page + PAGE)
        .is_some_and(|page| *page == [0; PAGE])
}

/// Returns whether nothing but zeros follows.
pub(super) fn is_empty_from(bytes: &[u8], place: usize) -> bool {
    let rest = bytes.get(place..).unwrap_or_default();
    rest.chunks(PAGE)
        .all(|chunk| chunk == &[0; PAGE][..chunk.len()])
}
