//! The check of the engine's files: all of them are read from disk and compared with their checksums.
//!
//! | file | how it is checked |
//! | --- | --- |
//! | `store.id`, `log/oldest` | have checksums |
//! | `TABLE/current`, `TABLE/vM` | the former has the checksum of the latter, the current list |
//! | `TABLE/tables/M`, `TABLE/blobs/M` | the list has the checksum of the whole file |
//! | `log/N.log` | the header and each commit have checksums, and each commit follows the one before; see `log` |
//!
//! No block cache is used, and the system is asked to drop its copy of a file. While an engine writes, a missing file
//! is a finding only if a list still names it.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, fadvise};
use xxhash_rust::xxh3::Xxh3;

use super::integrity;
use super::log::{self, Log, Oldest};
use super::manifest;
use super::manifest::Manifest;
use super::store_id::{self, StoreId};
use crate::Report;
use crate::engine::Table;

const CHUNK_BYTES: usize = 1 << 20;
/// A list or the log may change while it is read; the number of tries is bounded.
const MAX_TRIES: usize = 1_000;

/// A store's files, with paths relative to the data folder.
pub(super) struct Files<'a> {
    pub(super) folder: &'a Path,
    pub(super) store: PathBuf,
    /// The state of the engine that writes to the store, if any.
    pub(super) live: Option<Live<'a>>,
    /// The newest commit that is known to be synced.
    pub(super) synced: u64,
}

/// The state of an engine that writes to the store.
pub(super) struct Live<'a> {
    /// The newest commit; later ones need not be read.
    pub(super) commit: u64,
    /// Returns the beginning of the log.
    pub(super) oldest: &'a dyn Fn() -> Oldest,
}

impl Files<'_> {
    /// Checks all files.
    pub(super) fn check(&self, report: &mut Report<'_>) -> io::Result<()> {
        report.expect_bytes(size_of_all(&self.store)?);
        for table in Table::ALL {
            self.check_table(table, report)?;
        }
        report.read_file();
        match store_id::read(&self.store)? {
            Ok(id) => self.check_log(&id, report)?,
            Err(fault) => {
                report.file(self.name(&self.store), fault);
                let why = "the log cannot be read without the store's identity";
                report.skip(self.name(&self.store), 0, None, why);
            }
        }
        if self.live.is_none() {
            self.report_others(&self.store, report, |name| {
                [store_id::FILE, log::FOLDER].contains(&name)
                    || Table::ALL.iter().any(|table| table.name() == name)
            })?;
        }
        Ok(())
    }

    /// Returns a file's path relative to the data folder.
    fn name(&self, path: &Path) -> PathBuf {
        path.strip_prefix(self.folder).unwrap_or(path).to_owned()
    }

    fn check_table(&self, table: Table, report: &mut Report<'_>) -> io::Result<()> {
        let folder = integrity::table(&self.store, table);
        let (list, listed) = match self.list(&folder)? {
            Ok(found) => found,
            Err(fault) => {
                report.file(self.name(&folder), fault);
                report.skip(self.name(&folder), 0, None, "its list of files is damaged");
                return Ok(());
            }
        };
        for file in &listed {
            self.check_file(&folder, file, report)?;
        }
        if self.live.is_some() {
            return Ok(());
        }
        let list = format!("v{list}");
        self.report_others(&folder, report, |name| {
            ["current", "tables", "blobs", &list].contains(&name)
        })?;
        for part in ["tables", "blobs"] {
            let files = listed.iter().filter(|file| file.folder == part);
            let names: HashSet<String> = files.map(|file| file.number.to_string()).collect();
            self.report_others(&folder.join(part), report, |name| names.contains(name))?;
        }
        Ok(())
    }

    /// Returns the number of the current list and the files in it, or what is wrong with it.
    fn list(&self, folder: &Path) -> io::Result<Result<(u64, Vec<Manifest>), String>> {
        let mut tries = 0;
        loop {
            tries += 1;
            let current = fs::read(folder.join("current")).ok();
            let fault = match integrity::list(folder)? {
                Ok(list) => match manifest::parse(&list.bytes) {
                    Some(listed) => return Ok(Ok((list.number, listed))),
                    None => format!("has a file v{} that cannot be read", list.number),
                },
                Err(fault) => fault,
            };
            let is_same = current.is_none() || current == fs::read(folder.join("current")).ok();
            if self.live.is_none() || is_same || tries == MAX_TRIES {
                return Ok(Err(fault));
            }
        }
    }

    fn check_file(
        &self,
        folder: &Path,
        file: &Manifest,
        report: &mut Report<'_>,
    ) -> io::Result<()> {
        let path = folder.join(file.folder).join(file.number.to_string());
        match checksum(&path, report) {
            Ok(checksum) if checksum == file.checksum => {}
            Ok(_) => report.file(self.name(&path), "has a wrong checksum"),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                if self.live.is_none() || self.is_listed(folder, file)? {
                    report.file(self.name(&path), "is missing");
                }
            }
            Err(error) => report.file(self.name(&path), format!("cannot be read: {error}")),
        }
        Ok(())
    }

    /// Returns whether a file is still in the list.
    fn is_listed(&self, folder: &Path, file: &Manifest) -> io::Result<bool> {
        let listed = self.list(folder)?.map(|(_, listed)| listed);
        Ok(listed
            .unwrap_or_default()
            .iter()
            .any(|other| (other.folder, other.number) == (file.folder, file.number)))
    }

    fn check_log(&self, id: &StoreId, report: &mut Report<'_>) -> io::Result<()> {
        let log = self.read_log(id)?;
        // That of its beginning.
        report.read_file();
        for info in &log.segments {
            report.read_file();
            report.read_bytes(info.bytes);
        }
        let folder = self.store.join(log::FOLDER);
        let synced = self.live.as_ref().map_or(self.synced, |live| live.commit);
        if let Some(fault) = log.loss(synced) {
            report.file(self.name(&folder), fault);
        } else {
            for info in &log.segments {
                if let Some(start) = info.unread {
                    let why = "an interrupted write or an earlier use of the file, which the engine ignores, or \
                        damage to commits that may not have been synced";
                    report.skip(self.name(&info.path), start, None, why);
                }
            }
        }
        if self.live.is_some() {
            return Ok(());
        }
        self.report_others(&folder, report, |name| {
            let is_read = |path: &Path| path.file_name().is_some_and(|read| read == name);
            name == log::OLDEST_FILE || log.segments.iter().any(|info| is_read(&info.path))
        })
    }

    /// Reads the log; again where segments were removed meanwhile.
    fn read_log(&self, id: &StoreId) -> io::Result<Log> {
        let Some(live) = &self.live else {
            return Log::read(&self.store, id);
        };
        let mut tries = 0;
        loop {
            tries += 1;
            let oldest = (live.oldest)();
            let log = Log::read_until(&self.store, id, live.commit);
            if oldest == (live.oldest)() || tries == MAX_TRIES {
                return log;
            }
        }
    }

    /// Reports files with unknown names as unchecked; empty files have nothing to check.
    fn report_others(
        &self,
        folder: &Path,
        report: &mut Report<'_>,
        is_known: impl Fn(&str) -> bool,
    ) -> io::Result<()> {
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        let mut others = Vec::new();
        for entry in entries {
            let entry = entry?;
            let metadata = entry.metadata()?;
            let is_empty = metadata.is_file() && metadata.len() == 0;
            if !is_empty && !is_known(&entry.file_name().to_string_lossy()) {
                others.push(entry.path());
            }
        }
        others.sort();
        for path in others {
            let why = "not part of the store: the engine ignores or removes it";
            report.skip(self.name(&path), 0, None, why);
        }
        Ok(())
    }
}

