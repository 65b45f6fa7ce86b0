//! The files that a failed flush or compaction left. lsm-tree removes them only at the next start, but on a full disk
//! their space is needed before.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::integrity;
use super::manifest;

const FOLDERS: [&str; 2] = ["tables", "blobs"];

/// The files of a table before work that may leave others.
pub(super) struct OrphanFiles {
    folder: PathBuf,
    names: HashSet<(usize, OsString)>,
}

impl OrphanFiles {
    pub(super) fn list(folder: &Path) -> OrphanFiles {
        OrphanFiles {
            folder: folder.to_owned(),
            names: files(folder).collect(),
        }
    }

    /// Removes the files that were created since and that the table's list does not name. No other thread may write
    /// files of this table. Files that cannot be checked stay until the next start.
    pub(super) fn remove_others(self) {
        let Ok(Ok(list)) = integrity::list(&self.folder) else {
            return;
        };
        let Some(listed) = manifest::parse(&list.bytes) else {
            return;
        };
        let listed: HashSet<(&str, String)> = listed
            .iter()
            .map(|file| (file.folder, file.number.to_string()))
            .collect();
        for (at, name) in files(&self.folder) {
            let is_listed = listed.contains(&(FOLDERS[at], name.to_string_lossy().into_owned()));
            let path = self.folder.join(FOLDERS[at]).join(&name);
            if !is_listed && !self.names.contains(&(at, name)) {
                // Otherwise the next start removes it.
                let _ = fs::remove_file(path);
            }
        }
    }
}

fn files(folder: &Path) -> impl Iterator<Item = (usize, OsString)> {
    FOLDERS.into_iter().enumerate().flat_map(move |(at, name)| {
        let entries = fs::read_dir(folder.join(name)).into_iter().flatten();
        entries.flatten().map(move |entry| (at, entry.file_name()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DiskEngine, DiskOptions};

    #[test]
    fn only_new_files_that_no_list_names_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        drop(DiskEngine::open(&DiskOptions::new(folder.path())).unwrap());
        let table = folder.path().join("store/data");
        let file = |name: &str| table.join(name);
        fs::write(file("tables/900"), b"of an older version").unwrap();
        let before = OrphanFiles::list(&table);
        fs::write(file("tables/901"), b"left over").unwrap();
        fs::write(file("blobs/7"), b"left over").unwrap();
        before.remove_others();
        assert!(file("tables/900").exists());
        assert!(!file("tables/901").exists() && !file("blobs/7").exists());
        assert!(file("current").exists());
    }
}
