//! Restores a backup into a folder without a store.
//!
//! The store gets its final name only after the whole file was read and checked and all rows are on disk, so that an
//! interrupted restore leaves nothing that looks like a store. How a folder is created is up to the engine.

use std::io::Read;

use super::read::{Keep, Rows};
use super::summary::current_progress;
use super::{BackupSummary, RestoreError};
use crate::engine::disk::{DiskEngine, DiskOptions};
use crate::engine::{Batch, Durability, Engine, Table};
use crate::{Progress, Revision, Timestamp};
use crate::{encoding, recovery};

/// The size of a commit.
const BATCH_ROWS: usize = 1_000;
const BATCH_BYTES: usize = 1 << 20;

/// Restores a backup as a new store, every row unchanged. The folder may be missing or contain only the `allowed_files`
/// of the options; any other folder, in particular one with a store, is refused. After an error the folder is
/// unchanged.
///
/// The next revision is derived from the time of day and far higher than those of the backup, so that no revision
/// assigned after the backup was made is assigned again. Reading the changes since such a revision fails with
/// `history_gone`.
///
/// ```
/// use akvs_core::{Database, DiskEngine, DiskOptions, MemoryEngine, Options, Timestamp, restore};
/// use std::sync::Arc;
/// let database = Database::open(Arc::new(MemoryEngine::new()), Options::default())?;
/// let file: Vec<u8> = database.backup(Timestamp::from_millis(0), "1.2.3")?.collect::<Result<Vec<_>, _>>()?.concat();
///
/// # let temporary = tempfile::tempdir()?;
/// let options = DiskOptions::new(temporary.path().join("restored"));
/// let now = Timestamp::from_millis(1_800_000_000_000);
/// let summary = restore(&file[..], &options, now, &mut |_| ())?;
/// assert_eq!(summary.revision, database.revision());
/// let restored = Database::open(Arc::new(DiskEngine::open(&options)?), Options::default())?;
/// assert!(restored.revision() > summary.revision);
/// assert!(restore(&file[..], &options, now, &mut |_| ()).is_err(), "the folder has a store");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn restore(
    reader: impl Read,
    options: &DiskOptions,
    now: Timestamp,
    progress: &mut dyn FnMut(Progress),
) -> Result<BackupSummary, RestoreError> {
    // Before the folder is touched: most files that are not backups are refused here.
    let rows = Rows::open(reader)?;
    DiskEngine::create(options, |engine| {
        let (summary, found) = fill(engine, rows, progress)?;
        let next = recovery::revision_after_gap(found, Some(now))?;
        recovery::record_gap(engine, found, next)?;
        Ok((summary, next))
    })
}

/// Writes all rows, and returns their summary and the highest revision.
fn fill<R: Read>(
    engine: &dyn Engine,
    mut rows: Rows<R>,
    progress: &mut dyn FnMut(Progress),
) -> Result<(BackupSummary, Revision), RestoreError> {
    let mut summary = BackupSummary::default();
    let (mut batch, mut bytes) = (Batch::default(), 0);
    while let Some(row) = rows.next(Keep::All)? {
        summary.record(&row);
        bytes += row.key.len() + row.value.len();
        batch.put(row.table, row.key, row.value);
        if batch.len() >= BATCH_ROWS || bytes >= BATCH_BYTES {
            engine.commit(std::mem::take(&mut batch), Durability::Buffered)?;
            bytes = 0;
            progress(current_progress(&rows));
        }
    }
    if !batch.is_empty() {
        engine.commit(batch, Durability::Buffered)?;
    }
    progress(current_progress(&rows));
    let revision = engine.get(Table::Meta, encoding::META_REVISION)?;
    let revision = revision.map(|value| encoding::parse_number(&value));
    let revision = Revision::new(revision.transpose()?.unwrap_or_default());
    Ok((summary.complete(&rows), revision))
}
