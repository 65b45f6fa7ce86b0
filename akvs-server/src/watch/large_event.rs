//! Changes with large values: the value is loaded and rendered when a watcher reaches the change, once for all watchers
//! that are there, and released when the last of them has sent it.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use akvs_core::{Event, Namespace, Result};
use bytes::Bytes;
use tokio::sync::OnceCell;

use super::shared_event::SharedEvent;
use crate::resources::Snapshots;

/// The text of a change with a large value.
pub struct Rendered {
    /// The text.
    pub text: Bytes,
    /// A value that is kept as long as the text, such as its share of a memory limit.
    pub held: Box<dyn Any + Send + Sync>,
}

impl fmt::Debug for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rendered")
            .field("bytes", &self.text.len())
            .finish_non_exhaustive()
    }
}

/// The text of a large change, rendered once and shared by all watchers that are at the change. It must be kept until
/// the text is sent.
#[derive(Debug, Default)]
pub struct RenderCell(OnceCell<Result<Rendered>>);

impl RenderCell {
    /// Returns the text. The first caller renders it while the others wait; if it gives up, the next one renders.
    pub async fn text<F>(&self, render: impl FnOnce() -> F) -> Result<Bytes>
    where
        F: Future<Output = Result<Rendered>>,
    {
        let rendered = self.0.get_or_init(render).await;
        match rendered {
            Ok(rendered) => Ok(rendered.text.clone()),
            Err(error) => Err(error.clone()),
        }
    }
}

/// The loader of a change's value. Loading may wait for a disk.
pub struct ValueLoader {
    pub(super) snapshots: Arc<dyn Snapshots>,
    pub(super) name: Namespace,
    pub(super) change: Arc<SharedEvent>,
}

impl ValueLoader {
    /// Returns the change, with its value unless that was replaced.
    pub fn load(&self) -> Result<Event> {
        let mut event = self.change.event().clone();
        match self.change.snapshot() {
            Some(snapshot) => snapshot.complete(&mut event)?,
            None => self
                .snapshots
                .namespace_snapshot(&self.name)?
                .complete(&mut event)?,
        }
        Ok(event)
    }
}
