//! Making a store of a backup, in a folder that has none.
//!
//! The store gets its name only once all of the file was read and found whole, and all of its rows are on disk: before
//! that nothing that an interrupted restore leaves is taken for a store. It does not know how a folder is made.

use std::io::Read;

use super::read::{Keep, Rows};
use super::summary::current_progress;
use super::{BackupSummary, RestoreError};
use crate::engine::disk::{DiskEngine, DiskOptions};
use crate::engine::{Batch, Durability, Engine, Table};
use crate::{Progress, Revision, Timestamp};
use crate::{encoding, recovery};

/// So much is committed at once.
const BATCH_ROWS: usize = 1_000;
const BATCH_BYTES: usize = 1 << 20;

/// Makes a store from a backup: every row as it was. The folder may be missing, or hold what `beside` names; anything
/// else, and another store above all, is refused. After an error it is as it was.
///
/// The next revision is the one that the time of day stands for, far after the backup's last, so that none is used
/// again that was given out after the backup was made: changes since one of those are `history_gone`.
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
/// assert!(restore(&file[..], &options, now, &mut |_| ()).is_err(), "there is a store now");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn restore(
    reader: impl Read,
    options: &DiskOptions,
    now: Timestamp,
    progress: &mut dyn FnMut(Progress),
) -> Result<BackupSummary, RestoreError> {
    // Before the folder is touched: most of what is not a backup is refused here.
    let rows = Rows::open(reader)?;
    DiskEngine::make(options, |engine| {
        let (summary, found) = fill(engine, rows, progress)?;
        let next = recovery::revision_after_gap(found, Some(now))?;
        recovery::record_gap(engine, found, next)?;
        Ok((summary, next))
    })
}

/// Writes all rows; what they came to, and the highest revision that there is.
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
