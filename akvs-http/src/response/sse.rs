//! A watch as server-sent events (WHATWG HTML, section 9.2): `id` is the revision, `data` an item.
//!
//! Only the last change of a revision carries its id, and no entry of the state does: a client that was cut off comes
//! back with the id that it saw last, and nothing may lie behind that which it has not seen.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use akvs_api::ValueForm;
use akvs_api::event::{self, Position, REVISION_COMMENT};
use akvs_core::{Event, EventKind, Result, Revision};
use akvs_registry::Registry;
use akvs_server::{RenderCell, Rendered, SharedEvent, Start, ValueLoader, Watch, WatchEvent};
use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use serde::Serialize;
use tokio::time::{Instant, Sleep, sleep};

use crate::response::item;
use crate::response::memory::ResponseMemory;
use crate::response::rendering::Rendering;

/// Small events go out together up to this size, and large ones in parts of it, in bytes.
const CHUNK_BYTES: usize = 32 << 10;
/// Events up to this size are copied to go out together.
const SMALL_BYTES: usize = 4 << 10;

/// A text that is being made.
type Loading = Pin<Box<dyn Future<Output = Result<(Bytes, Arc<RenderCell>)>>>>;

/// The body of a response that tells what changes.
pub(crate) struct Events<H> {
    watch: Watch,
    values: bool,
    heartbeat: Duration,
    next_heartbeat: Pin<Box<Sleep>>,
    holds: H,
    registry: Registry,
    memory: ResponseMemory,
    /// What goes out before anything else.
    rest: VecDeque<Bytes>,
    /// A large event that goes out after it.
    loading: Option<Loading>,
    /// Kept while it goes out, so that others share it.
    large: Option<Arc<RenderCell>>,
    /// Whether the state was told; before that there is no revision to say.
    is_synced: bool,
    ended: bool,
}

impl<H: FnMut() -> bool> Events<H> {
    /// What a watch tells, until that does not hold any more.
    pub(crate) fn new(
        watch: Watch,
        start: Start,
        values: bool,
        (registry, memory): (&Registry, &ResponseMemory),
        heartbeat: Duration,
        holds: H,
    ) -> Events<H> {
        let hello = match start {
            Start::Now => comment(watch.position()),
            Start::After(revision) => comment(revision),
            Start::State => Bytes::from_static(b": the state\n\n"),
        };
        Events {
            watch,
            values,
            heartbeat,
            next_heartbeat: Box::pin(sleep(heartbeat)),
            holds,
            registry: registry.clone(),
            memory: memory.clone(),
            rest: VecDeque::from([hello]),
            loading: None,
            large: None,
            is_synced: start != Start::State,
            ended: false,
        }
    }

    /// Gathers what there is to say, about a chunk of it; whether there is anything.
    fn gather(&mut self, context: &mut Context<'_>) -> bool {
        let mut bytes = 0;
        let mut small = BytesMut::new();
        while bytes < CHUNK_BYTES && self.loading.is_none() {
            let said = match Pin::new(&mut self.watch).poll_next(context) {
                Poll::Ready(Some(Ok(step))) => match self.load(&step) {
                    Some(loading) => {
                        self.loading = Some(loading);
                        break;
                    }
                    None => self.render(step),
                },
                Poll::Ready(Some(Err(error))) => {
                    log::error!("a watch ends: {error}");
                    self.render(WatchEvent::Reset(self.watch.position()))
                }
                Poll::Ready(None) => {
                    self.ended = true;
                    break;
                }
                Poll::Pending => break,
            };
            bytes += said.len();
            // What is not small is shared with all others who watch, and not copied.
            match said.len() {
                0..=SMALL_BYTES => small.extend_from_slice(&said),
                _ => {
                    self.push(small.split().freeze());
                    self.push(said);
                }
            }
        }
        self.push(small.freeze());
        !self.rest.is_empty() || self.loading.is_some()
    }

    fn push(&mut self, text: Bytes) {
        if !text.is_empty() {
            self.rest.push_back(text);
        }
    }

    /// Has the text made of an event whose value is too large to be held ready; none where it is not such a one.
    fn load(&self, step: &WatchEvent) -> Option<Loading> {
        let (shared, with_id): (&Arc<SharedEvent>, bool) = match step {
            WatchEvent::Entry(shared) => (shared, false),
            WatchEvent::Change {
                change: shared,
                is_last,
            } => (shared, *is_last),
            WatchEvent::Synced(_) | WatchEvent::Reset(_) => return None,
        };
        if !self.values || !shared.lacks_value() {
            return None;
        }
        // Where it is the last one only for this reader, who does not want the others, it is not shared.
        let is_shared =
            matches!(step, WatchEvent::Change { .. }) && with_id == shared.event().is_last;
        let large = match is_shared {
            true => shared.render_cell(),
            false => Arc::default(),
        };
        let loader = self.watch.loader(shared);
        let (registry, memory) = (self.registry.clone(), self.memory.clone());
        let size = match &shared.event().kind {
            EventKind::Set { size, .. } => usize::try_from(*size).unwrap_or(usize::MAX),
            EventKind::Delete { .. } | EventKind::Expire { .. } | EventKind::Drop => 0,
        };
        Some(Box::pin(async move {
            let text = large.text(|| rendered(loader, with_id, size, registry, memory));
            let text = text.await?;
            Ok((text, large))
        }))
    }

