//! The tarball and its checksum: files in a fixed order, with a fixed owner, date and mode.
//!
//! Reads no file and no clock: what goes in comes as arguments, so that the same gives the same bytes.

use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::{Compression, GzBuilder};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use super::layout::Part;
use crate::shell::Result;

/// What gzip calls a system that it does not know: the right one would be the building machine's.
const NO_SYSTEM: u8 = 255;

/// Writes the tarball, and next to it its checksum as `sha256sum -c` reads it.
pub(super) fn write(tarball: &Path, folder: &str, parts: &[Part], epoch: u64) -> Result {
    let bytes = pack(folder, parts, epoch)?;
    let name = tarball.file_name().ok_or("a tarball without a name")?;
    let line = format!("{}  {}\n", sha256(&bytes), name.to_string_lossy());
    fs::write(tarball, bytes)?;
    let mut beside = tarball.as_os_str().to_owned();
    beside.push(".sha256");
    fs::write(beside, line)?;
    Ok(())
}

/// In hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn pack(folder: &str, parts: &[Part], epoch: u64) -> Result<Vec<u8>> {
    let gzip = GzBuilder::new()
        .operating_system(NO_SYSTEM)
        .write(Vec::new(), Compression::best());
    let mut tar = Builder::new(gzip);
    let mut last = "";
    append(&mut tar, &format!("{folder}/"), None, epoch)?;
    for part in parts {
        for above in folders(&part.path).filter(|above| !last.starts_with(*above)) {
            append(&mut tar, &format!("{folder}/{above}"), None, epoch)?;
        }
        if !part.is_folder() {
            let path = format!("{folder}/{}", part.path);
            append(&mut tar, &path, Some(part), epoch)?;
        }
        last = &part.path;
    }
    Ok(tar.into_inner()?.finish()?)
}

/// The folders above a file, the outermost first, each with a `/` at its end.
fn folders(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..=at])
}

/// A file, or without one a folder.
fn append(tar: &mut Builder<impl Write>, path: &str, file: Option<&Part>, epoch: u64) -> Result {
    let bytes = file.map_or(&[][..], |part| &part.bytes);
    let mut header = Header::new_ustar();
    header.set_path(path)?;
    header.set_mode(file.map_or(0o755, |part| part.mode));
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

    fn part(path: &str, mode: u32, text: &str) -> Part {
        Part {
            path: path.to_owned(),
            mode,
            bytes: text.as_bytes().to_vec(),
        }
    }

    /// Path, mode, owner, date and content of each entry.
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
    fn all_parts_are_in_it_below_their_folders() {
        let parts = [
            part("a", 0o644, "1"),
            part("b/c/d", 0o755, "2"),
            part("b/c/e", 0o600, "3"),
            part("b/f", 0o644, ""),
            part("b/g/", 0o644, ""),
        ];
        let packed = pack("top", &parts, 7).unwrap();
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
        assert_eq!(packed, pack("top", &parts, 7).unwrap());
    }

    #[test]
    fn the_checksum_is_one_that_its_tool_reads() {
        let folder = tempfile::tempdir().unwrap();
        let tarball = folder.path().join("a.tar.gz");
        write(&tarball, "a", &[part("b", 0o644, "c")], 0).unwrap();
        let mut check = std::process::Command::new("sha256sum");
        check
            .args(["--check", "--status", "a.tar.gz.sha256"])
            .current_dir(&folder);
        assert!(check.status().unwrap().success());
        fs::write(&tarball, "something else").unwrap();
        assert!(!check.status().unwrap().success());
    }
}
