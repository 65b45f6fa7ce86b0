//! What holds a commit up before anything of it is written: memtables and journals that wait to be written to files.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::DiskEngine;
use super::failure::{guarded, no_space, overloaded, translate};
use super::room::Room;
use crate::Result;

impl DiskEngine {
    /// Waits until there is room for a commit; `overloaded` where there is none in time.
    pub(super) fn wait_for_room(&self, patience: Duration) -> Result<()> {
        let background = self.background.shared();
        let mut looks = Room::looks(patience);
        while !background.room.is_there() {
            background.failure()?;
            if background.room.is_short.load(Ordering::Relaxed) {
                return Err(no_space());
            }
            if guarded(|| background.room.look(&self.store).map_err(translate))? {
                break;
            }
            if looks == 0 {
                return Err(overloaded());
            }
            looks -= 1;
            background.flush(background.room.fullest());
            background.checkpoint();
            background.room.wait();
        }
        Ok(())
    }
}
