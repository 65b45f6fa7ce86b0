//! The parts of a backup as bytes, as the parent module describes them.

use bytes::{Buf, BufMut};
use xxhash_rust::xxh3::xxh3_64;

use crate::engine::Table;
use crate::{Revision, Timestamp};

/// The version of the file layout that the parent module describes.
pub(super) const FORMAT: u32 = 1;

pub(super) const MAGIC: [u8; 8] = *b"akvs-bak";
/// Magic, format, length.
pub(super) const HEADER_HEAD_BYTES: usize = 16;
const HEADER_NUMBERS_BYTES: usize = 32;
/// The longest version of the program, in bytes. A damaged length must not decide how much memory is allocated.
const VERSION_BYTES: usize = 256;
pub(super) const MAX_HEADER_BYTES: usize = HEADER_NUMBERS_BYTES + VERSION_BYTES;

pub(super) const CHECKSUM_BYTES: usize = 8;
/// Kind, stored length, length of the rows.
pub(super) const BLOCK_HEAD_BYTES: usize = 9;
pub(super) const ROWS: u8 = 1;
pub(super) const END: u8 = 2;

/// A block is full once its rows have this many bytes.
pub(super) const BLOCK_BYTES: usize = 160 << 10;
/// The maximum bytes of the rows in a block: one byte less than full, followed by a row's head with the longest key.
pub(super) const MAX_BLOCK_BYTES: usize = BLOCK_BYTES + ROW_HEAD_BYTES + u16::MAX as usize;
/// Table, length of the key, length of the value.
pub(super) const ROW_HEAD_BYTES: usize = 7;

const SHA256_BYTES: usize = 32;
pub(super) const END_BYTES: usize = (Table::ALL.len() + 1) * 8 + SHA256_BYTES;

/// The metadata of a backup before its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BackupHeader {
    pub(super) rows_format: u64,
    pub(super) created: Timestamp,
    pub(super) revision: Revision,
    pub(super) expected_rows: u64,
    pub(super) version: String,
}

impl BackupHeader {
    pub(super) fn encode(&self) -> Vec<u8> {
        let cut = self.version.floor_char_boundary(VERSION_BYTES);
        let version = &self.version.as_bytes()[..cut];
        let mut bytes = Vec::from(MAGIC);
        bytes.put_u32_le(FORMAT);
        bytes.put_u32_le((HEADER_NUMBERS_BYTES + version.len()) as u32);
        bytes.put_u64_le(self.rows_format);
        bytes.put_u64_le(self.created.as_millis());
        bytes.put_u64_le(self.revision.get());
        bytes.put_u64_le(self.expected_rows);
        bytes.put_slice(version);
        append_checksum(&mut bytes, 0);
        bytes
    }

    /// Decodes the bytes between the head and the checksum.
    pub(super) fn decode(mut bytes: &[u8]) -> Option<BackupHeader> {
        let header = BackupHeader {
            rows_format: bytes.try_get_u64_le().ok()?,
            created: Timestamp::from_millis(bytes.try_get_u64_le().ok()?),
            revision: Revision::new(bytes.try_get_u64_le().ok()?),
            expected_rows: bytes.try_get_u64_le().ok()?,
            version: String::from_utf8(bytes.to_vec()).ok()?,
        };
        Some(header)
    }
}

/// The metadata of a backup after its rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Trailer {
    /// The number of rows of each table.
    pub(super) rows: [u64; Table::ALL.len()],
    /// The length of the stream of rows.
    pub(super) bytes: u64,
    pub(super) sha256: [u8; SHA256_BYTES],
}

impl Trailer {
    pub(super) fn encode(&self) -> [u8; END_BYTES] {
        let mut bytes = [0; END_BYTES];
        let mut rest = &mut bytes[..];
        for rows in self.rows {
            rest.put_u64_le(rows);
        }
        rest.put_u64_le(self.bytes);
        rest.put_slice(&self.sha256);
        bytes
    }

    pub(super) fn decode(mut bytes: &[u8]) -> Option<Trailer> {
        let mut trailer = Trailer::default();
        for rows in &mut trailer.rows {
            *rows = bytes.try_get_u64_le().ok()?;
        }
        trailer.bytes = bytes.try_get_u64_le().ok()?;
        bytes.try_copy_to_slice(&mut trailer.sha256).ok()?;
        bytes.is_empty().then_some(trailer)
    }
}

/// Appends a block of this kind, with `row_bytes` bytes of rows stored as `payload`.
pub(super) fn put_block(bytes: &mut Vec<u8>, kind: u8, payload: &[u8], row_bytes: usize) {
    let start = bytes.len();
    bytes.put_u8(kind);
    bytes.put_u32_le(payload.len() as u32);
    bytes.put_u32_le(row_bytes as u32);
    bytes.put_slice(payload);
    append_checksum(bytes, start);
}

fn append_checksum(bytes: &mut Vec<u8>, start: usize) {
    let checksum = xxh3_64(&bytes[start..]);
    bytes.put_u64_le(checksum);
}

/// Returns the bytes before the checksum of a part, if the checksum is correct.
pub(super) fn verified(part: &[u8]) -> Option<&[u8]> {
    let (bytes, checksum) = part.split_last_chunk::<CHECKSUM_BYTES>()?;
    (xxh3_64(bytes) == u64::from_le_bytes(*checksum)).then_some(bytes)
}

/// Appends a row without its value.
pub(super) fn put_row_head(bytes: &mut Vec<u8>, table: Table, key: &[u8], value_bytes: usize) {
    bytes.put_u8(table as u8);
    // Engines accept no longer keys, and values fit into memory many times.
    bytes.put_u16_le(key.len() as u16);
    bytes.put_u32_le(value_bytes as u32);
    bytes.put_slice(key);
}
