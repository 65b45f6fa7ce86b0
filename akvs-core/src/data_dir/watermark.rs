//! The watermark: the newest revision known to be synced, and the revision up to which all may have been assigned.
//!
//! The file has two slots that are written in turn and synced, so that a torn write leaves the other intact.
//!
//! A buffered commit assigns revisions that a power loss can take back. They are therefore reserved in advance, many at
//! once: while commits are buffered, each write of the watermark also reserves the following revisions, so that a
//! commit rarely waits for a write of its own. Invariant: no revision above both numbers was ever assigned.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::{NEW_WATERMARK_FILE, OpenError, WATERMARK_FILE, create_new};
use crate::Revision;

/// Four numbers, and their checksum u32.
pub(super) const SLOT_BYTES: usize = 36;
const CHECKSUM: usize = SLOT_BYTES - 4;
/// Far enough apart that one torn write cannot damage both.
pub(super) const SLOT_OFFSETS: [u64; 2] = [0, 4_096];
/// The number of revisions that are reserved at once: far more than are assigned between two writes of the watermark.
const RESERVED_REVISIONS: u64 = 1 << 20;

/// The content of the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SyncedState {
    /// The number of writes.
    pub(super) number: u64,
    /// The newest revision that was synced.
    pub(super) revision: Revision,
    /// The newest commit that was synced, by the engine's count.
    pub(super) commit: u64,
    /// The revision up to which all may have been assigned, synced or not.
    pub(super) reserved: Revision,
}

pub(super) struct Watermark {
    file: File,
    state: SyncedState,
    next_slot: usize,
    /// Whether revisions are assigned before they are synced.
    reserves: bool,
}

impl Watermark {
    pub(super) fn synced_state(&self) -> SyncedState {
        self.state
    }

    /// Writes the watermark, if it is higher than before.
    pub(super) fn raise(&mut self, revision: Revision, commit: u64) -> io::Result<()> {
        let raised = self.raised(revision, commit);
        self.write(SyncedState {
            reserved: match self.reserves && raised != self.state {
                true => raised.reserved.max(last_reserved(revision)),
                false => raised.reserved,
            },
            ..raised
        })
    }

    /// Reserves a revision, unless it is reserved.
    pub(super) fn reserve(&mut self, revision: Revision) -> io::Result<()> {
        self.reserves = true;
        if revision <= self.state.reserved {
            return Ok(());
        }
        self.write(SyncedState {
            reserved: last_reserved(revision),
            ..self.state
        })
    }

    /// Writes the watermark at the end: reserved revisions that were not assigned are released.
    pub(super) fn finish(&mut self, revision: Revision, commit: u64) -> io::Result<()> {
        let raised = self.raised(revision, commit);
        self.write(SyncedState {
            reserved: raised.reserved.min(raised.revision),
            ..raised
        })
    }

    fn raised(&self, revision: Revision, commit: u64) -> SyncedState {
        SyncedState {
            revision: revision.max(self.state.revision),
            commit: commit.max(self.state.commit),
            ..self.state
        }
    }

    fn write(&mut self, state: SyncedState) -> io::Result<()> {
        if state == self.state {
            return Ok(());
        }
        let state = SyncedState {
            number: self.state.number + 1,
            ..state
        };
        self.file
            .write_all_at(&encode(state), SLOT_OFFSETS[self.next_slot])?;
        self.file.sync_data()?;
        self.state = state;
        self.next_slot = 1 - self.next_slot;
        Ok(())
    }
}

fn last_reserved(revision: Revision) -> Revision {
    Revision::new(revision.get().saturating_add(RESERVED_REVISIONS)).min(Revision::MAX)
}

/// Creates the file atomically, so that an existing file is complete.
pub(super) fn create(folder: &Path) -> io::Result<()> {
    let new = folder.join(NEW_WATERMARK_FILE);
    let file = create_new(&new)?;
    for offset in SLOT_OFFSETS {
        file.write_all_at(&encode(SyncedState::default()), offset)?;
    }
    file.sync_all()?;
    fs::rename(&new, folder.join(WATERMARK_FILE))
}

