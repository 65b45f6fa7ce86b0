//! Work that callers run on other threads because it may wait for a disk or take long: it delays neither commits nor
//! connections.

use akvs_core::Result;

use super::Committer;

impl Committer {
    /// Runs work that may wait for a disk or takes long on another thread. A few run at the same time, the others wait
    /// in order; fails with `overloaded` if too many wait.
    pub fn blocking<T, W>(&self, work: W) -> impl Future<Output = Result<T>> + Send + use<T, W>
    where
        T: Send + 'static,
        W: FnOnce() -> Result<T> + Send + 'static,
    {
        self.resources().long.run(work)
    }

    /// Runs work on another thread that mostly waits, for a disk or another thread, and computes little. A few run at
    /// the same time, the others wait in order; fails with `overloaded` if too many wait.
    pub fn waiting<T, W>(&self, work: W) -> impl Future<Output = Result<T>> + Send + use<T, W>
    where
        T: Send + 'static,
        W: FnOnce() -> Result<T> + Send + 'static,
    {
        self.resources().reads.run(work)
    }
}
