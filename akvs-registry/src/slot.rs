//! The place of a namespace's server: empty until somebody has opened it, and again after that has failed.
//!
//! Opening reads the engine, which may take long. It is done under the slot's own lock, so that of many first callers
//! one opens the server, and those of other namespaces do not wait. Invariant: a slot that is not empty stays so.

use std::sync::{Mutex, OnceLock, PoisonError};

use akvs_core::Result;
use akvs_server::Server;

/// The place of a namespace's server.
#[derive(Default)]
pub(crate) struct Slot {
    server: OnceLock<Server>,
    opening: Mutex<()>,
}

impl Slot {
    /// The server, if it is open.
    pub(crate) fn get(&self) -> Option<&Server> {
        self.server.get()
    }

    /// The server, opened by this caller if by none before. After an error the next caller tries again.
    pub(crate) fn get_or_open(&self, open: impl FnOnce() -> Result<Server>) -> Result<Server> {
        let _opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = self.server.get() {
            return Ok(server.clone());
        }
        let server = open()?;
        Ok(self.server.get_or_init(|| server).clone())
    }
}
