//! The threads beside the committer, for what may wait for a disk or take long: they hold up neither commits nor
//! connections.

use akvs_core::Result;

use super::Committer;
use crate::thread_pool::Pool;

/// The most threads that read single entries and pages of history: as many reads as a disk does well at once.
const READ_THREADS: usize = 16;
/// The most threads for work that takes long, such as lists and exports, beside which others are to be served.
const LONG_THREADS: usize = 8;

/// The threads of a database.
pub(super) struct Threads {
    /// For reads that may wait for a disk, but not for long.
    reads: Pool,
    /// For what takes long.
    long: Pool,
}

impl Threads {
    /// Starts the first of each kind; `storage` where the system refuses one.
    pub(super) fn start() -> Result<Threads> {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Ok(Threads {
            reads: Pool::start("akvs-reads", READ_THREADS)?,
            long: Pool::start("akvs-long", cores.clamp(2, LONG_THREADS))?,
        })
    }
}

impl Committer {
    /// Does work that may wait for a disk or take long where it holds up no connection. At most a few run at once, the
    /// others wait in order; `overloaded` where too many do.
    pub fn blocking<T, W>(&self, work: W) -> impl Future<Output = Result<T>> + Send + use<T, W>
    where
        T: Send + 'static,
        W: FnOnce() -> Result<T> + Send + 'static,
    {
        self.0.shared.threads.long.run(work)
    }

    /// Does work that mostly waits, such as for a disk or another thread, and computes little. At most a few run at
    /// once, the others wait in order; `overloaded` where too many do.
    pub fn waiting<T, W>(&self, work: W) -> impl Future<Output = Result<T>> + Send + use<T, W>
    where
        T: Send + 'static,
        W: FnOnce() -> Result<T> + Send + 'static,
    {
        self.0.shared.threads.reads.run(work)
    }

    /// The threads for reads that may wait for a disk, but not for long.
    pub(crate) fn reads(&self) -> &Pool {
        &self.0.shared.threads.reads
    }
}