pub(super) fn open(folder: &Path) -> Result<Watermark, OpenError> {
    let damaged =
        |how: String| OpenError::Damaged(folder.to_owned(), format!("{WATERMARK_FILE} {how}"));
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(folder.join(WATERMARK_FILE))
        .map_err(|error| damaged(format!("cannot be read: {error}")))?;
    let slots = SLOT_OFFSETS.map(|offset| {
        let mut slot = [0; SLOT_BYTES];
        let read = file.read_exact_at(&mut slot, offset).ok();
        read.and_then(|()| decode(&slot))
    });
    let newest = slots.iter().flatten().max().copied();
    let state = newest.ok_or_else(|| damaged("has no valid slot".into()))?;
    Ok(Watermark {
        file,
        state,
        // The other slot is written next, so that this one survives a torn write.
        next_slot: if slots[0] == newest { 1 } else { 0 },
        reserves: false,
    })
}

fn encode(state: SyncedState) -> [u8; SLOT_BYTES] {
    let SyncedState {
        number,
        revision,
        commit,
        reserved,
    } = state;
    let numbers = [number, revision.get(), commit, reserved.get()];
    let mut slot = [0; SLOT_BYTES];
    for (place, number) in slot.chunks_exact_mut(8).zip(numbers) {
        place.copy_from_slice(&number.to_le_bytes());
    }
    let checksum = crc32fast::hash(&slot[..CHECKSUM]);
    slot[CHECKSUM..].copy_from_slice(&checksum.to_le_bytes());
    slot
}

pub(super) fn decode(slot: &[u8; SLOT_BYTES]) -> Option<SyncedState> {
    let number = |at: usize| slot[at..at + 8].try_into().ok().map(u64::from_le_bytes);
    let state = SyncedState {
        number: number(0)?,
        revision: Revision::new(number(8)?),
        commit: number(16)?,
        reserved: Revision::new(number(24)?),
    };
    (encode(state) == *slot).then_some(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(number: u64) -> Revision {
        Revision::new(number)
    }

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        create(folder.path()).unwrap();
        folder
    }

    #[test]
    fn the_watermark_survives_a_torn_write_of_its_newest_slot() {
        let folder = folder();
        let mut opened = open(folder.path()).unwrap();
        for revision in [5, 9, 7] {
            opened.raise(number(revision), 0).unwrap();
        }
        assert_eq!(opened.synced_state().revision, number(9));
        let newest = SLOT_OFFSETS[1 - opened.next_slot];
        opened.file.write_all_at(b"torn", newest).unwrap();
        drop(opened);
        let state = open(folder.path()).unwrap().synced_state();
        assert_eq!((state.number, state.revision), (1, number(5)));
    }

    #[test]
    fn reserved_revisions_survive_a_crash() {
        let folder = folder();
        let state = || open(folder.path()).unwrap().synced_state();
        let mut opened = open(folder.path()).unwrap();
        opened.raise(number(5), 1).unwrap();
        assert_eq!(state().reserved, Revision::ZERO, "nothing is reserved");
        opened.reserve(number(6)).unwrap();
        assert_eq!(state().reserved, number(6 + RESERVED_REVISIONS));
        let written = state().number;
        for revision in 7..1_000 {
            opened.reserve(number(revision)).unwrap();
        }
        assert_eq!(state().number, written, "the file is rarely written");
        opened.raise(number(999), 2).unwrap();
        assert_eq!(state().reserved, number(999 + RESERVED_REVISIONS));
        opened.finish(number(1_000), 3).unwrap();
        assert_eq!(state().reserved, number(1_000));
        assert_eq!((state().revision, state().commit), (number(1_000), 3));
    }
}
