//! Reads a backup row by row, and checks each block before any row of it is used.
//!
//! Only the end of the file shows whether it is complete and its rows belong together (`check`): until then nothing
//! that was read may be used. A length in the file never decides how much memory is allocated.

use std::io::{BufReader, ErrorKind, Read};

use bytes::{Buf, Bytes};
use sha2::{Digest, Sha256};
use zstd::bulk::Decompressor;

use super::BackupError;
use super::check::Check;
use super::format::{self, BackupHeader, Trailer};
use super::row::max_bytes;
use crate::encoding;
use crate::engine::Table;

/// More than zstd adds to data that it cannot compress.
const MAX_STORED_BYTES: usize = format::MAX_BLOCK_BYTES + (4 << 10);
/// The maximum bytes allocated for a value before any of it was read, and kept of a value where its head is enough.
const RESERVED_BYTES: usize = 64 << 10;

type Result<T> = std::result::Result<T, BackupError>;

/// The rows of a backup.
pub(super) struct Rows<R> {
    input: Input<R>,
    header: BackupHeader,
    decompressor: Decompressor<'static>,
    /// The rows of the block that begins at `block_start`, and how many bytes of them are consumed.
    block: Vec<u8>,
    used: usize,
    block_start: u64,
    totals: Trailer,
    last: Option<(Table, Bytes)>,
    check: Check,
    is_finished: bool,
}

/// The file, its offset and its checksum.
struct Input<R> {
    reader: BufReader<R>,
    offset: u64,
    sha256: Sha256,
}

/// A row of a backup.
pub(super) struct BackupRow {
    pub(super) table: Table,
    pub(super) key: Bytes,
    /// The value, or the part of it that is kept.
    pub(super) value: Bytes,
    /// The length of the whole value.
    pub(super) value_bytes: usize,
}

/// The part of a value that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    All,
    /// Of an entry the part before its value; other rows are whole.
    Head,
}

impl<R: Read> Rows<R> {
    /// Opens a backup and reads its header.
    pub(super) fn open(reader: R) -> Result<Rows<R>> {
        let mut input = Input {
            reader: BufReader::with_capacity(256 << 10, reader),
            offset: 0,
            sha256: Sha256::new(),
        };
        let header = read_header(&mut input)?;
        if header.rows_format != encoding::FORMAT {
            return Err(BackupError::OtherRows(header.rows_format));
        }
        Ok(Rows {
            block_start: input.offset,
            input,
            header,
            decompressor: Decompressor::new().map_err(|error| BackupError::Unreadable(0, error))?,
            block: Vec::with_capacity(format::MAX_BLOCK_BYTES),
            used: 0,
            totals: Trailer::default(),
            last: None,
            check: Check::default(),
            is_finished: false,
        })
    }

    pub(super) fn header(&self) -> &BackupHeader {
        &self.header
    }

    /// Returns the bytes of the file that were read.
    pub(super) fn file_bytes(&self) -> u64 {
        self.input.offset
    }

    pub(super) fn totals(&self) -> &Trailer {
        &self.totals
    }

    /// Returns the next row; none after the end, once the whole file was checked.
    pub(super) fn next(&mut self, keep: Keep) -> Result<Option<BackupRow>> {
        if self.used == self.block.len() && !self.next_block()? {
            let is_empty = self.totals.rows.iter().all(|rows| *rows == 0);
            let checked = self.check.end(is_empty);
            return checked.map(|()| None).map_err(|how| self.damaged(&how));
        }
        let row = self.row(keep)?;
        let recorded = self.check.record(&row);
        recorded.map_err(|how| {
            let (table, key) = (row.table.name(), row.key.escape_ascii());
            self.damaged(&format!("{table} row {key}: {how}"))
        })?;
        Ok(Some(row))
    }

    /// Reads the row at this position.
    fn row(&mut self, keep: Keep) -> Result<BackupRow> {
        let mut head = Vec::with_capacity(format::ROW_HEAD_BYTES);
        self.read_bytes(format::ROW_HEAD_BYTES, &mut head)?;
        let mut head = &head[..];
        let number = usize::from(head.get_u8());
        let table = Table::ALL.get(number).copied();
        let table = table.ok_or_else(|| self.damaged("a row has an unknown table"))?;
        let (key_bytes, value_bytes) = (usize::from(head.get_u16_le()), head.get_u32_le() as usize);
        let mut key = Vec::with_capacity(key_bytes);
        self.read_bytes(key_bytes, &mut key)?;
        let limit = max_bytes(table);
        if value_bytes > limit {
            let (what, name) = (table.name(), key.escape_ascii());
            return Err(self.damaged(&format!(
                "{what} row {name}: the value is too long: {value_bytes} bytes; the limit is {limit}"
            )));
        }
        let kept = match keep {
            // The check of any other row needs all of it; a block of the history may be longer than this.
            Keep::Head if table == Table::Data => value_bytes.min(RESERVED_BYTES),
            Keep::Head | Keep::All => value_bytes,
        };
        let mut value = Vec::with_capacity(kept.min(RESERVED_BYTES));
        self.read_bytes(kept, &mut value)?;
        self.skip(value_bytes - kept)?;
        let (key, value) = (Bytes::from(key), Bytes::from(value));
        if key.is_empty() || key == [0][..] {
            return Err(self.damaged("a row has no key"));
        }
        let before = self.last.as_ref();
        if before.is_some_and(|(of, last)| (*of as usize, last) >= (number, &key)) {
            return Err(self.damaged("a row is out of order"));
        }
        self.last = Some((table, key.clone()));
        self.totals.rows[number] += 1;
        Ok(BackupRow {
            table,
            key,
            value,
            value_bytes,
        })
    }

