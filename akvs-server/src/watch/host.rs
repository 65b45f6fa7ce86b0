//! The interface of a watch to the committer that it belongs to.

use super::hub::WatchHub;
use crate::resources::Resources;

/// The committer as a watch uses it. It runs for as long as a watch holds it.
pub(crate) trait WatchHost: Send + Sync {
    /// The database, the clock and the threads for reads.
    fn resources(&self) -> &Resources;

    /// The change buffers of all watched namespaces.
    fn hub(&self) -> &WatchHub;
}
