//! A change whose value is too large to be held ready: it is looked up and rendered when a watcher comes to it, once
//! for all watchers that are at it, and let go when the last of them has sent it.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use akvs_core::{Database, Event, Namespace, Result};
use bytes::Bytes;
use tokio::sync::OnceCell;

use super::shared_event::SharedEvent;

/// What is sent of a change with a large value.
pub struct Rendered {
    /// The text.
    pub text: Bytes,
    /// What is kept for as long as the text is, such as the memory that is counted for it.
    pub held: Box<dyn Any + Send + Sync>,
}

impl fmt::Debug for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rendered")
            .field("bytes", &self.text.len())
            .finish_non_exhaustive()
    }
}

/// The place of a text that all watchers share that are at the same change. It is to be kept until the text is sent.
#[derive(Debug, Default)]
pub struct RenderCell(OnceCell<Result<Rendered>>);

impl RenderCell {
    /// The text: made by the first that asks, while all others wait for it. Where that one gives up, the next makes it.
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

/// Looks up the value of a change. That may have to wait for a disk.
pub struct ValueLoader {
    pub(super) database: Database,
    pub(super) name: Namespace,
    pub(super) change: Arc<SharedEvent>,
}

impl ValueLoader {
    /// The change, with its value unless that was replaced.
    pub fn load(&self) -> Result<Event> {
        let mut event = self.change.event().clone();
        match self.change.view() {
            Some(view) => view.complete(&mut event)?,
            None => self
                .database
                .namespace_snapshot(&self.name)?
                .complete(&mut event)?,
        }
        Ok(event)
    }
}
