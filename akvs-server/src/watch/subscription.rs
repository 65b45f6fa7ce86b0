//! The subscriptions of a namespace on one thread, indexed by their filters.
//!
//! Invariant: a change costs nothing for subscriptions that it does not match: matching ones are found by the key, or
//! by each of its prefixes that has the length of a subscribed prefix.

use std::collections::{BTreeMap, HashMap};
use std::task::Waker;

use akvs_core::{Event, Key, Revision};
use bytes::Bytes;
use slab::Slab;

use super::shared_event::Filter;

#[derive(Default)]
pub(super) struct Subscriptions {
    /// All subscriptions were marked for changes up to this revision.
    pub(super) seen: Revision,
    /// Subscriptions to all changes.
    all: Slab<Subscription>,
    /// Subscriptions to the keys with a prefix.
    prefixes: HashMap<Bytes, Slab<Subscription>>,
    /// The number of prefixes of each length.
    lengths: BTreeMap<usize, usize>,
    /// Subscriptions to one key.
    keys: HashMap<Key, Slab<Subscription>>,
    /// Wakers of watchers that have not been woken yet.
    pub(super) to_wake: Vec<Waker>,
    /// Whether missed changes are being read.
    pub(super) is_catching_up: bool,
}

#[derive(Default)]
pub(super) struct Subscription {
    pub(super) waker: Option<Waker>,
    /// The revision after which there are changes that the watcher has not read; none if there are none.
    pub(super) changed_after: Option<Revision>,
}

impl Subscriptions {
    /// Creates an empty set, whose later subscriptions have received everything up to this revision.
    pub(super) fn new(seen: Revision) -> Subscriptions {
        Subscriptions {
            seen,
            ..Subscriptions::default()
        }
    }

    /// Adds a subscription of a watcher that has received nothing.
    pub(super) fn insert(&mut self, filter: &Filter) -> usize {
        let subscription = Subscription {
            waker: None,
            changed_after: Some(Revision::ZERO),
        };
        match filter {
            Filter::All => self.all.insert(subscription),
            Filter::Key(key) => self
                .keys
                .entry(key.clone())
                .or_default()
                .insert(subscription),
            Filter::Prefix(prefix) => {
                if !self.prefixes.contains_key(prefix) {
                    *self.lengths.entry(prefix.len()).or_default() += 1;
                }
                let row = self.prefixes.entry(prefix.clone()).or_default();
                row.insert(subscription)
            }
        }
    }

    pub(super) fn remove(&mut self, filter: &Filter, id: usize) {
        if let Some(row) = self.row(filter) {
            row.try_remove(id);
            if !row.is_empty() {
                return;
            }
        }
        match filter {
            Filter::All => self.all.shrink_to_fit(),
            Filter::Key(key) => drop(self.keys.remove(key)),
            Filter::Prefix(prefix) => {
                if self.prefixes.remove(prefix).is_none() {
                    return;
                }
                if let Some(count) = self.lengths.get_mut(&prefix.len()) {
                    *count -= 1;
                    if *count == 0 {
                        self.lengths.remove(&prefix.len());
                    }
                }
            }
        }
    }

    pub(super) fn subscription(&mut self, filter: &Filter, id: usize) -> Option<&mut Subscription> {
        self.row(filter)?.get_mut(id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty() && self.prefixes.is_empty() && self.keys.is_empty()
    }

    fn row(&mut self, filter: &Filter) -> Option<&mut Slab<Subscription>> {
        match filter {
            Filter::All => Some(&mut self.all),
            Filter::Prefix(prefix) => self.prefixes.get_mut(prefix),
            Filter::Key(key) => self.keys.get_mut(key),
        }
    }

    /// Marks the subscriptions that a change matches.
    pub(super) fn notify_one(&mut self, event: &Event) {
        let before = Revision::new(event.revision.get().saturating_sub(1));
        let Some(key) = event.key() else {
            return self.notify_all(before);
        };
        let bytes = key.as_bytes();
        let (prefixes, lengths) = (&mut self.prefixes, self.lengths.range(..=bytes.len()));
        for (length, _) in lengths {
            if let Some(row) = prefixes.get_mut(&bytes[..*length]) {
                notify_row(row, before, &mut self.to_wake);
            }
        }
        notify_row(&mut self.all, before, &mut self.to_wake);
        if let Some(row) = self.keys.get_mut(key) {
            notify_row(row, before, &mut self.to_wake);
        }
    }

    /// Marks all subscriptions: there may be changes after this revision.
    pub(super) fn notify_all(&mut self, after: Revision) {
        let rows = self.prefixes.values_mut().chain(self.keys.values_mut());
        for row in rows.chain([&mut self.all]) {
            notify_row(row, after, &mut self.to_wake);
        }
    }
}

fn notify_row(row: &mut Slab<Subscription>, after: Revision, to_wake: &mut Vec<Waker>) {
    for (_, subscription) in row {
        // A watcher that has an earlier mark reads on from there.
        subscription.changed_after.get_or_insert(after);
        to_wake.extend(subscription.waker.take());
    }
}

#[cfg(test)]
mod tests {
    use akvs_core::EventKind;

    use super::*;

    /// Returns the filters that a change of a key reaches.
    fn notified<'a>(
        subscriptions: &mut Subscriptions,
        ids: &[(&'a Filter, usize)],
        key: &[u8],
    ) -> Vec<&'a Filter> {
        let key = Key::new(key.to_vec()).unwrap();
        subscriptions.notify_one(&Event {
            revision: Revision::new(7),
            is_last: true,
            kind: EventKind::Delete { key },
        });
        let mut notified = Vec::new();
        for (filter, id) in ids {
            let subscription = subscriptions.subscription(filter, *id).unwrap();
            if let Some(after) = subscription.changed_after.take() {
                assert_eq!(after, Revision::new(6));
                notified.push(*filter);
            }
        }
        notified
    }

    #[test]
    fn a_change_reaches_matching_watchers() {
        let key = |text: &'static str| Filter::Key(Key::new(text).unwrap());
        let prefix = |text: &'static str| Filter::Prefix(text.into());
        let filters = [
            Filter::All,
            prefix(""),
            prefix("a"),
            prefix("ab"),
            prefix("b"),
            key("ab"),
            key("a"),
        ];
        let mut subscriptions = Subscriptions::default();
        let mut ids = Vec::new();
        for filter in filters.iter().chain(&filters) {
            let id = subscriptions.insert(filter);
            subscriptions
                .subscription(filter, id)
                .unwrap()
                .changed_after = None;
            ids.push((filter, id));
        }
        for text in ["a", "ab", "abc", "b", "c"] {
            let event_key = Key::new(text).unwrap();
            let kind = EventKind::Delete { key: event_key };
            let event = Event {
                revision: Revision::new(7),
                is_last: true,
                kind,
            };
            let all_filters = filters.iter().chain(&filters);
            let expected: Vec<&Filter> = all_filters
                .filter(|filter| filter.matches(&event))
                .collect();
            assert_eq!(
                notified(&mut subscriptions, &ids, text.as_bytes()),
                expected,
                "{text}"
            );
        }
        for (filter, id) in ids {
            subscriptions.remove(filter, id);
        }
        assert!(subscriptions.is_empty() && subscriptions.lengths.is_empty());
    }
}
