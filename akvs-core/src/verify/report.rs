//! Where a check tells what it finds and how far it has come, while it goes on.

use std::path::PathBuf;

use bytes::Bytes;

use super::{Finding, Unchecked, Verified};
use crate::Progress;
use crate::engine::Table;

/// After so many rows it is said how far it has come.
const PROGRESS_ROWS: u64 = 4_096;

/// What a check has found so far.
pub struct Report<'a> {
    sink: &'a mut dyn FnMut(Finding),
    progress: &'a mut dyn FnMut(Progress),
    how_far: Progress,
    verified: Verified,
}

impl<'a> Report<'a> {
    pub(crate) fn new(
        sink: &'a mut dyn FnMut(Finding),
        progress: &'a mut dyn FnMut(Progress),
    ) -> Report<'a> {
        Report {
            sink,
            progress,
            how_far: Progress::default(),
            verified: Verified::default(),
        }
    }

    pub(crate) fn expect_bytes(&mut self, bytes: u64) {
        self.how_far.expected_bytes = bytes;
    }

    pub(crate) fn expect_rows(&mut self, rows: u64) {
        self.how_far.expected_rows = rows;
    }

    pub(crate) fn read_file(&mut self) {
        self.verified.files += 1;
    }

    pub(crate) fn read_bytes(&mut self, bytes: u64) {
        self.verified.bytes += bytes;
        self.how_far.bytes = self.verified.bytes;
        (self.progress)(self.how_far);
    }

    pub(crate) fn read_row(&mut self) {
        self.verified.rows += 1;
        self.how_far.rows = self.verified.rows;
        if self.verified.rows.is_multiple_of(PROGRESS_ROWS) {
            (self.progress)(self.how_far);
        }
    }

    pub(crate) fn file(&mut self, path: impl Into<PathBuf>, how: impl Into<String>) {
        self.find(Finding::File(path.into(), how.into()));
    }

    pub(crate) fn row(&mut self, table: Table, key: &[u8], how: impl Into<String>) {
        let key = Bytes::copy_from_slice(key);
        self.find(Finding::Row(table, key, how.into()));
    }

    pub(crate) fn rows(&mut self, how: impl Into<String>) {
        self.find(Finding::Rows(how.into()));
    }

    fn find(&mut self, finding: Finding) {
        self.verified.findings += 1;
        (self.sink)(finding);
    }

    /// Notes what is not checked: from one byte up to another, or to the end.
    pub(crate) fn leave(
        &mut self,
        path: impl Into<PathBuf>,
        start: u64,
        end: Option<u64>,
        why: impl Into<String>,
    ) {
        self.verified.unchecked.push(Unchecked {
            path: path.into(),
            start,
            end,
            why: why.into(),
        });
    }

    /// How much was found so far.
    pub(crate) fn findings(&self) -> u64 {
        self.verified.findings
    }

    pub(crate) fn end(self) -> Verified {
        (self.progress)(self.how_far);
        self.verified
    }
}
