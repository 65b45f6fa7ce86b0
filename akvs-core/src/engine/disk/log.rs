//! The write-ahead log: every commit as one record, in segments of preallocated space.
//!
//! It owns the files of the folder `log`. It knows nothing of trees, and decides nothing about when a commit is visible.
//!
//! | file | holds |
//! | --- | --- |
//! | `N.log` | the segment with the number N, in 16 digits: a header of one page, then records; see `format` |
//! | `oldest` | the oldest segment that is needed, and the last commit before it; see `oldest` |
//! | `prepared`, `retired-N`, `oldest.new` | files in preparation or to be used again; removed at a start |
//!
//! Invariants: segments have numbers without gaps, and commits too; a start never writes to an existing segment; what
//! an earlier use of a file or a client has left is never a valid record.

mod append;
mod format;
mod oldest;
mod payload;
mod read;
mod scan;
mod segment;

pub(super) use self::append::{Appender, Head, min_segment_bytes};
pub(super) use self::format::MAX_PAYLOAD;
pub(super) use self::oldest::{FILE as OLDEST_FILE, Oldest};
pub(super) use self::payload::{LoggedRow, max_payload_bytes};
pub(super) use self::read::{Log, SegmentInfo};
pub(super) use self::segment::{FOLDER, Segment, prepare, retire, segment_path, sync_folder};
