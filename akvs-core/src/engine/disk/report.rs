//! What a check of files tells beside what a check of rows does.

use std::path::PathBuf;

use crate::{Finding, Report, Unchecked};

impl Report<'_> {
    pub(crate) fn expect_bytes(&mut self, bytes: u64) {
        self.how_far.expected_bytes = bytes;
    }

    pub(crate) fn read_file(&mut self) {
        self.verified.files += 1;
    }

    pub(crate) fn read_bytes(&mut self, bytes: u64) {
        self.verified.bytes += bytes;
        self.how_far.bytes = self.verified.bytes;
        (self.progress)(self.how_far);
    }

    pub(crate) fn file(&mut self, path: impl Into<PathBuf>, how: impl Into<String>) {
        self.find(Finding::File(path.into(), how.into()));
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
}
