//! The end of the committer's thread, also by a panic: every waiting caller is answered.

use akvs_core::{Code, Error};

use super::Shared;
use crate::writer::{ReadyWriter, Writer};

/// Guard of the writers in a commit: rejects their requests if the commit panics.
pub(super) struct PanicGuard<'a> {
    pub(super) shared: &'a Shared,
    pub(super) writers: Vec<ReadyWriter>,
}

impl Drop for PanicGuard<'_> {
    fn drop(&mut self) {
        for writer in &self.writers {
            self.shared.reject_all(writer);
        }
    }
}

/// Guard of the thread: rejects all queued requests and ends the watches when the thread ends.
pub(super) struct ShutdownGuard<'a>(pub(super) &'a Shared);

impl Drop for ShutdownGuard<'_> {
    fn drop(&mut self) {
        let (ready, pings) = {
            let mut state = self.0.state();
            state.ended = true;
            (
                std::mem::take(&mut state.ready),
                std::mem::take(&mut state.pings),
            )
        };
        for writer in ready {
            self.0.reject_all(&writer);
        }
        // A dropped ping returns false to its caller.
        drop(pings);
        self.0.hub.close();
    }
}

impl Shared {
    /// Rejects all requests that are queued with a writer.
    pub(super) fn reject_all(&self, writer: &Writer) {
        let rejected = writer.reject_all(
            &Error::new(Code::Closing, "the server is stopping").with("retry_after_s", 1),
        );
        self.limits.discharge(rejected.len(), rejected.iter().sum());
    }
}
