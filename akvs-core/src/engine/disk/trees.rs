//! The trees of the tables, without a log of their own.
//!
//! Rows are inserted into the memtables by the writer, and memtables are written to files by `background`: a tree does
//! neither on its own. The counter of sequence numbers is shared with the trees, which take numbers for their lists of
//! files.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use lsm_tree::config::{
    BloomConstructionPolicy, CompressionPolicy, FilterPolicy, FilterPolicyEntry,
    RestartIntervalPolicy,
};
use lsm_tree::{
    AbstractTree, AnyTree, Cache, CompressionType, Config, DescriptorTable, InternalValue,
    KvSeparationOptions, Memtable, SeqNo, SequenceNumberCounter, ValueType,
};

use super::compaction::{Filters, Interrupt};
use super::failure::open_error;
use super::integrity;
use super::{DiskOptions, OpenError, Table};

/// Larger values are stored in files of their own, so that compaction does not copy them repeatedly.
const SEPARATED_BYTES: u32 = 4 << 10;
/// The maximum number of files that are kept open.
const OPEN_FILES: usize = 900;

/// One tree for each table.
pub(super) struct Trees {
    trees: [AnyTree; Table::ALL.len()],
    sequence: SequenceNumberCounter,
}

impl Trees {
    /// Opens the trees in this folder, or creates them.
    pub(super) fn open(
        store: &Path,
        options: &DiskOptions,
        interrupt: Option<&Arc<Interrupt>>,
    ) -> Result<Trees, OpenError> {
        // The recovery of a tree asserts the content of files.
        match catch_unwind(AssertUnwindSafe(|| try_open(store, options, interrupt))) {
            Ok(Ok(trees)) => Ok(trees),
            Ok(Err(error)) => Err(open_error(options, error)),
            Err(_) => Err(OpenError::Damaged(
                options.folder.clone(),
                "the store cannot be recovered".into(),
            )),
        }
    }

    pub(super) fn tree(&self, table: Table) -> &AnyTree {
        &self.trees[table as usize]
    }

    /// Returns the folder of a table.
    pub(super) fn folder(&self, table: Table) -> &Path {
        &self.tree(table).tree_config().path
    }

    /// Returns the highest sequence number in a table's files.
    pub(super) fn persisted(&self, table: Table) -> SeqNo {
        let highest = self.tree(table).get_highest_persisted_seqno();
        highest.unwrap_or_default()
    }

    /// Sets the sequence number after which the next ones follow.
    pub(super) fn continue_after(&self, sequence: SeqNo) {
        self.sequence.set(sequence.saturating_add(1));
    }

    /// Takes the next sequence number. It must be taken after a memtable is sealed: readers with a snapshot of this
    /// number look only into memtables that were there before a flush took a higher one.
    pub(super) fn next_sequence(&self) -> SeqNo {
        self.sequence.next()
    }

    /// Returns the bytes of the tables' files.
    pub(super) fn disk_space(&self) -> u64 {
        self.trees.iter().map(AbstractTree::disk_space).sum()
    }
}

fn try_open(
    store: &Path,
    options: &DiskOptions,
    interrupt: Option<&Arc<Interrupt>>,
) -> lsm_tree::Result<Trees> {
    let sequence = SequenceNumberCounter::new(1);
    let cache = Arc::new(Cache::with_capacity_bytes(options.block_cache_bytes));
    let files = Arc::new(DescriptorTable::new(OPEN_FILES));
    let open = |table: Table| {
        let folder = integrity::table(store, table);
        // Readers never use the trees' own counter of what is visible: it also counts a commit in progress.
        let ignored = SequenceNumberCounter::default();
        let config = Config::new(&folder, sequence.clone(), ignored)
            .use_cache(Arc::clone(&cache))
            .use_descriptor_table(Some(Arc::clone(&files)))
            .data_block_restart_interval_policy(RestartIntervalPolicy::new([10, 16]))
            .data_block_compression_policy(CompressionPolicy::new([
                CompressionType::None,
                CompressionType::None,
                CompressionType::Lz4,
            ]))
            .filter_policy(FilterPolicy::new([
                FilterPolicyEntry::Bloom(BloomConstructionPolicy::FalsePositiveRate(0.0001)),
                FilterPolicyEntry::Bloom(BloomConstructionPolicy::BitsPerKey(10.0)),
            ]))
            .with_kv_separation(separation(table));
        let filters = interrupt.map(|interrupt| filters(interrupt, table, &folder));
        config.with_compaction_filter_factory(filters).open()
    };
    let [first, second, third, fourth, fifth] = Table::ALL;
    Ok(Trees {
        trees: [
            open(first)?,
            open(second)?,
            open(third)?,
            open(fourth)?,
            open(fifth)?,
        ],
        sequence,
    })
}

fn separation(table: Table) -> Option<KvSeparationOptions> {
    match table {
        // Not compressed: lsm-tree does not verify the length that a compressed value claims.
        Table::Data => Some(
            KvSeparationOptions::default()
                .separation_threshold(SEPARATED_BYTES)
                .staleness_threshold(0.5)
                .age_cutoff(1.0)
                .compression(CompressionType::None),
        ),
        Table::Catalogue | Table::History | Table::Deadlines | Table::Meta => None,
    }
}

fn filters(
    interrupt: &Arc<Interrupt>,
    table: Table,
    folder: &Path,
) -> Arc<dyn lsm_tree::compaction::Factory> {
    Arc::new(Filters {
        interrupt: Arc::clone(interrupt),
        values: (table == Table::Data).then(|| folder.join("blobs")),
    })
}

/// Inserts a row into a memtable, or its removal.
pub(super) fn insert(memtable: &Memtable, key: Bytes, value: Option<Bytes>, sequence: SeqNo) {
    memtable.insert(match value {
        Some(value) => InternalValue::from_components(key, value, sequence, ValueType::Value),
        None => InternalValue::new_tombstone(key, sequence),
    });
}
