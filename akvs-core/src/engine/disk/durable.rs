//! The order in which background work becomes durable: the log, then the files of a table and the folders that name
//! them, then the table's list of files. Invariant: after a power loss between any two steps the store is intact.
//!
//! lsm-tree syncs the files, the folder of tables and the list; the log and the folder of values are synced here.

use std::fs::File;
use std::io;
use std::path::Path;
#[cfg(test)]
use std::sync::{Mutex, PoisonError};

use super::Table;

/// A step of this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(test), allow(dead_code, reason = "tests read the table"))]
pub(super) enum Step {
    /// All commits so far are in the log.
    Log,
    /// All value files so far are in their folder.
    Values,
    /// A table's list names the files of a flush.
    Flushed(Table),
    /// A table's list names the files of a compaction.
    Compacted(Table),
}

/// Performs the steps, and lets a test inspect the store after each of them.
#[derive(Default)]
pub(super) struct Durable {
    #[cfg(test)]
    probe: Mutex<Option<Probe>>,
}

#[cfg(test)]
type Probe = Box<dyn FnMut(Step) + Send>;

impl Durable {
    /// Syncs the log with this function.
    pub(super) fn log<E>(&self, sync: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        sync()?;
        self.note(Step::Log);
        Ok(())
    }

    /// Syncs the folder of value files.
    pub(super) fn values(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()?;
        self.note(Step::Values);
        Ok(())
    }

    /// Records a completed step.
    #[cfg(not(test))]
    #[allow(clippy::unused_self, reason = "tests have a probe")]
    pub(super) fn note(&self, _: Step) {}

    /// Records a completed step.
    #[cfg(test)]
    pub(super) fn note(&self, step: Step) {
        let mut probe = self.probe.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(probe) = &mut *probe {
            probe(step);
        }
    }

    /// Calls this function after each later step.
    #[cfg(test)]
    pub(super) fn probe(&self, probe: impl FnMut(Step) + Send + 'static) {
        *self.probe.lock().unwrap() = Some(Box::new(probe));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::fs;
    use std::path::PathBuf;
    use std::sync::mpsc::{Sender, channel};

    use tempfile::TempDir;

    use super::*;
    use crate::engine::disk::{integrity, log, manifest};
    use crate::engine::{Batch, Durability, Engine};
    use crate::{DiskEngine, DiskOptions};

    const KEYS: u32 = 40;

    /// Writes commits that are not synced: small rows, and values in files of their own.
    fn write(engine: &DiskEngine, byte: u8, numbers: impl Iterator<Item = u32>) {
        for number in numbers {
            let mut batch = Batch::default();
            let key = number.to_be_bytes().to_vec();
            // Bytes that cannot be compressed.
            let value: Vec<u8> = (0..200_000_u64)
                .map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8 ^ byte)
                .collect();
            batch.put(Table::Data, [&b"large"[..], &key].concat(), value);
            batch.put(Table::Data, [&b"small"[..], &key].concat(), vec![byte]);
            batch.put(Table::History, key, vec![byte]);
            engine.commit(batch, Durability::Buffered).unwrap();
        }
    }

