//! Where a check tells what it finds and how far it has come, while it goes on.

use bytes::Bytes;

use super::Table;
use super::finding::{Finding, Verified};
use crate::Progress;

/// After so many rows it is said how far it has come.
const PROGRESS_ROWS: u64 = 4_096;

/// What a check has found so far.
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

    /// How much was found so far.
    pub(crate) fn findings(&self) -> u64 {
        self.verified.findings
    }

    pub(crate) fn finish(self) -> Verified {
        (self.progress)(self.current);
        self.verified
    }
}
