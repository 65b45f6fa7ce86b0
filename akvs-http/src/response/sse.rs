//! A watch as server-sent events (WHATWG HTML, section 9.2): `id` is the revision, `data` an item.
//!
//! Only the last change of a revision has an id, and no entry of the state has one: a client that reconnects sends the last
//! id that it received, and must have received all events up to it.

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

/// The maximum bytes of a chunk: small events are sent together up to it, and large ones in parts of it.
const CHUNK_BYTES: usize = 32 << 10;
/// The size in bytes up to which events are copied to be sent together.
const SMALL_BYTES: usize = 4 << 10;

/// The text of a large event that is being loaded.
type Loading = Pin<Box<dyn Future<Output = Result<(Bytes, Arc<RenderCell>)>>>>;

/// The body of a watch.
pub(crate) struct Events<H> {
    watch: Watch,
    values: bool,
    heartbeat: Duration,
    next_heartbeat: Pin<Box<Sleep>>,
    holds: H,
    registry: Registry,
    memory: ResponseMemory,
    /// Texts that are sent first.
    rest: VecDeque<Bytes>,
    /// A large event that is sent after `rest`.
    loading: Option<Loading>,
    /// A large event that is being sent, kept so that other watchers share it.
    large: Option<Arc<RenderCell>>,
    /// Whether the state was sent; until then no revision can be reported.
    is_synced: bool,
    has_ended: bool,
}

impl<H: FnMut() -> bool> Events<H> {
    /// Returns the events of a watch, while `holds` returns true.
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
            has_ended: false,
        }
    }

    /// Collects about a chunk of events; returns whether there are any.
    fn gather(&mut self, context: &mut Context<'_>) -> bool {
        let mut bytes = 0;
        let mut small = BytesMut::new();
        while bytes < CHUNK_BYTES && self.loading.is_none() {
            let text = match Pin::new(&mut self.watch).poll_next(context) {
                Poll::Ready(Some(Ok(event))) => match self.load(&event) {
                    Some(loading) => {
                        self.loading = Some(loading);
                        break;
                    }
                    None => self.render(event),
                },
                Poll::Ready(Some(Err(error))) => {
                    log::error!("a watch ends: {error}");
                    self.render(WatchEvent::Reset(self.watch.position()))
                }
                Poll::Ready(None) => {
                    self.has_ended = true;
                    break;
                }
                Poll::Pending => break,
            };
            bytes += text.len();
            // A larger text is shared with all watchers and not copied.
            if text.len() <= SMALL_BYTES {
                small.extend_from_slice(&text);
            } else {
                self.push(small.split().freeze());
                self.push(text);
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

    /// Starts to load an event whose value is too large to be kept in memory; none for any other event.
    fn load(&self, event: &WatchEvent) -> Option<Loading> {
        let (shared, with_id): (&Arc<SharedEvent>, bool) = match event {
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
        // An event that is the last of its revision only for this watcher's filter has a text of its own.
        let is_shared =
            matches!(event, WatchEvent::Change { .. }) && with_id == shared.event().is_last;
        let large = if is_shared {
            shared.render_cell()
        } else {
            Arc::default()
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

    /// Returns the next text to send.
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
                        self.has_ended = true;
                    }
                    Poll::Pending => return self.poll_heartbeat(context).map(Some),
                }
                self.loading = None;
                continue;
            }
            if self.has_ended {
                return Poll::Ready(None);
            }
            if !self.gather(context) && !self.has_ended {
                return self.poll_heartbeat(context).map(Some);
            }
        }
    }

    fn render(&mut self, event: WatchEvent) -> Bytes {
        match event {
            WatchEvent::Entry(shared) => change(shared.event(), self.values, false),
            // The last event of its revision only for this watcher's filter: its text is not shared.
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
                format_event(event::SYNCED, Some(revision), &position(revision))
            }
            WatchEvent::Reset(revision) => format_event(event::RESET, None, &position(revision)),
        }
    }

    /// Returns a comment when it is time for one.
    fn poll_heartbeat(&mut self, context: &mut Context<'_>) -> Poll<Bytes> {
        if self.next_heartbeat.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        let next = Instant::now() + self.heartbeat;
        self.next_heartbeat.as_mut().reset(next);
        // Registers this task with the timer.
        if self.next_heartbeat.as_mut().poll(context).is_ready() {
            context.waker().wake_by_ref();
        }
        Poll::Ready(if self.is_synced {
            comment(self.watch.position())
        } else {
            Bytes::from_static(b":\n\n")
        })
    }
}

impl<H: FnMut() -> bool + Unpin> Stream for Events<H> {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if !(self.holds)() {
            // The stream is cut off; the answer to a new request has the reason.
            return Poll::Ready(None);
        }
        self.next(context).map(|text| text.map(Ok))
    }
}

/// Loads and renders an event on a thread that may wait for the disk, after memory for it was reserved.
async fn rendered(
    loader: ValueLoader,
    with_id: bool,
    size: usize,
    registry: Registry,
    memory: ResponseMemory,
) -> Result<Rendered> {
    // For the value and its text.
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

/// Returns the comment which says that all events up to this revision were sent.
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
        EventKind::Delete { key } => {
            format_event(event::DELETE, id, &item::deleted(key, change.revision))
        }
        EventKind::Expire { key } => {
            format_event(event::EXPIRE, id, &item::deleted(key, change.revision))
        }
        EventKind::Drop => format_event(event::DROP, id, &position(change.revision)),
    }
}

fn position(revision: Revision) -> Position {
    Position {
        revision: revision.get(),
    }
}

fn format_event(name: &str, id: Option<Revision>, data: &impl Serialize) -> Bytes {
    let mut text = head(name, id);
    // Neither a vector nor the derived serializers fail. JSON without indentation has no line ends.
    let _ = serde_json::to_writer(&mut text, data);
    text.extend_from_slice(b"\n\n");
    text.into()
}

/// Returns an event up to its data.
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
    fn a_change_is_one_event() {
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
