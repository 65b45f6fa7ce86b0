//! The markers that show whether the engine's tables belong together.
//!
//! The engine writes its tables to disk one by one, and keeps what is not written yet in its journals. If the end of a
//! journal is lost, tables that were written later still have the commits that the others lost: values are missing
//! while the highest revision is present. Therefore every commit has a number, and writes it to each table that it
//! changes, in the row [`KEY`]. In the table `meta`, which every commit changes, it also writes the number of the last
//! commit that changed each other table. Invariant: in an intact store both agree for every table.
//!
//! The marker in `meta` begins with the id of the store and ends with a checksum, so that it can be recognized anywhere
//! in a file.

use xxhash_rust::xxh3::xxh3_64;

use super::super::Table;
use super::store_id::StoreId;

/// The row of the marker. No other row's key is a single zero byte, and it sorts before all of them.
pub(super) const KEY: [u8; 1] = [0];
/// The first key after it.
pub(super) const FIRST_ROW: [u8; 2] = [0, 0];

const NUMBERS: usize = 4 + Table::ALL.len();
/// The offset of the checksum in the marker of `meta`.
const CHECKSUM: usize = size_of::<StoreId>() + NUMBERS * 8;
/// The length of the marker in `meta`; those in other tables have the first number only.
pub(super) const META_BYTES: usize = CHECKSUM + 8;

/// The marker of a commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct CommitMarkers {
    /// The store of the commit.
    pub(super) store: StoreId,
    /// The number of the commit.
    pub(super) commit: u64,
    /// The number of the previous commit; 0 where commits before it are ignored.
    pub(super) previous: u64,
    /// A lower bound of the engine's own sequence number when the commit began.
    pub(super) sequence: u64,
    /// The newest commit that was known to be synced when the commit began.
    pub(super) synced: u64,
    /// The last commit that changed each table.
    pub(super) tables: [u64; Table::ALL.len()],
}

impl CommitMarkers {
    /// Returns the marker of the next commit, which changes these tables.
    pub(super) fn next(&self, touched: [bool; Table::ALL.len()]) -> CommitMarkers {
        let mut next = *self;
        next.previous = self.commit;
        next.commit += 1;
        for table in Table::ALL {
            if touched[table as usize] || table == Table::Meta {
                next.tables[table as usize] = next.commit;
            }
        }
        next
    }

    /// Encodes the row for a table.
    pub(super) fn encode(&self, table: Table) -> Vec<u8> {
        if table != Table::Meta {
            return self.commit.to_le_bytes().into();
        }
        let head = [self.commit, self.previous, self.sequence, self.synced];
        let mut row = Vec::with_capacity(META_BYTES);
        row.extend(self.store);
        for number in head.iter().chain(&self.tables) {
            row.extend(number.to_le_bytes());
        }
        row.extend(xxh3_64(&row).to_le_bytes());
        row
    }

    /// Decodes the marker in `meta`.
    pub(super) fn decode(row: &[u8]) -> Option<CommitMarkers> {
        let row: &[u8; META_BYTES] = row.try_into().ok()?;
        let (bytes, checksum) = row.split_at(CHECKSUM);
        if checksum != xxh3_64(bytes).to_le_bytes() {
            return None;
        }
        let (store, bytes) = bytes.split_first_chunk()?;
        let mut numbers = [0; NUMBERS];
        for (number, bytes) in numbers.iter_mut().zip(bytes.chunks(8)) {
            *number = u64::from_le_bytes(bytes.try_into().ok()?);
        }
        let [commit, previous, sequence, synced, tables @ ..] = numbers;
        Some(CommitMarkers {
            store: *store,
            commit,
            previous,
            sequence,
            synced,
            tables,
        })
    }

    /// Decodes the number in another table.
    pub(super) fn decode_commit(row: &[u8]) -> Option<u64> {
        row.try_into().ok().map(u64::from_le_bytes)
    }

    /// Returns what was lost, if anything, given the tables' own numbers and the last synced commit.
    pub(super) fn loss(&self, own: [u64; Table::ALL.len()], synced: u64) -> Option<String> {
        let mismatched = |table: &Table| self.tables[*table as usize] != own[*table as usize];
        if let Some(table) = Table::ALL.into_iter().find(mismatched) {
            let name = table.name();
            return Some(format!(
                "the table {name} is not at the same commit as the others"
            ));
        }
        (self.commit < synced).then(|| "the tables end before the last synced commit".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_decoded_as_it_was_encoded() {
        let markers = CommitMarkers {
            store: [3; 16],
            commit: 7,
            previous: 6,
            sequence: 9,
            synced: 6,
            tables: [1, 7, 7, 3, 7],
        };
        assert_eq!(
            CommitMarkers::decode(&markers.encode(Table::Meta)),
            Some(markers)
        );
        assert_eq!(
            CommitMarkers::decode_commit(&markers.encode(Table::Data)),
            Some(7)
        );
        assert_eq!(CommitMarkers::decode(&markers.encode(Table::Data)), None);
        let row = markers.encode(Table::Meta);
        for place in 0..row.len() {
            let mut damaged = row.clone();
            damaged[place] ^= 1;
            assert_eq!(CommitMarkers::decode(&damaged), None, "{place}");
            assert_eq!(CommitMarkers::decode(&row[..place]), None, "{place}");
        }
        assert_eq!(CommitMarkers::decode(&[0; META_BYTES]), None);
    }

    #[test]
    fn a_table_that_lost_a_commit_is_detected() {
        let touched = |tables: &[Table]| Table::ALL.map(|table| tables.contains(&table));
        let first = CommitMarkers::default().next(touched(&[Table::Data, Table::History]));
        let second = first.next(touched(&[Table::Data]));
        let loss =
            |markers: CommitMarkers, own: CommitMarkers, synced| markers.loss(own.tables, synced);
        assert_eq!(loss(second, second, 2), None);
        assert!(loss(second, first, 0).unwrap().contains("table data"));
        assert!(loss(first, first, 2).unwrap().contains("end before"));
        assert_eq!(second.tables, [0, 2, 1, 0, 2]);
    }
}
