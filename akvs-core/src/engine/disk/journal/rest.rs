//! What follows the last whole batch of a journal: nothing, an interrupted write, or commits behind a damaged place.

use std::io::{self, Read};

use super::{ITEM, Input, START, START_BYTES};
use crate::engine::disk::marks::Marks;

/// What is left of a file, without the zeros at its end: a journal is made longer than what is in it.
pub(super) fn read_rest(file: &mut impl Read) -> io::Result<Vec<u8>> {
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

/// The mark of the last whole batch in what follows an unreadable place.
pub(super) fn later_batch(rest: &[u8]) -> Option<Marks> {
    let (mut at, mut last) = (0, None);
    while at + START_BYTES < rest.len() {
        if rest[at] == START && rest[at + START_BYTES] == ITEM {
            let mut input = Input::new(&rest[at..]);
            if let Ok(batch) = input.batch() {
                last = Some(batch.mark);
                at += usize::try_from(input.position).unwrap_or(usize::MAX);
                continue;
            }
        }
        at += 1;
    }
    last
}
