//! What follows the last whole batch of a journal: nothing, an interrupted write, or commits behind a damaged place.

use std::io::{self, Read};

use crate::engine::disk::commit_markers::{CommitMarkers, META_BYTES};
use crate::engine::disk::store_id::StoreId;

/// What is left of a file, without the zeros at its end: a journal is made longer than what is in it.
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

/// The newest commit that is known to have been synced by the markers in what follows an unreadable place.
///
/// A marker counts wherever it stands: only the store itself can have written its identity. So this reads each byte once,
/// whatever clients have stored there.
pub(super) fn synced(rest: &[u8], store: &StoreId) -> Option<u64> {
    let places = memchr::memmem::find_iter(rest, store);
    let markers =
        places.filter_map(|place| CommitMarkers::decode(rest.get(place..place + META_BYTES)?));
    markers.map(|marker| marker.synced).max()
}
