//! Which format a database had when it was opened. What formats there are, the rows say; how one becomes another, the
//! group that makes the first change. Invariant: it is told as it was found, whatever has changed since.

use super::Database;

impl Database {
    /// The format of the data as it was found, where it is older than the newest, which the first change makes it.
    ///
    /// ```
    /// use akvs_core::{Database, MemoryEngine, Options};
    /// let database = Database::open(std::sync::Arc::new(MemoryEngine::new()), Options::default())?;
    /// assert_eq!(database.older_format(), None);
    /// # Ok::<(), akvs_core::Error>(())
    /// ```
    pub fn older_format(&self) -> Option<u64> {
        self.0.older_format
    }
}