/// Returns the checksum of a whole file.
fn checksum(path: &Path, report: &mut Report<'_>) -> io::Result<u128> {
    let mut file = File::open(path)?;
    // Best effort: otherwise the system's copy is read.
    let _ = fadvise(&file, 0, None, Advice::DontNeed);
    report.read_file();
    let (mut checksum, mut chunk) = (Xxh3::new(), vec![0; CHUNK_BYTES]);
    loop {
        let length = file.read(&mut chunk)?;
        if length == 0 {
            return Ok(checksum.digest128());
        }
        checksum.update(&chunk[..length]);
        report.read_bytes(length as u64);
    }
}

/// Returns the approximate length of all files below a folder: some may be removed meanwhile.
fn size_of_all(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(0);
    };
    for entry in entries {
        let entry = entry?;
        bytes += match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => size_of_all(&entry.path())?,
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DiskEngine, DiskOptions, Finding};

    #[test]
    fn a_missing_file_is_reported_unless_it_was_replaced() {
        let folder = tempfile::tempdir().unwrap();
        drop(DiskEngine::open(&DiskOptions::new(folder.path())).unwrap());
        let found = |is_live: bool| {
            let live = Live {
                commit: 0,
                oldest: &Oldest::first,
            };
            let files = Files {
                folder: folder.path(),
                store: folder.path().join("store"),
                live: is_live.then_some(live),
                synced: 0,
            };
            let gone = Manifest {
                folder: "tables",
                number: 77,
                checksum: 0,
            };
            let mut found = Vec::new();
            let (mut sink, mut progress) = (|finding: Finding| found.push(finding), |_| ());
            let mut report = Report::new(&mut sink, &mut progress);
            let table = files.store.join("data");
            files.check_file(&table, &gone, &mut report).unwrap();
            found
        };
        assert_eq!(found(true), []);
        let missed = found(false);
        assert_eq!(missed[0].to_string(), "store/data/tables/77: is missing");
    }
}
