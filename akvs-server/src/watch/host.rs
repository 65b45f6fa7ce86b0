//! The interface of a watch to the executor that it belongs to.

use std::sync::Arc;

use akvs_core::{Result, Revision};
use futures_util::future::BoxFuture;

use super::change_buffer::ChangeBuffer;
use super::hub::WatchHub;
use crate::resources::Resources;

/// An executor as a watch uses it; it runs while a watch holds it.
pub(crate) trait WatchHost: Send + Sync {
    /// Returns the snapshots, the clock and the threads for reads.
    fn resources(&self) -> &Resources;

    /// Returns the change buffers of all watched namespaces.
    fn hub(&self) -> &WatchHub;

    /// Returns a revision up to which all changes of a namespace are committed, those up to `published` among them.
    fn newest(&self, published: Revision) -> Revision;

    /// Starts the publication of changes to a new buffer, where a watch must wait for that.
    fn start<'a>(&'a self, _: &'a Arc<ChangeBuffer>) -> Option<BoxFuture<'a, Result<()>>> {
        None
    }
}
