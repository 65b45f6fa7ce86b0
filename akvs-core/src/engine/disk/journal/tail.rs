//! The bytes after the last complete batch of a journal: none, a torn write, or commits after damaged bytes.

use std::io::{self, Read};

use crate::engine::disk::commit_markers::{CommitMarkers, META_BYTES};
use crate::engine::disk::store_id::StoreId;

/// Returns the rest of a file without the zeros at its end: journals are preallocated.
pub(super) fn read_tail(file: &mut impl Read) -> io::Result<Vec<u8>> {
    const CHUNK: usize = 1 << 20;
    let zeros = vec![0; CHUNK];
    let (mut rest, mut pending_zeros) = (Vec::new(), 0);
    let mut chunk = vec![0; CHUNK];
    loop {
        let length = file.read(&mut chunk)?;
        if length == 0 {
            break;
        }
        if chunk[..length] == zeros[..length] {
            pending_zeros += length;
        } else {
            rest.resize(rest.len() + std::mem::take(&mut pending_zeros), 0);
            rest.extend_from_slice(&chunk[..length]);
        }
    }
    let length = rest
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    rest.truncate(length);
    Ok(rest)
}

/// Returns the newest commit that was synced, according to the markers in these bytes.
///
/// A marker is accepted at any offset, because only the store knows its id. So each byte is read once, whatever clients
/// have stored there.
pub(super) fn synced(rest: &[u8], store: &StoreId) -> Option<u64> {
    let places = memchr::memmem::find_iter(rest, store);
    let markers =
        places.filter_map(|place| CommitMarkers::decode(rest.get(place..place + META_BYTES)?));
    markers.map(|marker| marker.synced).max()
}
