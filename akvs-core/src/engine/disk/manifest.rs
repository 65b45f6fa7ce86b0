//! The list of a table's files, with the checksum of each whole file.
//!
//! The engine writes these checksums but never verifies them: it verifies single blocks and values when it reads them,
//! and some parts of a file not at all. `integrity` verifies the list itself.

use bytes::Buf;

/// Magic, version, kind of checksum, checksum u128, offset of the contents u64, their length u64.
const TRAILER_BYTES: usize = 38;

/// A file, and the xxh3 (128 bits) of its content.
pub(super) struct Manifest {
    pub(super) folder: &'static str,
    pub(super) number: u64,
    pub(super) checksum: u128,
}

/// Returns the files that a list names; none where it cannot be read.
pub(super) fn parse(list: &[u8]) -> Option<Vec<Manifest>> {
    let mut files = Vec::new();
    let mut tables = section(list, b"tables")?;
    for _ in 0..tables.try_get_u8().ok()? {
        for _ in 0..tables.try_get_u8().ok()? {
            for _ in 0..tables.try_get_u32_le().ok()? {
                files.push(listed(&mut tables, "tables")?);
                // The sequence number of all of its rows, where they share one.
                tables.try_get_u64_le().ok()?;
            }
        }
    }
    let mut blobs = section(list, b"blob_files")?;
    for _ in 0..blobs.try_get_u32_le().ok()? {
        files.push(listed(&mut blobs, "blobs")?);
    }
    Some(files)
}

fn listed(bytes: &mut &[u8], folder: &'static str) -> Option<Manifest> {
    let number = bytes.try_get_u64_le().ok()?;
    // The kind of checksum: there is only one.
    (bytes.try_get_u8().ok()? == 0).then_some(())?;
    Some(Manifest {
        folder,
        number,
        checksum: bytes.try_get_u128_le().ok()?,
    })
}

/// Returns a section of the list, by its name in the table of contents at the end.
fn section<'a>(list: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut trailer = list.get(list.len().checked_sub(TRAILER_BYTES)?..)?;
    trailer.advance(22);
    let mut contents = list.get(usize::try_from(trailer.get_u64_le()).ok()?..)?;
    contents.try_get_u32().ok()?;
    for _ in 0..contents.try_get_u32_le().ok()? {
        let start = usize::try_from(contents.try_get_u64_le().ok()?).ok()?;
        let length = usize::try_from(contents.try_get_u64_le().ok()?).ok()?;
        let name_bytes = usize::from(contents.try_get_u16_le().ok()?);
        if contents.get(..name_bytes)? == name {
            return list.get(start..start.checked_add(length)?);
        }
        contents.advance(name_bytes);
    }
    None
}