    fn damaged(&self, how: &str) -> BackupError {
        BackupError::Damaged(self.block_start, how.to_owned())
    }

    /// Reads the next bytes of the stream of rows.
    fn read_bytes(&mut self, length: usize, bytes: &mut Vec<u8>) -> Result<()> {
        while bytes.len() < length {
            if self.used == self.block.len() && !self.next_block()? {
                return Err(self.damaged("it ends within a row"));
            }
            let here = (length - bytes.len()).min(self.block.len() - self.used);
            bytes.extend_from_slice(&self.block[self.used..self.used + here]);
            self.used += here;
        }
        Ok(())
    }

    /// Skips the next bytes of the stream of rows.
    fn skip(&mut self, mut length: usize) -> Result<()> {
        while length > 0 {
            if self.used == self.block.len() && !self.next_block()? {
                return Err(self.damaged("it ends within a row"));
            }
            let here = length.min(self.block.len() - self.used);
            self.used += here;
            length -= here;
        }
        Ok(())
    }

    /// Reads the next block of rows; false at the end, which is checked.
    fn next_block(&mut self) -> Result<bool> {
        if self.is_finished {
            return Ok(false);
        }
        self.block_start = self.input.offset;
        let before = self.input.sha256.clone();
        let mut part = vec![0; format::BLOCK_HEAD_BYTES];
        self.input.read(&mut part)?;
        let mut head = &part[..];
        let kind = head.get_u8();
        let (stored, row_bytes) = (head.get_u32_le() as usize, head.get_u32_le() as usize);
        let is_sane = match kind {
            format::ROWS => stored <= MAX_STORED_BYTES && row_bytes <= format::MAX_BLOCK_BYTES,
            format::END => stored == format::END_BYTES && row_bytes == stored,
            _ => false,
        };
        if !is_sane {
            return Err(self.damaged("invalid block header"));
        }
        part.resize(
            format::BLOCK_HEAD_BYTES + stored + format::CHECKSUM_BYTES,
            0,
        );
        self.input.read(&mut part[format::BLOCK_HEAD_BYTES..])?;
        let Some(whole) = format::verified(&part) else {
            return Err(self.damaged("the block has a wrong checksum"));
        };
        let payload = &whole[format::BLOCK_HEAD_BYTES..];
        if kind == format::END {
            self.check_end(payload, before)?;
            return Ok(false);
        }
        self.block.clear();
        self.used = 0;
        let unpacked = self
            .decompressor
            .decompress_to_buffer(payload, &mut self.block);
        if !unpacked.is_ok_and(|length| length == row_bytes && length > 0) {
            return Err(self.damaged("the block cannot be decompressed"));
        }
        self.totals.bytes += row_bytes as u64;
        Ok(true)
    }

    fn check_end(&mut self, payload: &[u8], before: Sha256) -> Result<()> {
        self.is_finished = true;
        self.totals.sha256 = before.finalize().into();
        if Trailer::decode(payload) != Some(self.totals) {
            return Err(self.damaged("the trailer does not match the rows before it"));
        }
        let end = self.input.offset;
        match self.input.read(&mut [0]) {
            Err(BackupError::Truncated(_)) => Ok(()),
            Err(error) => Err(error),
            Ok(()) => {
                let how = "trailing data after the end".to_owned();
                Err(BackupError::Damaged(end, how))
            }
        }
    }
}

fn read_header<R: Read>(input: &mut Input<R>) -> Result<BackupHeader> {
    let damaged = |how: &str| BackupError::Damaged(0, how.to_owned());
    let mut part = vec![0; format::HEADER_HEAD_BYTES];
    input.read(&mut part[..format::MAGIC.len()])?;
    if !part.starts_with(&format::MAGIC) {
        return Err(BackupError::NotABackup);
    }
    input.read(&mut part[format::MAGIC.len()..])?;
    let mut numbers = &part[format::MAGIC.len()..];
    let (found, length) = (numbers.get_u32_le(), numbers.get_u32_le() as usize);
    if found != format::FORMAT {
        return Err(BackupError::OtherFormat(found));
    }
    if length > format::MAX_HEADER_BYTES {
        return Err(damaged("invalid header length"));
    }
    part.resize(
        format::HEADER_HEAD_BYTES + length + format::CHECKSUM_BYTES,
        0,
    );
    input.read(&mut part[format::HEADER_HEAD_BYTES..])?;
    let whole = format::verified(&part);
    let whole = whole.ok_or_else(|| damaged("the header has a wrong checksum"))?;
    BackupHeader::decode(&whole[format::HEADER_HEAD_BYTES..])
        .ok_or_else(|| damaged("the header cannot be read"))
}

impl<R: Read> Input<R> {
    /// Fills the buffer.
    fn read(&mut self, mut bytes: &mut [u8]) -> Result<()> {
        while !bytes.is_empty() {
            let length = match self.reader.read(bytes) {
                Ok(0) => return Err(BackupError::Truncated(self.offset)),
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(BackupError::Unreadable(self.offset, error)),
            };
            let (here, rest) = bytes.split_at_mut(length);
            self.sha256.update(&here);
            self.offset += length as u64;
            bytes = rest;
        }
        Ok(())
    }
}
