//! Work that callers run on the threads next to the committer, which may wait for a disk or take long: it holds up
//! neither commits nor connections.

use akvs_core::Result;

use super::Committer;

impl Committer {
    /// Does work that may wait for a disk or take long where it holds up no connection. At most a few run at once, the
    /// others wait in order; `overloaded` where too many do.
    pub fn blocking<T, W>(&self, work: W) -> impl Future<Output = Result<T>> + Send + use<T, W>
    where
        T: Send + 'static,
        W: FnOnce() -> Result<T> + Send + 'static,
    {
        self.resources().long.run(work)
    }

    /// Does work that mostly waits, such as for a disk or another thread, and computes little. At most a few run at
    /// once, the others wait in order; `overloaded` where too many do.
    pub fn waiting<T, W>(&self, work: W) -> impl Future<Output = Result<T>> + Send + use<T, W>
    where
        T: Send + 'static,
        W: FnOnce() -> Result<T> + Send + 'static,
    {
        self.resources().reads.run(work)
    }
}
