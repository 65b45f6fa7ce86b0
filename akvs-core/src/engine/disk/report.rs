//! The part of a report that a check of files uses.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::data_dir::FolderReport;
use crate::{Finding, Report, Unchecked};

impl Report<'_> {
    pub(crate) fn expect_bytes(&mut self, bytes: u64) {
        self.current.expected_bytes = bytes;
    }

    pub(crate) fn read_file(&mut self) {
        self.verified.files += 1;
    }

    pub(crate) fn read_bytes(&mut self, bytes: u64) {
        self.verified.bytes += bytes;
        self.current.bytes = self.verified.bytes;
        (self.progress)(self.current);
    }

    pub(crate) fn file(&mut self, path: impl Into<PathBuf>, how: impl Into<String>) {
        self.add(Finding::File(path.into(), how.into()));
    }

    /// Reports a part that is not checked: from `start` to `end`, or to the end of the file.
    pub(crate) fn skip(
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

impl FolderReport for Report<'_> {
    fn read_file(&mut self) {
        Report::read_file(self);
    }

    fn file(&mut self, name: &str, how: String) {
        Report::file(self, name, how);
    }

    fn skip(&mut self, name: OsString, why: &str) {
        Report::skip(self, name, 0, None, why);
    }
}
