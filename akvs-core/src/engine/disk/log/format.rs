//! The header of a segment, and the header of a record.
//!
//! A segment begins with one page: magic, id of the store, number u64, length u64, zeros, XXH3-64 of all before. Records
//! follow at multiples of 8:
//!
//! | bytes | holds |
//! | --- | --- |
//! | 0 to 7 | checksum of bytes 8 to 47 |
//! | 8 to 15 | checksum of the payload and its padding |
//! | 16 to 19 | length of the payload |
//! | 20 to 23 | flags |
//! | 24 to 31 | number of the commit, from 1 on |
//! | 32 to 39 | sequence number of its rows |
//! | 40 to 47 | the newest commit that was known to be synced |
//! | 48 on | payload, zeros up to a multiple of 8 |
//!
//! Both checksums are XXH3-64, seeded with the id of the store, the number of the segment and the place in it. So a
//! record is valid only where it was written: not in another store, in a later use of its file, or within a value. The
//! header has a checksum of its own, so that a search for records does not read what a forged length claims.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::engine::disk::store_id::StoreId;

/// The unit in which the log is written.
pub(super) const PAGE: usize = 4_096;
/// The length of a segment's header.
pub(super) const HEADER_BYTES: u64 = PAGE as u64;
/// The length of a record's header.
pub(super) const RECORD_HEADER: usize = 48;
/// Records begin at multiples of this.
pub(super) const ALIGNMENT: usize = 8;
/// The longest payload.
pub(in crate::engine::disk) const MAX_PAYLOAD: u64 = u32::MAX as u64 - PAGE as u64;

const MAGIC: &[u8; 8] = b"AKVSLOG\x01";
const CHECKSUM: usize = PAGE - 8;
/// The first record after commits were lost: those before it need not be complete.
const AFTER_LOSS: u32 = 1;

/// Encodes the header of a segment.
pub(super) fn segment_header(id: &StoreId, number: u64, bytes: u64) -> [u8; PAGE] {
    let mut header = [0; PAGE];
    header[..8].copy_from_slice(MAGIC);
    header[8..24].copy_from_slice(id);
    header[24..32].copy_from_slice(&number.to_le_bytes());
    header[32..40].copy_from_slice(&bytes.to_le_bytes());
    let checksum = xxh3_64(&header[..CHECKSUM]);
    header[CHECKSUM..].copy_from_slice(&checksum.to_le_bytes());
    header
}

/// Returns what is wrong with a segment's header or length, if anything.
pub(super) fn header_fault(bytes: &[u8], id: &StoreId, number: u64) -> Option<&'static str> {
    let Some(header) = bytes.get(..PAGE) else {
        return Some("ends within its header");
    };
    if word(header, CHECKSUM) != Some(xxh3_64(&header[..CHECKSUM])) {
        return Some("has a damaged header");
    }
    if &header[..8] != MAGIC || header[8..24] != id[..] {
        return Some("is of another store");
    }
    if word(header, 24) != Some(number) {
        return Some("has another number in its header");
    }
    (word(header, 32) != Some(bytes.len() as u64)).then_some("has a wrong length")
}

/// The seed of the checksums in a segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seed(u64);

impl Seed {
    pub(super) fn new(id: &StoreId, segment: u64) -> Seed {
        Seed(xxh3_64_with_seed(id, segment))
    }

    fn at(self, place: usize) -> u64 {
        self.0.wrapping_add(place as u64)
    }
}

/// The header of a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RecordHeader {
    pub(super) payload_bytes: usize,
    pub(super) commit: u64,
    pub(super) sequence: u64,
    pub(super) synced: u64,
    pub(super) is_after_loss: bool,
}

impl RecordHeader {
    /// Returns the length of the whole record.
    pub(super) fn record_bytes(&self) -> usize {
        record_bytes(self.payload_bytes)
    }

    /// Fills in the header of a record whose payload and padding are complete.
    pub(super) fn seal(&self, record: &mut [u8], seed: Seed, place: usize) {
        let seed = seed.at(place);
        let Some((header, payload)) = record.split_first_chunk_mut::<RECORD_HEADER>() else {
            return;
        };
        let flags = if self.is_after_loss { AFTER_LOSS } else { 0 };
        header[8..16].copy_from_slice(&xxh3_64_with_seed(payload, seed).to_le_bytes());
        header[16..20].copy_from_slice(&(self.payload_bytes as u32).to_le_bytes());
        header[20..24].copy_from_slice(&flags.to_le_bytes());
        header[24..32].copy_from_slice(&self.commit.to_le_bytes());
        header[32..40].copy_from_slice(&self.sequence.to_le_bytes());
        header[40..48].copy_from_slice(&self.synced.to_le_bytes());
        let checksum = xxh3_64_with_seed(&header[8..], seed);
        header[..8].copy_from_slice(&checksum.to_le_bytes());
    }

    /// Decodes the header at this place of a segment, if it is valid; the payload may not be.
    pub(super) fn parse(segment: &[u8], seed: Seed, place: usize) -> Option<RecordHeader> {
        let header = segment.get(place..place.checked_add(RECORD_HEADER)?)?;
        let commit = word(header, 24).filter(|commit| *commit > 0)?;
        if word(header, 0)? != xxh3_64_with_seed(&header[8..], seed.at(place)) {
            return None;
        }
        let (length, flags) = (half(header, 16)?, half(header, 20)?);
        Some(RecordHeader {
            payload_bytes: usize::try_from(length).ok()?,
            commit,
            sequence: word(header, 32)?,
            synced: word(header, 40)?,
            is_after_loss: match flags {
                0 => false,
                AFTER_LOSS => true,
                _ => return None,
            },
        })
    }

