//! The admission of commits: a commit waits, before anything of it is written, for memtables to be written to files and
//! for a segment of the log.

use std::sync::MutexGuard;
use std::time::Duration;

use super::backlog::Backlog;
use super::failure::{failed_before, no_space, overloaded, too_large};
use super::writer::Writer;
use super::{Batch, DiskEngine, log};
use crate::Result;

impl DiskEngine {
    /// Waits until there is room for a commit, and returns the writer; `overloaded` after the timeout.
    pub(super) fn writer_with_room(
        &self,
        batch: &Batch,
        timeout: Duration,
    ) -> Result<MutexGuard<'_, Writer>> {
        let payload_bytes = log::max_payload_bytes(batch.len(), batch.bytes());
        if payload_bytes > log::MAX_PAYLOAD {
            return Err(too_large());
        }
        let (core, background) = (&self.core, self.background.shared());
        let mut attempts = Backlog::attempts(timeout);
        loop {
            background.failure()?;
            let mut writer = core.writer();
            if core.has_failed() {
                return Err(failed_before());
            }
            if core.backlog.has_room() && core.files.has_room() {
                if core.make_room(&mut writer, payload_bytes) {
                    return Ok(writer);
                }
                core.files.request(log::min_segment_bytes(payload_bytes));
            } else {
                core.relieve(&mut writer);
            }
            drop(writer);
            background.flush();
            if core.is_disk_full() {
                return Err(no_space());
            }
            if attempts == 0 {
                return Err(overloaded());
            }
            attempts -= 1;
            core.backlog.wait();
        }
    }
}
