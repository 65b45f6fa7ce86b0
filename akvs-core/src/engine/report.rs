//! The report of a check in progress: its findings, and its progress.

use bytes::Bytes;

use super::Table;
use super::finding::{Finding, Verified};
use crate::Progress;

/// The number of rows between two reports of progress.
const PROGRESS_ROWS: u64 = 4_096;

/// The findings and the progress of a check.
pub struct Report<'a> {
    sink: &'a mut dyn FnMut(Finding),
    pub(crate) progress: &'a mut dyn FnMut(Progress),
    pub(crate) current: Progress,
    pub(crate) verified: Verified,
}

impl<'a> Report<'a> {
    pub(crate) fn new(
        sink: &'a mut dyn FnMut(Finding),
        progress: &'a mut dyn FnMut(Progress),
    ) -> Report<'a> {
        Report {
            sink,
            progress,
            current: Progress::default(),
            verified: Verified::default(),
        }
    }

    pub(crate) fn expect_rows(&mut self, rows: u64) {
        self.current.expected_rows = rows;
    }

    pub(crate) fn read_row(&mut self) {
        self.verified.rows += 1;
        self.current.rows = self.verified.rows;
        if self.verified.rows.is_multiple_of(PROGRESS_ROWS) {
            (self.progress)(self.current);
        }
    }

    pub(crate) fn row(&mut self, table: Table, key: &[u8], how: impl Into<String>) {
        let key = Bytes::copy_from_slice(key);
        self.add(Finding::Row(table, key, how.into()));
    }

    pub(crate) fn rows(&mut self, how: impl Into<String>) {
        self.add(Finding::Rows(how.into()));
    }

    pub(crate) fn add(&mut self, finding: Finding) {
        self.verified.findings += 1;
        (self.sink)(finding);
    }

    /// Returns the number of findings so far.
    pub(crate) fn findings(&self) -> u64 {
        self.verified.findings
    }

    pub(crate) fn finish(self) -> Verified {
        (self.progress)(self.current);
        self.verified
    }
}
