//! A restore creates a complete store, or leaves the folder unchanged; it never touches an existing store.

use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use akvs_core::engine::Durability;
use akvs_core::{
    BackupError, Database, DiskEngine, DiskOptions, OpenError, Options, RestoreError, restore,
};

use crate::common::{NOW, at, disk, disk_engine, listing, memory};
use crate::sample_data::{Prng, all_rows, backup, copy, write};

fn file() -> Vec<u8> {
    let database = memory();
    write(&database, &mut Prng(3), 300, Durability::Buffered);
    backup(&database)
}

fn refused(file: impl Read, folder: &Path) -> RestoreError {
    restore(file, &DiskOptions::new(folder), at(NOW), &mut |_| ()).expect_err("a restore")
}

#[test]
fn a_folder_with_other_files_is_refused_and_unchanged() {
    let file = file();
    for name in ["notes.txt", "store", "akvs.format", "data/deep"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "mine").unwrap();
        let before = listing(folder.path());
        let error = refused(&file[..], folder.path());
        let first = name.split('/').next().unwrap();
        assert!(error.to_string().contains(&format!("{first:?}")), "{error}");
        assert_eq!(listing(folder.path()), before);
    }
}

#[test]
fn a_store_is_refused_whether_it_is_in_use_or_not() {
    let file = file();
    let folder = tempfile::tempdir().unwrap();
    let database = disk(folder.path());
    write(&database, &mut Prng(4), 10, Durability::Synced);
    for _ in 0..2 {
        let error = refused(&file[..], folder.path());
        let expected = matches!(&error, RestoreError::Folder(OpenError::NotEmpty(..)));
        assert!(expected, "{error}");
    }
    database.close().unwrap();
    drop(database);
    let before = listing(folder.path());
    let error = refused(&file[..], folder.path());
    assert!(error.to_string().contains("already has a store"), "{error}");
    assert_eq!(listing(folder.path()), before);
}

#[test]
fn allowed_files_may_exist() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tokens.toml"), "theirs").unwrap();
    let mut options = DiskOptions::new(folder.path());
    let file = file();
    restore(&file[..], &options, at(NOW), &mut |_| ()).expect_err("a restore");
    options.allowed_files.push("tokens.toml".into());
    restore(&file[..], &options, at(NOW), &mut |_| ()).unwrap();
    let tokens = fs::read(folder.path().join("tokens.toml")).unwrap();
    assert_eq!(tokens, b"theirs");
}

#[test]
fn an_incomplete_file_leaves_no_trace() {
    let file = file();
    let outside = tempfile::tempdir().unwrap();
    let mut flipped = file.clone();
    flipped[file.len() / 2] ^= 4;
    let mut late = file.clone();
    late[file.len() - 60] ^= 4;
    let cut = &file[..file.len() * 2 / 3];
    let not_a_backup = b"else".repeat(100);
    for (broken, how) in [
        (&flipped[..], "damaged at byte"),
        (&late, "damaged at byte"),
        (cut, "ends at byte"),
        (&not_a_backup, "not a backup"),
    ] {
        let path = outside.path().join("made/for/this");
        let error = refused(broken, &path).to_string();
        assert!(error.contains(how), "{error}");
        assert!(listing(outside.path()).is_empty(), "folders were left");
        let folder = tempfile::tempdir().unwrap();
        refused(broken, folder.path());
        assert!(listing(folder.path()).is_empty(), "files were left");
        restore(
            &file[..],
            &DiskOptions::new(folder.path()),
            at(NOW),
            &mut |_| (),
        )
        .unwrap();
    }
}

/// Copies the folder after this many bytes were read, as a killed process would leave it.
struct Witness<'a> {
    file: &'a [u8],
    left: usize,
    folder: &'a Path,
    copy: &'a Path,
}

impl Read for Witness<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let length = bytes.len().min(1_000).min(self.file.len());
        if self.left > 0 && self.left <= length {
            copy(self.folder, self.copy);
        }
        self.left = self.left.saturating_sub(length);
        self.file.read(&mut bytes[..length])
    }
}

#[test]
fn a_killed_restore_leaves_no_store_and_can_be_repeated() {
    let file = file();
    for part in [3, 2, 1] {
        let [folder, again, started] = [(); 3].map(|()| tempfile::tempdir().unwrap());
        let witness = Witness {
            file: &file,
            left: file.len() / part,
            folder: folder.path(),
            copy: again.path(),
        };
        restore(
            witness,
            &DiskOptions::new(folder.path()),
            at(NOW),
            &mut |_| (),
        )
        .unwrap();
        assert!(again.path().join("store.new").exists(), "copied too early");
        copy(again.path(), started.path());
        restore(
            &file[..],
            &DiskOptions::new(again.path()),
            at(NOW),
            &mut |_| (),
        )
        .unwrap();
        let restored = disk_engine(folder.path());
        assert_eq!(all_rows(&*disk_engine(again.path())), all_rows(&*restored));
        let engine = Arc::new(DiskEngine::open(&DiskOptions::new(started.path())).unwrap());
        assert!(
            all_rows(&*engine).is_empty(),
            "the store has a part of the rows"
        );
        Database::open(engine, Options::default()).unwrap();
    }
}

#[test]
fn a_restored_store_has_its_watermark() {
    let folder = tempfile::tempdir().unwrap();
    let options = DiskOptions::new(folder.path());
    let summary = restore(&file()[..], &options, at(NOW), &mut |_| ()).unwrap();
    let engine = disk_engine(folder.path());
    assert!(engine.watermark().unwrap() > summary.revision);
    assert!(!engine.lost_commits());
}

#[test]
fn a_failing_reader_is_distinguished_from_a_truncated_file() {
    let file = file();
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("read failed"))
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let error = refused((&file[..5_000]).chain(Failing), folder.path());
    let expected = matches!(
        &error,
        RestoreError::Backup(BackupError::Unreadable(5_000, _))
    );
    assert!(expected, "{error}");
    assert!(listing(folder.path()).is_empty());
}
