//! The interface of a watch to the committer that it belongs to.

use super::hub::WatchHub;
use crate::resources::Resources;

/// The committer as a watch uses it; it runs while a watch holds it.
pub(crate) trait WatchHost: Send + Sync {
    /// Returns the database, the clock and the threads for reads.
    fn resources(&self) -> &Resources;

    /// Returns the change buffers of all watched namespaces.
    fn hub(&self) -> &WatchHub;
}
