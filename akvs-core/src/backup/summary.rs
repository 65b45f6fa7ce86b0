//! The summary of a backup, and the check of a backup without a restore.

use std::io::Read;

use super::BackupError;
use super::read::{BackupRow, Keep, Rows};
use crate::encoding;
use crate::encoding::CatalogueRow;
use crate::engine::Table;
use crate::{Progress, Revision, Timestamp};

/// The number of rows between two reports of progress.
const PROGRESS_ROWS: u64 = 1_000;

/// The content of a backup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackupSummary {
    /// When the backup was made.
    pub created: Timestamp,
    /// The version of the program that made the backup.
    pub version: String,
    /// The newest revision in the backup.
    pub revision: Revision,
    /// The number of namespaces.
    pub namespaces: u64,
    /// The number of keys of all namespaces.
    pub keys: u64,
    /// The number of rows, including those of histories and deadlines.
    pub rows: u64,
    /// The length of all rows, in bytes.
    pub bytes: u64,
    /// The length of the file, in bytes.
    pub file_bytes: u64,
}

/// Reads and checks a whole backup without restoring it. Takes little memory and no disk space, whatever the backup
/// contains.
///
/// ```
/// use akvs_core::{BackupError, verify_backup};
/// let refused = verify_backup(&b"something else"[..], &mut |_| ());
/// assert!(matches!(refused, Err(BackupError::NotABackup)));
/// ```
pub fn verify_backup(
    reader: impl Read,
    progress: &mut dyn FnMut(Progress),
) -> Result<BackupSummary, BackupError> {
    let mut rows = Rows::open(reader)?;
    let mut summary = BackupSummary::default();
    while let Some(row) = rows.next(Keep::Head)? {
        summary.record(&row);
        if summary.rows.is_multiple_of(PROGRESS_ROWS) {
            progress(current_progress(&rows));
        }
    }
    progress(current_progress(&rows));
    Ok(summary.complete(&rows))
}

/// Returns the progress of reading.
pub(super) fn current_progress<R: Read>(rows: &Rows<R>) -> Progress {
    Progress {
        rows: rows.totals().rows.iter().sum(),
        expected_rows: rows.header().expected_rows,
        bytes: rows.file_bytes(),
        expected_bytes: 0,
    }
}

impl BackupSummary {
    /// Counts a row.
    pub(super) fn record(&mut self, row: &BackupRow) {
        self.rows += 1;
        let BackupRow {
            table, key, value, ..
        } = row;
        match table {
            Table::Catalogue if &key[..] >= encoding::FIRST_NAME => {
                let row = encoding::parse_catalogue(value).ok();
                self.namespaces += u64::from(row.and_then(CatalogueRow::live).is_some());
            }
            Table::Meta if encoding::counts_range().contains(key) => {
                let meta = encoding::parse_counts(value);
                self.keys += meta.map_or(0, |meta| meta.counts.keys);
            }
            Table::Catalogue | Table::Data | Table::History | Table::Deadlines | Table::Meta => {}
        }
    }

    /// Adds the metadata of the file, after all of it was read.
    pub(super) fn complete<R: Read>(self, rows: &Rows<R>) -> BackupSummary {
        BackupSummary {
            created: rows.header().created,
            version: rows.header().version.clone(),
            revision: rows.header().revision,
            bytes: rows.totals().bytes,
            file_bytes: rows.file_bytes(),
            ..self
        }
    }
}