    /// Returns the files of a store's log as they are now.
    fn log_files(store: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
        let files = fs::read_dir(store.join(log::FOLDER)).unwrap().flatten();
        // A file may be renamed meanwhile.
        files
            .filter_map(|file| Some((file.path(), fs::read(file.path()).ok()?)))
            .collect()
    }

    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap().flatten() {
            let (from, to) = (entry.path(), to.join(entry.file_name()));
            if from.is_dir() {
                copy(&from, &to);
            } else if !from.parent().unwrap().ends_with(log::FOLDER) {
                fs::copy(from, to).unwrap();
            }
        }
    }

    /// Sends a copy of what a power loss leaves when the data table has a new file: all that was synced.
    fn lose_power(folder: &Path, engine: &DiskEngine, lost: Sender<TempDir>) {
        let (folder, store) = (folder.to_owned(), folder.join("store"));
        let mut synced = log_files(&store);
        let probe = move |step| match step {
            Step::Log => synced = log_files(&store),
            Step::Flushed(Table::Data) => {
                let after = tempfile::tempdir().unwrap();
                copy(&folder, after.path());
                for (path, bytes) in &synced {
                    let path = path.strip_prefix(&folder).unwrap();
                    fs::write(after.path().join(path), bytes).unwrap();
                }
                // Only the first copy is used: others follow while files are copied.
                let _ = lost.send(after);
            }
            Step::Flushed(_) | Step::Compacted(_) | Step::Values => {}
        };
        engine.core.interrupt.durable.probe(probe);
    }

    #[test]
    fn a_flushed_table_has_no_commit_that_a_power_loss_removes() {
        let folder = tempfile::tempdir().unwrap();
        let engine = DiskEngine::open(&DiskOptions::new(folder.path())).unwrap();
        let (lost, after) = channel();
        lose_power(folder.path(), &engine, lost);
        write(&engine, 1, 0..KEYS);
        engine.background.shared().flush_now(Table::Data);
        let after = after.recv().unwrap();
        drop(engine);
        let engine = DiskEngine::open(&DiskOptions::new(after.path())).unwrap();
        for number in 0..KEYS {
            let key = [&b"small"[..], &number.to_be_bytes()].concat();
            let found = engine.get(Table::Data, &key).unwrap();
            assert_eq!(found.as_deref(), Some(&[1][..]), "{number}");
            let found = engine.get(Table::History, &number.to_be_bytes()).unwrap();
            assert!(found.is_some(), "{number}");
        }
    }

    /// Returns the existing value files, and those of them that the table's list names.
    fn values(table: &Path) -> (BTreeSet<u64>, BTreeSet<u64>) {
        let list = integrity::list(table).unwrap().unwrap();
        let listed = manifest::parse(&list.bytes).unwrap();
        let listed = listed.iter().filter(|file| file.folder == "blobs");
        let listed: BTreeSet<u64> = listed.map(|file| file.number).collect();
        let files = fs::read_dir(table.join("blobs")).unwrap().flatten();
        let present = files.map(|file| file.file_name().to_str().unwrap().parse().unwrap());
        let present: BTreeSet<u64> = present.collect();
        let named = present.intersection(&listed).copied().collect();
        (present, named)
    }

    #[test]
    fn a_value_file_is_durable_before_a_list_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let engine = DiskEngine::open(&DiskOptions::new(folder.path())).unwrap();
        let table = integrity::table(&folder.path().join("store"), Table::Data);
        let (sender, found) = channel();
        let mut new = [BTreeSet::new(), BTreeSet::new()];
        let probe = move |step| {
            let by = usize::from(std::thread::current().name() == Some("akvs-compact"));
            let (present, named) = values(&table);
            let how = match step {
                Step::Values => {
                    new[by] = &present - &named;
                    return;
                }
                Step::Flushed(Table::Data) => 0,
                Step::Compacted(Table::Data) => 1,
                Step::Flushed(_) | Step::Compacted(_) | Step::Log => return,
            };
            if !std::mem::take(&mut new[by]).is_disjoint(&named) {
                let _ = sender.send(how);
            }
        };
        engine.core.interrupt.durable.probe(probe);
        let mut is_right = [false; 2];
        for round in 1..20 {
            // Obsolete values are removed by rewriting the values next to them to another file.
            let replaced = (0..KEYS).filter(|number| round == 1 || number % 4 > 0);
            write(&engine, round, replaced);
            engine.background.shared().flush_now(Table::Data);
            while !engine.reclaim().unwrap() {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            found.try_iter().for_each(|how| is_right[how] = true);
            if is_right == [true; 2] {
                return;
            }
        }
        panic!("by a flush, by a compaction: {is_right:?}");
    }
}
