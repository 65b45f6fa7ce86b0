//! The slot of a namespace's server: empty until a caller has opened the server, also after a failure.
//!
//! Opening reads the engine, which may take long. It happens under the slot's own lock, so that one of many first
//! callers opens the server, and callers of other namespaces do not wait. Invariant: a filled slot stays filled.

use std::sync::{Mutex, OnceLock, PoisonError};

use akvs_core::Result;
use akvs_server::Server;

/// The slot of a namespace's server.
#[derive(Default)]
pub(crate) struct Slot {
    server: OnceLock<Server>,
    opening: Mutex<()>,
}

impl Slot {
    /// Returns the server, if it is open.
    pub(crate) fn get(&self) -> Option<&Server> {
        self.server.get()
    }

    /// Returns the server, and opens it if no caller has. After an error the next caller tries again.
    pub(crate) fn get_or_open(&self, open: impl FnOnce() -> Result<Server>) -> Result<Server> {
        let _opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = self.server.get() {
            return Ok(server.clone());
        }
        let server = open()?;
        Ok(self.server.get_or_init(|| server).clone())
    }
}
