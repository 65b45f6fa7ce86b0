//! The free space of the disk that holds the store, and the floor below which the store may not grow.
//!
//! The system is requested at most once a second, or where what was written since would reach the min_free_bytes; while the disk is
//! below it, before each commit that would add data. Where the system does not answer, there is taken to be enough.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The free space of a disk.
pub(super) struct FreeSpace {
    folder: PathBuf,
    min_free_bytes: u64,
    /// What was free, less what was written since.
    free: AtomicU64,
    is_stale: AtomicBool,
}

impl FreeSpace {
    pub(super) fn new(folder: &Path, min_free_bytes: u64) -> FreeSpace {
        FreeSpace {
            folder: folder.to_owned(),
            min_free_bytes,
            free: AtomicU64::new(0),
            is_stale: AtomicBool::new(true),
        }
    }

    /// Asks the system.
    pub(super) fn query(&self) -> u64 {
        let free = match rustix::fs::statvfs(&self.folder) {
            Ok(disk) => disk.f_bavail.saturating_mul(disk.f_frsize),
            Err(_) => u64::MAX,
        };
        self.free.store(free, Ordering::Relaxed);
        free
    }

    /// Whether so much is free.
    pub(super) fn has(&self, bytes: u64) -> bool {
        let is_stale = self.is_stale.swap(false, Ordering::Relaxed);
        !is_stale && self.free.load(Ordering::Relaxed) >= bytes || self.query() >= bytes
    }

    /// The space below which only what gives space back is written.
    pub(super) fn min_free_bytes(&self) -> u64 {
        self.min_free_bytes
    }

    /// Notes that so much was written.
    pub(super) fn wrote(&self, bytes: u64) {
        let free = self.free.load(Ordering::Relaxed);
        self.free
            .store(free.saturating_sub(bytes), Ordering::Relaxed);
    }

    /// Has the system requested at the next use; whether it was requested since this was called last.
    pub(super) fn mark_stale(&self) -> bool {
        !self.is_stale.swap(true, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_counts_until_the_system_is_asked_again() {
        let folder = tempfile::tempdir().unwrap();
        let space = FreeSpace::new(folder.path(), 1);
        let free = space.query();
        assert!(free > 0 && space.has(1));
        assert!(space.mark_stale(), "it was requested");
        assert!(!space.mark_stale());
        assert!(!space.has(u64::MAX), "no disk has so much");
        space.free.store(10, Ordering::Relaxed);
        space.wrote(9);
        assert_eq!(space.free.load(Ordering::Relaxed), 1);
        assert!(space.has(2), "it is requested where that is too little");
        let gone = FreeSpace::new(Path::new("/nowhere/at/all"), 1);
        assert!(gone.has(1 << 40));
    }
}
