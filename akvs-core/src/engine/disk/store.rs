//! fjall's handles: how its database and the keyspaces of the tables are opened, and which commits they contain.
//!
//! fjall flushes and compacts nothing on its own here: its limits are unreachable, and `background` does both.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use fjall::{CompressionType, Keyspace, KeyspaceCreateOptions, KvSeparationOptions};

use super::commit_markers;
use super::commit_markers::CommitMarkers;
use super::compaction::{self, Filters, Interrupt};
use super::failure::{damaged, open_error, translate};
use super::free_space::FreeSpace;
use super::integrity;
use super::store_id::StoreId;
use super::{DataDir, DiskOptions, OpenError, Table};
use crate::Result;

/// Larger values are stored in files of their own, so that compaction does not copy them repeatedly.
const SEPARATED_BYTES: u32 = 4 << 10;

/// fjall's handles, dropped in this order.
#[derive(Clone)]
pub(super) struct FjallStore {
    pub(super) keyspaces: [Keyspace; Table::ALL.len()],
    pub(super) database: fjall::Database,
}

impl FjallStore {
    pub(super) fn keyspace(&self, table: Table) -> &Keyspace {
        &self.keyspaces[table as usize]
    }

    /// Returns the newest marker, and the numbers in the tables.
    pub(super) fn markers(&self, id: StoreId) -> Result<(CommitMarkers, [u64; Table::ALL.len()])> {
        let none = CommitMarkers {
            store: id,
            ..CommitMarkers::default()
        };
        let (mut markers, mut own) = (none, [0; Table::ALL.len()]);
        for table in Table::ALL {
            let Some(row) = self
                .keyspace(table)
                .get(commit_markers::KEY)
                .map_err(translate)?
            else {
                continue;
            };
            let number = if table == Table::Meta {
                let found = CommitMarkers::decode(&row).filter(|found| found.store == id);
                found.map(|found| {
                    markers = found;
                    found.commit
                })
            } else {
                CommitMarkers::decode_commit(&row)
            };
            own[table as usize] = number.ok_or_else(|| damaged(None))?;
        }
        Ok((markers, own))
    }
}

/// Returns the interrupt of compactions for this folder.
pub(super) fn interrupt(folder: &DataDir, options: &DiskOptions) -> Arc<Interrupt> {
    let space = FreeSpace::new(folder.path(), options.min_free_bytes);
    Arc::new(Interrupt::new(space))
}

/// Opens fjall's files, or creates them.
pub(super) fn open(
    path: &Path,
    options: &DiskOptions,
    interrupt: Option<&Arc<Interrupt>>,
) -> std::result::Result<FjallStore, OpenError> {
    // fjall's recovery asserts the content of files.
    match catch_unwind(AssertUnwindSafe(|| try_open(path, options, interrupt))) {
        Ok(Ok(store)) => Ok(store),
        Ok(Err(error)) => Err(open_error(options, error)),
        Err(_) => Err(OpenError::Damaged(
            options.folder.clone(),
            "the store cannot be recovered".into(),
        )),
    }
}

fn try_open(
    path: &Path,
    options: &DiskOptions,
    interrupt: Option<&Arc<Interrupt>>,
) -> fjall::Result<FjallStore> {
    let mut builder = fjall::Database::builder(path)
        .cache_size(options.block_cache_bytes)
        .max_journaling_size(u64::MAX)
        .worker_threads(1)
        .manual_journal_persist(true);
    if let Some(interrupt) = interrupt.cloned() {
        let data = integrity::table(path, Table::Data);
        builder = builder.with_compaction_filter_factories(Arc::new(move |name| {
            let is_data = *name == *Table::Data.name();
            Some(Arc::new(Filters {
                interrupt: Arc::clone(&interrupt),
                values: is_data.then(|| data.join("blobs")),
            }))
        }));
    }
    let database = builder.open()?;
    let open = |table: Table| {
        database.keyspace(table.name(), || {
            let options = KeyspaceCreateOptions::default()
                .max_memtable_size(u64::MAX)
                .compaction_strategy(compaction::fjall_strategy());
            match table {
                // Not compressed: fjall does not verify the length that a compressed value claims.
                Table::Data => options.with_kv_separation(Some(
                    KvSeparationOptions::default()
                        .separation_threshold(SEPARATED_BYTES)
                        .staleness_threshold(0.5)
                        .age_cutoff(1.0)
                        .compression(CompressionType::None),
                )),
                Table::Catalogue | Table::History | Table::Deadlines | Table::Meta => options,
            }
        })
    };
    let [first, second, third, fourth, fifth] = Table::ALL;
    let keyspaces = [
        open(first)?,
        open(second)?,
        open(third)?,
        open(fourth)?,
        open(fifth)?,
    ];
    Ok(FjallStore {
        keyspaces,
        database,
    })
}