    /// What goes out next.
    fn next(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            if let Some(first) = self.rest.front_mut() {
                let slice = first.split_to(first.len().min(CHUNK_BYTES));
                if first.is_empty() {
                    self.rest.pop_front();
                }
                return Poll::Ready(Some(slice));
            }
            self.large = None;
            if let Some(loading) = &mut self.loading {
                match loading.as_mut().poll(context) {
                    Poll::Ready(Ok((text, large))) => {
                        self.push(text);
                        self.large = Some(large);
                    }
                    Poll::Ready(Err(error)) => {
                        log::error!("a watch ends: {error}");
                        let reset = self.render(WatchEvent::Reset(self.watch.position()));
                        self.push(reset);
                        self.ended = true;
                    }
                    Poll::Pending => return self.beat(context).map(Some),
                }
                self.loading = None;
                continue;
            }
            if self.ended {
                return Poll::Ready(None);
            }
            if !self.gather(context) && !self.ended {
                return self.beat(context).map(Some);
            }
        }
    }

    fn render(&mut self, step: WatchEvent) -> Bytes {
        match step {
            WatchEvent::Entry(shared) => change(shared.event(), self.values, false),
            // Where it is the last one only for this reader, who does not want the others, it is not shared.
            WatchEvent::Change {
                change: shared,
                is_last,
            } if is_last != shared.event().is_last => change(shared.event(), self.values, is_last),
            WatchEvent::Change {
                change: shared,
                is_last,
            } => shared.rendered(self.values, |event| change(event, self.values, is_last)),
            WatchEvent::Synced(revision) => {
                self.is_synced = true;
                event(event::SYNCED, Some(revision), &position(revision))
            }
            WatchEvent::Reset(revision) => event(event::RESET, None, &position(revision)),
        }
    }

    /// A comment, if it is time for one.
    fn beat(&mut self, context: &mut Context<'_>) -> Poll<Bytes> {
        if self.next_heartbeat.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        let next = Instant::now() + self.heartbeat;
        self.next_heartbeat.as_mut().reset(next);
        // So that it wakes this task.
        if self.next_heartbeat.as_mut().poll(context).is_ready() {
            context.waker().wake_by_ref();
        }
        Poll::Ready(match self.is_synced {
            true => comment(self.watch.position()),
            false => Bytes::from_static(b":\n\n"),
        })
    }
}

impl<H: FnMut() -> bool + Unpin> Stream for Events<H> {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if !(self.holds)() {
            // Cut off: who comes back is told why.
            return Poll::Ready(None);
        }
        self.next(context).map(|text| text.map(Ok))
    }
}

/// Looks up and renders an event on a thread that may wait for the disk, once there is memory for it.
async fn rendered(
    loader: ValueLoader,
    with_id: bool,
    size: usize,
    registry: Registry,
    memory: ResponseMemory,
) -> Result<Rendered> {
    // The value, and its text.
    let mut held = memory.wait(size.saturating_mul(7) / 3).await;
    let work = move || {
        let event = loader.load()?;
        let text = change(&event, true, with_id);
        held.shrink(text.len());
        Ok(Rendered {
            text,
            held: Box::new(held),
        })
    };
    registry.blocking(work).await
}

/// Says that everything up to this revision was told.
fn comment(revision: Revision) -> Bytes {
    format!(": {REVISION_COMMENT}{revision}\n\n").into()
}

fn change(change: &Event, values: bool, with_id: bool) -> Bytes {
    let id = with_id.then_some(change.revision);
    match &change.kind {
        EventKind::Set { key, entry, size } => {
            let form = (values && change.has_value()).then(|| ValueForm::new(&entry.value));
            let mut item = Rendering::default();
            item.push(&head(event::SET, id));
            item.item(key, entry, *size, form);
            item.push(b"\n\n");
            item.into_vec().into()
        }
        EventKind::Delete { key } => event(event::DELETE, id, &item::deleted(key, change.revision)),
        EventKind::Expire { key } => event(event::EXPIRE, id, &item::deleted(key, change.revision)),
        EventKind::Drop => event(event::DROP, id, &position(change.revision)),
    }
}

fn position(revision: Revision) -> Position {
    Position {
        revision: revision.get(),
    }
}

fn event(name: &str, id: Option<Revision>, data: &impl Serialize) -> Bytes {
    let mut text = head(name, id);
    // Neither can a vector refuse bytes, nor do these types refuse to be told. JSON has no line ends of its own.
    let _ = serde_json::to_writer(&mut text, data);
    text.extend_from_slice(b"\n\n");
    text.into()
}

/// An event up to its data.
fn head(name: &str, id: Option<Revision>) -> Vec<u8> {
    let mut text = Vec::with_capacity(192);
    text.extend_from_slice(b"event: ");
    text.extend_from_slice(name.as_bytes());
    if let Some(id) = id {
        text.extend_from_slice(b"\nid: ");
        text.extend_from_slice(id.get().to_string().as_bytes());
    }
    text.extend_from_slice(b"\ndata: ");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use akvs_core::Key;

    #[test]
    fn a_change_is_told_in_one_event() {
        let delete = |is_last| Event {
            revision: Revision::new(7),
            is_last,
            kind: EventKind::Delete {
                key: Key::new("a\nb").unwrap(),
            },
        };
        let text = |event: &Event| String::from_utf8(change(event, true, event.is_last).into());
        assert_eq!(
            text(&delete(true)).unwrap(),
            "event: delete\nid: 7\ndata: {\"key\":\"a\\nb\",\"revision\":7}\n\n"
        );
        assert_eq!(
            text(&delete(false)).unwrap(),
            "event: delete\ndata: {\"key\":\"a\\nb\",\"revision\":7}\n\n"
        );
    }
}
