//! The oldest segment that is needed, so that a start detects when it is missing, and the state before it.
//!
//! The file is replaced before segments are removed. It has three numbers and their checksum, seeded with the store's id.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::segment::sync_folder;
use crate::engine::disk::store_id::StoreId;

pub(in crate::engine::disk) const FILE: &str = "oldest";
pub(super) const NEW_FILE: &str = "oldest.new";
const BYTES: usize = 32;
const CHECKSUM: usize = BYTES - 8;
/// Seeds the checksum of the store's id, which seeds that of the file. No segment has this number.
const SEED: u64 = u64::MAX;

/// The beginning of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine::disk) struct Oldest {
    /// The number of the oldest segment.
    pub(in crate::engine::disk) segment: u64,
    /// The last commit before it.
    pub(in crate::engine::disk) commit: u64,
    /// The sequence number of that commit.
    pub(in crate::engine::disk) sequence: u64,
}

impl Oldest {
    /// Returns the beginning of the log of a new store.
    pub(in crate::engine::disk) fn first() -> Oldest {
        Oldest {
            segment: 1,
            commit: 0,
            sequence: 0,
        }
    }

    /// Replaces the file, and syncs it.
    pub(in crate::engine::disk) fn write(&self, log: &Path, id: &StoreId) -> io::Result<()> {
        let new = log.join(NEW_FILE);
        let mut file = File::create(&new)?;
        file.write_all(&self.encode(id))?;
        file.sync_all()?;
        fs::rename(new, log.join(FILE))?;
        sync_folder(log)
    }

    /// Reads the file, or returns what is wrong with it.
    pub(super) fn read(log: &Path, id: &StoreId) -> io::Result<Result<Oldest, String>> {
        let mut bytes = Vec::new();
        match File::open(log.join(FILE)) {
            Ok(file) => file.take(2 * BYTES as u64).read_to_end(&mut bytes)?,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(Err(format!("the file log/{FILE} is missing")));
            }
            Err(error) => return Err(error),
        };
        Ok(Oldest::decode(&bytes, id).ok_or_else(|| format!("the file log/{FILE} is damaged")))
    }

    fn encode(&self, id: &StoreId) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        for (place, number) in
            bytes
                .chunks_exact_mut(8)
                .zip([self.segment, self.commit, self.sequence])
        {
            place.copy_from_slice(&number.to_le_bytes());
        }
        let checksum = xxh3_64_with_seed(&bytes[..CHECKSUM], xxh3_64_with_seed(id, SEED));
        bytes[CHECKSUM..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8], id: &StoreId) -> Option<Oldest> {
        let bytes: &[u8; BYTES] = bytes.try_into().ok()?;
        let number = |at: usize| bytes[at..at + 8].try_into().ok().map(u64::from_le_bytes);
        let oldest = Oldest {
            segment: number(0)?,
            commit: number(8)?,
            sequence: number(16)?,
        };
        (oldest.encode(id) == *bytes).then_some(oldest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_was_written_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (path, id) = (folder.path(), [5; 16]);
        assert!(
            Oldest::read(path, &id)
                .unwrap()
                .unwrap_err()
                .contains("missing")
        );
        let oldest = Oldest {
            segment: 3,
            commit: 700,
            sequence: 800,
        };
        Oldest::first().write(path, &id).unwrap();
        oldest.write(path, &id).unwrap();
        assert_eq!(Oldest::read(path, &id).unwrap(), Ok(oldest));
        assert!(Oldest::read(path, &[6; 16]).unwrap().is_err());
        let whole = fs::read(path.join(FILE)).unwrap();
        for place in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[place] ^= 1;
            fs::write(path.join(FILE), &damaged).unwrap();
            assert!(Oldest::read(path, &id).unwrap().is_err(), "{place}");
            fs::write(path.join(FILE), &whole[..place]).unwrap();
            assert!(Oldest::read(path, &id).unwrap().is_err(), "{place}");
        }
    }
}
