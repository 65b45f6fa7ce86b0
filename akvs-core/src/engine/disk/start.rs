//! The start of an engine: the trees are opened, and the rows that only the log has are inserted into their memtables.

use std::path::Path;
use std::sync::Arc;

use lsm_tree::{AbstractTree, SeqNo};

use super::backlog::Backlog;
use super::compaction::Interrupt;
use super::failure::open_error;
use super::free_space::FreeSpace;
use super::log;
use super::log::{Appender, Log, LoggedRow, Oldest};
use super::log_files::LogFiles;
use super::memtables::Memtables;
use super::shared::{Core, Logged, Replayed};
use super::store_id::{self, StoreId};
use super::trees::{Trees, insert};
use super::writer::Writer;
use super::{DiskOptions, OpenError, Table};

/// Creates the files of a store without rows.
pub(super) fn create(store: &Path, options: &DiskOptions) -> Result<(), OpenError> {
    let unusable = |error| OpenError::Unusable(options.folder.clone(), error);
    drop(Trees::open(store, options, None)?);
    let id = store_id::create(store).map_err(unusable)?;
    let folder = store.join(log::FOLDER);
    std::fs::create_dir(&folder).map_err(unusable)?;
    log::sync_folder(store).map_err(unusable)?;
    Oldest::first().write(&folder, &id).map_err(unusable)?;
    // A log always has a segment.
    let bytes = log::min_segment_bytes(0);
    let first = log::prepare(&folder, &id, 1, bytes, None, &|| false);
    first.map(drop).map_err(unusable)
}

/// What a start needs to know of the store.
pub(super) struct Start<'a> {
    pub(super) store: &'a Path,
    pub(super) id: StoreId,
    pub(super) log: Log,
    /// The newest commit that is known to be synced.
    pub(super) synced: u64,
    /// What was lost, if anything, according to the log.
    pub(super) lost: Option<String>,
}

/// Starts an engine, and returns what was lost, if anything. A loss is refused unless the options accept it.
pub(super) fn start(
    start: Start<'_>,
    options: &DiskOptions,
) -> Result<(Core, Option<String>), OpenError> {
    let unusable = |error| OpenError::Unusable(options.folder.clone(), error);
    let Start {
        store,
        id,
        mut log,
        synced,
        mut lost,
    } = start;
    let space = FreeSpace::new(&options.folder, options.min_free_bytes);
    let interrupt = Arc::new(Interrupt::new(space));
    let trees = Arc::new(Trees::open(store, options, Some(&interrupt))?);
    let persisted = Table::ALL.map(|table| trees.persisted(table));
    let is_ahead = |table: &Table| persisted[*table as usize] > log.sequence;
    if let Some(table) = Table::ALL.into_iter().find(is_ahead) {
        let name = table.name();
        lost.get_or_insert_with(|| format!("the log ends before the table {name}"));
    }
    refuse(&lost, options)?;
    let backlog = Backlog::new(Arc::clone(&interrupt.space), options.memtable_bytes);
    let mut replayed = Replayed {
        trees,
        memtables: Memtables::default(),
        backlog,
    };
    replay(&log, &id, &mut replayed, persisted)
        .map_err(|error| open_error(options, error.into()))?;
    let next = log.settle(store, lost.is_some()).map_err(unusable)?;
    let folder = store.join(log::FOLDER);
    let bytes = LogFiles::first_bytes(options.memtable_bytes);
    let first = log::prepare(&folder, &id, next, bytes, None, &|| false).map_err(unusable)?;
    let logged = Logged {
        commit: log.commit.max(synced),
        sequence: persisted.into_iter().fold(log.sequence, SeqNo::max),
    };
    replayed.trees.continue_after(logged.sequence);
    let oldest = log.oldest;
    let files = LogFiles::new(
        folder,
        id,
        options.memtable_bytes,
        oldest,
        log.segments,
        &first,
    );
    let appender = Appender::new(id, first);
    let writer = Writer::new(appender, &replayed.trees, logged.commit, lost.is_some());
    let core = Core::new(replayed, files, interrupt, writer, &logged);
    Ok((core, lost))
}

/// Refuses a store that lost commits, unless the options accept that.
pub(super) fn refuse(lost: &Option<String>, options: &DiskOptions) -> Result<(), OpenError> {
    match lost {
        Some(how) if !options.accept_lost_commits => {
            Err(OpenError::Damaged(options.folder.clone(), how.clone()))
        }
        _ => Ok(()),
    }
}

/// Inserts the rows of the log that are in no file.
fn replay(
    log: &Log,
    id: &StoreId,
    replayed: &mut Replayed,
    persisted: [SeqNo; Table::ALL.len()],
) -> std::io::Result<()> {
    let Replayed {
        trees,
        memtables,
        backlog,
    } = replayed;
    let mut active = Table::ALL.map(|table| trees.tree(table).active_memtable());
    let mut last = 0;
    log.replay(id, |sequence, row| {
        if sequence != last {
            last = sequence;
            // Between two commits, as in a running engine.
            for table in Table::ALL {
                let active = &mut active[table as usize];
                let bytes = active.size();
                if backlog.committed(table, bytes)
                    && let Some(sealed) = trees.tree(table).rotate_memtable()
                {
                    *active = trees.tree(table).active_memtable();
                    // Everything in the log is synced before the engine writes files.
                    memtables.seal(table, sealed, 0);
                    backlog.sealed(table, bytes);
                }
            }
        }
        let LoggedRow { table, key, value } = row;
        if sequence > persisted[table as usize] {
            insert(&active[table as usize], key, value, sequence);
            memtables.inserted(table, sequence);
        }
    })?;
    for table in Table::ALL {
        backlog.committed(table, active[table as usize].size());
        backlog.compacted(table, trees.tree(table).l0_run_count());
    }
    Ok(())
}
