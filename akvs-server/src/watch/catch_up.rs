//! Pages of the state or of the stored history, for a watch that is not yet at the newest change.
//!
//! They are read on threads that may wait for a disk, and hold whole revisions only.

use std::sync::Arc;
use std::time::Duration;

use akvs_core::engine::{KeyRange, PageLimit};
use akvs_core::{Code, Error, Event, EventKind, Namespace, NamespaceSnapshot, Result, Revision};
use bytes::Bytes;

use super::history::HistoryPage;
use super::shared_event::{
    Filter, MAX_INLINE_VALUE_BYTES, SharedEvent, remove_long_value, remove_value,
};
use super::watcher::{WatchEvent, WatchOptions};
use crate::resources::Resources;

/// The maximum size of a page: many watches may catch up at the same time.
pub(super) const PAGE_LIMIT: PageLimit = PageLimit {
    rows: 128,
    bytes: 64 << 10,
};
/// The maximum time that a state is kept for a watch: it retains the space of replaced entries.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(3_600);

/// The position in a state.
pub(super) struct StateReader {
    snapshot: Arc<NamespaceSnapshot>,
    start: Bytes,
    end: Option<Bytes>,
    since: Duration,
}

/// The source of the next page.
pub(super) enum Next {
    State(StateReader),
    History,
    /// Everything was read: new changes follow.
    ChangeBuffer,
}

/// A page, and the source of the next one.
pub(super) struct Page {
    pub(super) events: Vec<WatchEvent>,
    /// Everything up to this revision was sent.
    pub(super) until: Option<Revision>,
    pub(super) next: Next,
}

impl StateReader {
    /// Creates a reader at the beginning of the state.
    pub(super) fn new(
        resources: &Resources,
        name: &Namespace,
        filter: &Filter,
    ) -> Result<StateReader> {
        let snapshot = resources.snapshots.namespace_snapshot(name)?;
        let (start, end) = match filter {
            Filter::All => (Bytes::new(), None),
            Filter::Prefix(prefix) => {
                let span = KeyRange::prefix(prefix.clone());
                (span.start, span.end)
            }
            Filter::Key(key) => {
                let key = key.as_bytes();
                let after = [key, &[0]].concat();
                (Bytes::copy_from_slice(key), Some(after.into()))
            }
        };
        Ok(StateReader {
            snapshot: Arc::new(snapshot),
            start,
            end,
            since: resources.clock.elapsed(),
        })
    }

    /// Reads the next page.
    pub(super) fn page(mut self, resources: &Resources, values: bool) -> Result<Page> {
        let clock = &resources.clock;
        if clock.elapsed().saturating_sub(self.since) > SNAPSHOT_TIMEOUT {
            return Err(Error::new(
                Code::HistoryGone,
                "the state was read too slowly: expected at most an hour",
            ));
        }
        let range = (&self.start[..], self.end.as_deref());
        let max_bytes = if values { MAX_INLINE_VALUE_BYTES } else { 0 };
        let page = self
            .snapshot
            .peek_entries(range, false, max_bytes, PAGE_LIMIT, clock.now())?;
        let mut events: Vec<WatchEvent> = Vec::with_capacity(page.entries.len() + 1);
        for (key, peeked) in page.entries {
            let (size, is_left) = (peeked.value_bytes() as u64, peeked.left_bytes.is_some());
            let entry = peeked.entry;
            let mut event = Event {
                revision: entry.revision,
                is_last: true,
                kind: EventKind::Set { key, size, entry },
            };
            if is_left {
                remove_value(&mut event);
            }
            remove_long_value(&mut event, max_bytes);
            let change = SharedEvent::from_snapshot(event, &self.snapshot);
            events.push(WatchEvent::Entry(Arc::new(change)));
        }
        Ok(match page.next {
            Some(next) => {
                self.start = next;
                Page {
                    events,
                    until: None,
                    next: Next::State(self),
                }
            }
            None => {
                let revision = self.snapshot.revision();
                events.push(WatchEvent::Synced(revision));
                Page {
                    events,
                    until: Some(revision),
                    next: Next::ChangeBuffer,
                }
            }
        })
    }
}

/// Returns the matching changes of a page of the stored history after a position. After the last page, if it is not older
/// than `polled_at`, the watch continues in the buffer: the subscription is notified of all later changes.
pub(super) fn history_page(
    history: &HistoryPage,
    options: &WatchOptions,
    position: Revision,
    polled_at: Revision,
) -> Page {
    let changes = history.after(position).iter();
    let matching = changes.filter(|change| options.filter.matches(change.event()));
    let next = match history.is_end() && history.newest >= polled_at {
        true => Next::ChangeBuffer,
        false => Next::History,
    };
    Page {
        events: to_watch_events(matching.cloned().collect()),
        until: Some(history.until),
        next,
    }
}

/// Returns the events of matching changes, of whole revisions.
pub(super) fn to_watch_events(changes: Vec<Arc<SharedEvent>>) -> Vec<WatchEvent> {
    let revisions = changes.iter().map(|change| change.event().revision);
    let next = revisions.map(Some).skip(1).chain([None]);
    let is_last: Vec<bool> = next
        .zip(&changes)
        .map(|(next, change)| next != Some(change.event().revision))
        .collect();
    changes
        .into_iter()
        .zip(is_last)
        .map(|(change, is_last)| WatchEvent::Change { change, is_last })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use akvs_core::Key;

    #[test]
    fn the_last_matching_change_of_a_revision_is_the_last() {
        let event = |revision, is_last, key: &'static str| {
            let kind = EventKind::Delete {
                key: Key::new(key).unwrap(),
            };
            let revision = Revision::new(revision);
            Event {
                revision,
                is_last,
                kind,
            }
        };
        let all = [
            event(1, false, "a1"),
            event(1, false, "a2"),
            event(1, true, "b"),
            event(2, true, "a1"),
            event(3, false, "b"),
            event(3, true, "a1"),
        ];
        let filter = Filter::Prefix("a".into());
        let matching = all.iter().filter(|event| filter.matches(event));
        let changes = matching.map(|event| Arc::new(SharedEvent::new(event.clone())));
        let received: Vec<(u64, bool)> = to_watch_events(changes.collect())
            .into_iter()
            .map(|event| match event {
                WatchEvent::Change { change, is_last } => (change.event().revision.get(), is_last),
                other @ (WatchEvent::Entry(_) | WatchEvent::Synced(_) | WatchEvent::Reset(_)) => {
                    panic!("{other:?}")
                }
            })
            .collect();
        assert_eq!(received, [(1, false), (1, true), (2, true), (3, true)]);
    }
}