    /// Decodes the record at this place of a segment, if all of it is valid. Returns its payload as well.
    pub(super) fn parse_record(
        segment: &[u8],
        seed: Seed,
        place: usize,
    ) -> Option<(RecordHeader, &[u8])> {
        let header = RecordHeader::parse(segment, seed, place)?;
        let end = place.checked_add(header.record_bytes())?;
        let payload = segment.get(place + RECORD_HEADER..end)?;
        let checksum = word(segment, place + 8)?;
        let (payload, padding) = payload.split_at_checked(header.payload_bytes)?;
        let is_valid = padding.iter().all(|byte| *byte == 0)
            && checksum == checksum_of(segment, place, end, seed)?;
        is_valid.then_some((header, payload))
    }
}

fn checksum_of(segment: &[u8], place: usize, end: usize, seed: Seed) -> Option<u64> {
    let payload = segment.get(place + RECORD_HEADER..end)?;
    Some(xxh3_64_with_seed(payload, seed.at(place)))
}

/// Returns the length of a record with a payload of this length.
pub(super) fn record_bytes(payload_bytes: usize) -> usize {
    (RECORD_HEADER + payload_bytes).next_multiple_of(ALIGNMENT)
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    let word = bytes.get(at..at.checked_add(8)?)?;
    word.try_into().ok().map(u64::from_le_bytes)
}

fn half(bytes: &[u8], at: usize) -> Option<u32> {
    let half = bytes.get(at..at.checked_add(4)?)?;
    half.try_into().ok().map(u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: StoreId = [7; 16];
    const PLACE: usize = PAGE + 64;

    fn segment(payload: &[u8]) -> (Vec<u8>, RecordHeader) {
        let header = RecordHeader {
            payload_bytes: payload.len(),
            commit: 9,
            sequence: 12,
            synced: 8,
            is_after_loss: false,
        };
        let mut bytes = vec![0; PLACE + header.record_bytes() + 100];
        bytes[PLACE + RECORD_HEADER..][..payload.len()].copy_from_slice(payload);
        let record = &mut bytes[PLACE..PLACE + header.record_bytes()];
        header.seal(record, Seed::new(&ID, 3), PLACE);
        (bytes, header)
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        for length in [0, 1, 7, 8, 9, 4_000, 100_000] {
            let payload = vec![0xab; length];
            let (bytes, header) = segment(&payload);
            let found = RecordHeader::parse_record(&bytes, Seed::new(&ID, 3), PLACE);
            assert_eq!(found, Some((header, &payload[..])));
        }
    }

    #[test]
    fn a_record_is_valid_only_where_it_was_written() {
        let (bytes, _) = segment(b"payload");
        let is_valid = |bytes: &[u8], id: &StoreId, number, place| {
            RecordHeader::parse_record(bytes, Seed::new(id, number), place).is_some()
        };
        assert!(is_valid(&bytes, &ID, 3, PLACE));
        assert!(!is_valid(&bytes, &ID, 4, PLACE), "another segment");
        assert!(!is_valid(&bytes, &[8; 16], 3, PLACE), "another store");
        let moved = [&[0; 8][..], &bytes].concat();
        assert!(!is_valid(&moved, &ID, 3, PLACE + 8), "another place");
    }

    #[test]
    fn a_changed_byte_or_a_cut_makes_a_record_invalid() {
        let (bytes, header) = segment(b"a payload of some length");
        let seed = Seed::new(&ID, 3);
        for place in PLACE..PLACE + header.record_bytes() {
            for flip in [1, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[place] ^= flip;
                let found = RecordHeader::parse_record(&damaged, seed, PLACE);
                assert_eq!(found, None, "byte {place} ^ {flip}");
            }
            assert_eq!(
                RecordHeader::parse_record(&bytes[..place], seed, PLACE),
                None,
                "cut at {place}"
            );
        }
        assert_eq!(RecordHeader::parse(&[0; 2 * PAGE], seed, PAGE), None);
    }

    #[test]
    fn a_changed_byte_of_a_segments_header_is_detected() {
        let mut bytes = segment_header(&ID, 3, 2 * PAGE as u64).to_vec();
        bytes.resize(2 * PAGE, 0);
        assert_eq!(header_fault(&bytes, &ID, 3), None);
        for place in 0..PAGE {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1;
            assert!(header_fault(&damaged, &ID, 3).is_some(), "{place}");
        }
        for cut in [0, 1, PAGE - 1, PAGE, 2 * PAGE - 1] {
            assert!(header_fault(&bytes[..cut], &ID, 3).is_some(), "{cut}");
        }
        bytes.push(0);
        assert_eq!(header_fault(&bytes, &ID, 3), Some("has a wrong length"));
        bytes.pop();
        assert_eq!(
            header_fault(&bytes, &ID, 4),
            Some("has another number in its header")
        );
        assert_eq!(
            header_fault(&bytes, &[8; 16], 3),
            Some("is of another store")
        );
    }
}
