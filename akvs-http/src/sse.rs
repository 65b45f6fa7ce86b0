//! A watch as server-sent events (WHATWG HTML, section 9.2): `id` is the revision, `data` an item.
//!
//! Only the last change of a revision carries its id, and no entry of the state does: a client that was cut off comes
//! back with the id that it saw last, and nothing may lie behind that which it has not seen.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use akvs_core::{Event, EventKind, Revision};
use akvs_server::{Start, Step, Watch};
use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use serde::Serialize;
use serde_json::json;
use tokio::time::{Instant, Sleep, sleep};

use crate::item::{Gone, Item};

/// Small events go out together up to this size, and large ones in parts of it, in bytes.
const CHUNK_BYTES: usize = 32 << 10;

/// The body of a response that tells what changes.
pub(crate) struct Events<H> {
    watch: Watch,
    values: bool,
    heartbeat: Duration,
    next_heartbeat: Pin<Box<Sleep>>,
    holds: H,
    /// What goes out before anything else.
    rest: Bytes,
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
            rest: hello,
            is_synced: start != Start::State,
            ended: false,
        }
    }

    /// What there is to say, a chunk of it.
    fn gather(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let mut first = Bytes::new();
        let mut more = BytesMut::new();
        while first.len() + more.len() < CHUNK_BYTES {
            let said = match Pin::new(&mut self.watch).poll_next(context) {
                Poll::Ready(Some(Ok(step))) => self.say(step),
                Poll::Ready(Some(Err(error))) => {
                    log::error!("a watch ends: {error}");
                    self.say(Step::Reset(self.watch.position()))
                }
                Poll::Ready(None) => {
                    self.ended = true;
                    break;
                }
                Poll::Pending => break,
            };
            // A single one is shared with all others who watch, and not copied.
            if first.is_empty() {
                first = said;
            } else {
                more.extend_from_slice(&said);
            }
        }
        if first.is_empty() {
            return match self.ended {
                true => Poll::Ready(None),
                false => Poll::Pending,
            };
        }
        if more.is_empty() {
            return Poll::Ready(Some(first));
        }
        let mut all = BytesMut::with_capacity(first.len() + more.len());
        all.extend_from_slice(&first);
        all.extend_from_slice(&more);
        Poll::Ready(Some(all.freeze()))
    }

    fn say(&mut self, step: Step) -> Bytes {
        match step {
            Step::Entry(notice) => change(notice.event(), self.values, false),
            // Where it is the last one only for this reader, who does not want the others, it is not shared.
            Step::Changed { notice, is_last } if is_last != notice.event().is_last => {
                change(notice.event(), self.values, is_last)
            }
            Step::Changed { notice, is_last } => {
                notice.rendered(self.values, |event| change(event, self.values, is_last))
            }
            Step::Synced(revision) => {
                self.is_synced = true;
                let data = json!({"revision": revision.get()});
                event("synced", Some(revision), &data)
            }
            Step::Reset(revision) => event("reset", None, &json!({"revision": revision.get()})),
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
        if self.rest.is_empty() {
            let next = match self.gather(context) {
                Poll::Pending => self.beat(context).map(Some),
                said => said,
            };
            match next {
                Poll::Ready(Some(next)) => self.rest = next,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
        let most = self.rest.len().min(CHUNK_BYTES);
        Poll::Ready(Some(Ok(self.rest.split_to(most))))
    }
}

/// Says that everything up to this revision was told.
fn comment(revision: Revision) -> Bytes {
    format!(": revision {revision}\n\n").into()
}

fn change(change: &Event, values: bool, with_id: bool) -> Bytes {
    let id = with_id.then_some(change.revision);
    match &change.kind {
        EventKind::Set { key, entry, size } => {
            event("set", id, &Item::new(key, entry, *size, values))
        }
        EventKind::Delete { key } => event("delete", id, &Gone::new(key, change.revision)),
        EventKind::Expire { key } => event("expire", id, &Gone::new(key, change.revision)),
        EventKind::Drop => event("drop", id, &json!({"revision": change.revision.get()})),
    }
}

fn event(name: &str, id: Option<Revision>, data: &impl Serialize) -> Bytes {
    let mut text = Vec::with_capacity(192);
    text.extend_from_slice(b"event: ");
    text.extend_from_slice(name.as_bytes());
    if let Some(id) = id {
        text.extend_from_slice(b"\nid: ");
        text.extend_from_slice(id.get().to_string().as_bytes());
    }
    text.extend_from_slice(b"\ndata: ");
    // Neither can a vector refuse bytes, nor do these types refuse to be told. JSON has no line ends of its own.
    let _ = serde_json::to_writer(&mut text, data);
    text.extend_from_slice(b"\n\n");
    text.into()
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
