//! Backups: all rows of a database at one revision in one file, and their restore.
//!
//! A backup is written from a snapshot, so that no writer waits for it. It holds every row unchanged: entries with
//! their revisions, types and deadlines, settings, histories, and the counters of revisions and ids. Rows that an
//! engine keeps for itself are left out. Reading and writing take bounded memory, except for one value.
//!
//! A file is a header, blocks of rows, and an end. Numbers are little-endian. A checksum is the xxh3 (64 bits) of the
//! bytes of its part before it.
//!
//! | part | holds |
//! | --- | --- |
//! | header | `akvs-bak`, format u32, length u32 of what follows up to the checksum; format of the rows u64, snapshot of the backup u64 ms, highest revision u64, expected rows u64, version of the program that wrote it; checksum u64 |
//! | block | `1`, stored length u32, length u32 of the rows in it, the rows compressed by zstd, checksum u64 |
//! | end | `2`, length u32, the same u32; rows of each table 5 × u64, bytes of rows u64, SHA-256 of all before the end; checksum u64 |
//!
//! The rows of all blocks form one stream, so that a large row spans several blocks: table u8, length u16 of the key,
//! length u32 of the value, key, value. They are ordered by table, in the order of [`Table::ALL`], and key.
//!
//! Invariant: a file that was truncated, extended, or changed in any byte is never accepted as complete.
//!
//! [`Table::ALL`]: crate::engine::Table::ALL

mod check;
mod error;
mod format;
mod read;
mod restore;
mod row;
mod summary;
mod write;

pub use self::error::{BackupError, RestoreError};
pub use self::restore::restore;
pub use self::summary::{BackupSummary, verify_backup};
pub use self::write::Backup;
