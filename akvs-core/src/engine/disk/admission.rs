//! The admission of commits: a commit waits, before anything of it is written, for memtables and journals to be written
//! to files.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::DiskEngine;
use super::backlog::Backlog;
use super::failure::{guarded, no_space, overloaded, translate};
use crate::Result;

impl DiskEngine {
    /// Waits until the backlog has room for a commit; `overloaded` after the timeout.
    pub(super) fn wait_for_backlog(&self, timeout: Duration) -> Result<()> {
        let background = self.background.shared();
        let mut attempts = Backlog::attempts(timeout);
        while !background.backlog.has_room() {
            background.failure()?;
            if background.backlog.is_disk_full.load(Ordering::Relaxed) {
                return Err(no_space());
            }
            if guarded(|| background.backlog.refresh(&self.store).map_err(translate))? {
                break;
            }
            if attempts == 0 {
                return Err(overloaded());
            }
            attempts -= 1;
            background.flush(background.backlog.fullest());
            background.checkpoint();
            background.backlog.wait();
        }
        Ok(())
    }
}
