//! A data directory of another format: refused by every verb, and unchanged.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use akvs_core::FORMAT;

use crate::backup::verb;
use crate::common::Server;

/// The bytes, modification time, mode and inode of a file or directory.
type Listed = (Option<Vec<u8>>, SystemTime, u32, u64);

/// Returns all files below a directory.
fn tree(folder: &Path) -> BTreeMap<PathBuf, Listed> {
    let mut found = BTreeMap::new();
    let mut paths = vec![folder.to_owned()];
    while let Some(path) = paths.pop() {
        let metadata = fs::metadata(&path).unwrap();
        if metadata.is_dir() {
            let entries = fs::read_dir(&path).unwrap();
            paths.extend(entries.map(|entry| entry.unwrap().path()));
        }
        let bytes = metadata.is_file().then(|| fs::read(&path).unwrap());
        let modified = metadata.modified().unwrap();
        found.insert(path, (bytes, modified, metadata.mode(), metadata.ino()));
    }
    found
}

#[test]
fn every_verb_refuses_another_format_and_changes_nothing() {
    for (other, way_out) in [
        (FORMAT + 1, "use a newer release"),
        (
            FORMAT - 1,
            "back it up with the release that wrote it, then restore the backup",
        ),
        (
            FORMAT - 2,
            "export it with the release that wrote it, then import the export",
        ),
    ] {
        refused_by_every_verb(other, way_out);
    }
}

fn refused_by_every_verb(other: u64, way_out: &str) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data, &[]);
    assert_eq!(server.ask("POST", "/kv/ns/key", b"value").status, 201);
    server.stop();
    fs::write(data.join("akvs.format"), format!("akvs {other}\n")).unwrap();
    let before = tree(&data);
    let file = folder.path().join("file");
    let text = format!(
        "the data directory {} has format {other}: this release reads format {FORMAT}; {way_out}",
        data.display()
    );
    for arguments in [
        &["serve", "--listen", "127.0.0.1:0"][..],
        &["start", "--listen", "127.0.0.1:0"],
        &["console", "--listen", "127.0.0.1:0"],
        &["backup", file.to_str().unwrap()],
        &["verify"],
    ] {
        let refused = verb(&data, arguments);
        refused.assert_refused(1, &[&text]);
        assert!(refused.stderr.trim_end().ends_with(way_out));
        assert!(tree(&data) == before, "{arguments:?}");
    }
    assert!(!file.exists());
    let ran = verb(&data, ["doctor"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stdout.contains(&text), "{ran:?}");
}
