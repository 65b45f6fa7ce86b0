//! The start of an engine: the trees are opened, and the rows that only the log has are inserted into their memtables.

use std::path::Path;
use std::sync::Arc;

use lsm_tree::{AbstractTree, SeqNo};

use super::backlog::Backlog;
use super::compaction::Interrupt;
use super::failure::open_error;
use super::free_space::FreeSpace;
use super::integrity;
use super::log;
use super::log::{Appender, Log, LoggedRow, Oldest};
use super::log_files::LogFiles;
use super::memtables::Memtables;
use super::shared::{Core, Logged, Replayed};
use super::snapshot::DiskSnapshot;
use super::snapshots::Snapshots;
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
    store: &'a Path,
    id: StoreId,
    log: Log,
    /// The newest commit that is known to be synced.
    synced: u64,
    /// What was lost, if anything, according to the log.
    lost: Option<String>,
}

impl<'a> Start<'a> {
    /// Reads a store whose folder is locked. Damage is refused. So is a loss, unless the options accept it.
    pub(super) fn read(
        store: &'a Path,
        synced: u64,
        options: &DiskOptions,
    ) -> Result<Start<'a>, OpenError> {
        let unusable = |error| OpenError::Unusable(options.folder.clone(), error);
        let damaged = |how| OpenError::Damaged(options.folder.clone(), how);
        if let Some(fault) = integrity::first_fault(store).map_err(unusable)? {
            return Err(damaged(fault));
        }
        let id = store_id::read(store).map_err(unusable)?;
        let id = id.map_err(damaged)?;
        let log = Log::read(store, &id).map_err(unusable)?;
        let lost = log.loss(synced);
        refuse(&lost, options)?;
        Ok(Start {
            store,
            id,
            log,
            synced,
            lost,
        })
    }

    /// Opens the trees and inserts the rows that only the log has into their memtables. Nothing is written, but lsm-tree
    /// removes files that no list names.
    fn load(&mut self, options: &DiskOptions) -> Result<Loaded, OpenError> {
        let space = FreeSpace::new(&options.folder, options.min_free_bytes);
        let interrupt = Arc::new(Interrupt::new(space));
        let trees = Arc::new(Trees::open(self.store, options, Some(&interrupt))?);
        let persisted = Table::ALL.map(|table| trees.persisted(table));
        let is_ahead = |table: &Table| persisted[*table as usize] > self.log.sequence;
        if let Some(table) = Table::ALL.into_iter().find(is_ahead) {
            let name = table.name();
            self.lost
                .get_or_insert_with(|| format!("the log ends before the table {name}"));
        }
        refuse(&self.lost, options)?;
        let backlog = Backlog::new(Arc::clone(&interrupt.space), options.memtable_bytes);
        let mut replayed = Replayed {
            trees,
            memtables: Memtables::default(),
            backlog,
        };
        replay(&self.log, &self.id, &mut replayed, persisted)
            .map_err(|error| open_error(options, error.into()))?;
        let sequence = persisted.into_iter().fold(self.log.sequence, SeqNo::max);
        replayed.trees.continue_after(sequence);
        Ok(Loaded {
            replayed,
            interrupt,
            sequence,
        })
    }

    /// Returns the rows of the store. No file of it is written.
    pub(super) fn read_rows(mut self, options: &DiskOptions) -> Result<DiskSnapshot, OpenError> {
        let loaded = self.load(options)?;
        let registered = Snapshots::new(loaded.sequence).register();
        Ok(DiskSnapshot::new(loaded.replayed.trees, registered))
    }

    /// Starts an engine, and returns what was lost, if anything.
    pub(super) fn start(
        mut self,
        options: &DiskOptions,
    ) -> Result<(Core, Option<String>), OpenError> {
        let unusable = |error| OpenError::Unusable(options.folder.clone(), error);
        let Loaded {
            replayed,
            interrupt,
            sequence,
        } = self.load(options)?;
        let Start {
            store,
            id,
            mut log,
            synced,
            lost,
        } = self;
        let next = log.settle(store, lost.is_some()).map_err(unusable)?;
        let folder = store.join(log::FOLDER);
        let bytes = LogFiles::first_bytes(options.memtable_bytes);
        let first = log::prepare(&folder, &id, next, bytes, None, &|| false).map_err(unusable)?;
        let logged = Logged {
            commit: log.commit.max(synced),
            sequence,
        };
        let files = LogFiles::new(
            folder,
            id,
            options.memtable_bytes,
            log.oldest,
            log.segments,
            &first,
        );
        let appender = Appender::new(id, first);
        let writer = Writer::new(appender, &replayed.trees, logged.commit, lost.is_some());
        let core = Core::new(replayed, files, interrupt, writer, &logged);
        Ok((core, lost))
    }
}

/// The opened trees with all rows of the store.
struct Loaded {
    replayed: Replayed,
    interrupt: Arc<Interrupt>,
    /// The sequence number of the newest row.
    sequence: SeqNo,
}

/// Refuses a store that lost commits, unless the options accept that.
fn refuse(lost: &Option<String>, options: &DiskOptions) -> Result<(), OpenError> {
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
