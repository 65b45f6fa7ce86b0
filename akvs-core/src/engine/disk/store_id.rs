//! The id of a store: random bytes, created with it and never changed.
//!
//! Every commit contains it, so that nothing else is taken for one: neither a part of another store's journal nor a
//! client's value, because clients do not know it. It must stay secret.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

/// The id of a store.
pub(super) type StoreId = [u8; 16];

/// The file with the id, followed by its checksum (XXH3-64, little-endian).
pub(super) const FILE: &str = "store.id";
const FILE_BYTES: usize = size_of::<StoreId>() + size_of::<u64>();

/// Creates the id of a new store.
pub(super) fn create(store: &Path) -> io::Result<StoreId> {
    let mut id = StoreId::default();
    getrandom::fill(&mut id).map_err(io::Error::other)?;
    let mut file = File::create(store.join(FILE))?;
    file.write_all(&id)?;
    file.write_all(&xxh3_64(&id).to_le_bytes())?;
    file.sync_all()?;
    File::open(store)?.sync_all()?;
    Ok(id)
}

/// Returns the id of a store, or what is wrong with its file.
pub(super) fn read(store: &Path) -> io::Result<Result<StoreId, String>> {
    let mut bytes = Vec::new();
    match File::open(store.join(FILE)) {
        Ok(file) => file.take(2 * FILE_BYTES as u64).read_to_end(&mut bytes)?,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Ok(Err(format!("the file {FILE} is missing")));
        }
        Err(error) => return Err(error),
    };
    Ok(parse(&bytes).ok_or_else(|| format!("the file {FILE} is damaged")))
}

fn parse(bytes: &[u8]) -> Option<StoreId> {
    let bytes: &[u8; FILE_BYTES] = bytes.try_into().ok()?;
    let (id, checksum) = bytes.split_first_chunk::<{ size_of::<StoreId>() }>()?;
    (checksum == xxh3_64(id).to_le_bytes()).then_some(*id)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn an_id_is_read_as_it_was_created_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(
            read(folder.path())
                .unwrap()
                .unwrap_err()
                .contains("missing")
        );
        let id = create(folder.path()).unwrap();
        assert_eq!(read(folder.path()).unwrap(), Ok(id));
        assert_ne!(id, create(folder.path()).unwrap());
        let path = folder.path().join(FILE);
        let whole = fs::read(&path).unwrap();
        for place in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[place] ^= 1;
            fs::write(&path, &damaged).unwrap();
            assert!(read(folder.path()).unwrap().is_err(), "{place}");
            fs::write(&path, &whole[..place]).unwrap();
            assert!(read(folder.path()).unwrap().is_err(), "{place}");
        }
    }
}
