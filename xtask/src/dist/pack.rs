//! The tarball and its checksum.
//!
//! It owns the headers of the archive: a fixed order, owner, date and mode. Invariant: it reads neither files nor the
//! clock, so that the same arguments give the same bytes.

use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::{Compression, GzBuilder};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use super::layout::Entry;
use crate::shell::Result;

/// The code of an unknown operating system in a gzip header (RFC 1952).
const UNKNOWN_SYSTEM: u8 = 255;

/// Writes the tarball, and next to it a checksum file for `sha256sum --check`.
pub(super) fn write(tarball: &Path, folder: &str, entries: &[Entry], epoch: u64) -> Result {
    let bytes = pack(folder, entries, epoch)?;
    let name = tarball.file_name().ok_or("a tarball without a name")?;
    let line = format!("{}  {}\n", sha256(&bytes), name.to_string_lossy());
    fs::write(tarball, bytes)?;
    let mut checksum_file = tarball.as_os_str().to_owned();
    checksum_file.push(".sha256");
    fs::write(checksum_file, line)?;
    Ok(())
}

/// Returns the SHA-256 in hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn pack(folder: &str, entries: &[Entry], epoch: u64) -> Result<Vec<u8>> {
    let gzip = GzBuilder::new()
        .operating_system(UNKNOWN_SYSTEM)
        .write(Vec::new(), Compression::best());
    let mut tar = Builder::new(gzip);
    let mut last = "";
    append(&mut tar, &format!("{folder}/"), None, epoch)?;
    for entry in entries {
        for parent in parents(&entry.path).filter(|parent| !last.starts_with(*parent)) {
            append(&mut tar, &format!("{folder}/{parent}"), None, epoch)?;
        }
        if !entry.is_dir() {
            let path = format!("{folder}/{}", entry.path);
            append(&mut tar, &path, Some(entry), epoch)?;
        }
        last = &entry.path;
    }
    Ok(tar.into_inner()?.finish()?)
}

/// Returns the parent directories of a path, outermost first, each with a trailing slash.
fn parents(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..=at])
}

/// Appends a file, or a directory if there is none.
fn append(tar: &mut Builder<impl Write>, path: &str, file: Option<&Entry>, epoch: u64) -> Result {
    let bytes = file.map_or(&[][..], |entry| &entry.bytes);
    let mut header = Header::new_ustar();
    header.set_path(path)?;
    header.set_mode(file.map_or(0o755, |entry| entry.mode));
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(epoch);
    header.set_size(bytes.len().try_into()?);
    header.set_entry_type(file.map_or(EntryType::Directory, |_| EntryType::Regular));
    header.set_cksum();
    tar.append(&header, bytes)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, mode: u32, text: &str) -> Entry {
        Entry {
            path: path.to_owned(),
            mode,
            bytes: text.as_bytes().to_vec(),
        }
    }

    /// Returns path, mode, owner, date and content of each entry.
    fn unpack(bytes: &[u8]) -> Vec<(String, u32, u64, u64, String)> {
        let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(bytes));
        let entries = tar.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let mut text = String::new();
            std::io::Read::read_to_string(&mut entry, &mut text).unwrap();
            let header = entry.header();
            (
                String::from_utf8(entry.path_bytes().into_owned()).unwrap(),
                header.mode().unwrap(),
                header.uid().unwrap() + header.gid().unwrap(),
                header.mtime().unwrap(),
                text,
            )
        });
        entries.collect()
    }

    #[test]
    fn each_file_follows_its_directories() {
        let entries = [
            file("a", 0o644, "1"),
            file("b/c/d", 0o755, "2"),
            file("b/c/e", 0o600, "3"),
            file("b/f", 0o644, ""),
            file("b/g/", 0o644, ""),
        ];
        let packed = pack("top", &entries, 7).unwrap();
        let entry = |path: &str, mode, text: &str| (path.to_owned(), mode, 0, 7, text.to_owned());
        assert_eq!(
            unpack(&packed),
            [
                entry("top/", 0o755, ""),
                entry("top/a", 0o644, "1"),
                entry("top/b/", 0o755, ""),
                entry("top/b/c/", 0o755, ""),
                entry("top/b/c/d", 0o755, "2"),
                entry("top/b/c/e", 0o600, "3"),
                entry("top/b/f", 0o644, ""),
                entry("top/b/g/", 0o755, ""),
            ]
        );
        assert_eq!(packed, pack("top", &entries, 7).unwrap());
    }

    #[test]
    fn sha256sum_accepts_the_checksum_file() {
        let folder = tempfile::tempdir().unwrap();
        let tarball = folder.path().join("a.tar.gz");
        write(&tarball, "a", &[file("b", 0o644, "c")], 0).unwrap();
        let mut check = std::process::Command::new("sha256sum");
        check
            .args(["--check", "--status", "a.tar.gz.sha256"])
            .current_dir(&folder);
        assert!(check.status().unwrap().success());
        fs::write(&tarball, "something else").unwrap();
        assert!(!check.status().unwrap().success());
    }
}
