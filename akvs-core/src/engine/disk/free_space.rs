//! The free space of the disk that holds the store, and the minimum below which the store may not grow.
//!
//! The system is asked before each commit whether the commit fits. For the minimum, it is asked at most once a second, or
//! where the bytes written since would reach the minimum. If the system does not answer, the space counts as
//! sufficient.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The free space of a disk.
pub(super) struct FreeSpace {
    folder: PathBuf,
    min_free_bytes: u64,
    /// The free bytes, less those written since.
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

    /// Returns whether this much space is free.
    pub(super) fn has(&self, bytes: u64) -> bool {
        let is_stale = self.is_stale.swap(false, Ordering::Relaxed);
        !is_stale && self.free.load(Ordering::Relaxed) >= bytes || self.query() >= bytes
    }

    /// Returns the space below which only commits that free space are accepted.
    pub(super) fn min_free_bytes(&self) -> u64 {
        self.min_free_bytes
    }

    /// Records written bytes.
    pub(super) fn wrote(&self, bytes: u64) {
        let free = self.free.load(Ordering::Relaxed);
        self.free
            .store(free.saturating_sub(bytes), Ordering::Relaxed);
    }

    /// Lets the next use ask the system, and returns whether it was asked since the last call.
    pub(super) fn mark_stale(&self) -> bool {
        !self.is_stale.swap(true, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_bytes_count_until_the_system_is_asked_again() {
        let folder = tempfile::tempdir().unwrap();
        let space = FreeSpace::new(folder.path(), 1);
        let free = space.query();
        assert!(free > 0 && space.has(1));
        assert!(space.mark_stale(), "the system was asked");
        assert!(!space.mark_stale());
        assert!(!space.has(u64::MAX), "no disk has this much free space");
        space.free.store(10, Ordering::Relaxed);
        space.wrote(9);
        assert_eq!(space.free.load(Ordering::Relaxed), 1);
        assert!(
            space.has(2),
            "the system is asked again where the remaining space is too low"
        );
        let gone = FreeSpace::new(Path::new("/nowhere/at/all"), 1);
        assert!(gone.has(1 << 40));
    }
}
