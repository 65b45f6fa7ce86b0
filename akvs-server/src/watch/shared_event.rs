//! A change that is shared by the watchers it is sent to, and the filter of a watch.

use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use akvs_core::{Event, EventKind, FieldValue, Key, NamespaceSnapshot, Representation};
use bytes::Bytes;

use super::large_event::RenderCell;

/// Longer values are not kept in buffers, but loaded when a watcher reaches them.
pub(super) const MAX_INLINE_VALUE_BYTES: usize = 64 << 10;

/// A change that all its watchers share, with the texts rendered from it.
///
/// ```
/// use akvs_core::{Event, EventKind, Revision};
/// use akvs_server::SharedEvent;
/// let event = Event { revision: Revision::new(7), is_last: true, kind: EventKind::Drop };
/// let change = SharedEvent::new(event);
/// assert_eq!(change.rendered(false, |event| event.revision.to_string().into()), "7");
/// assert_eq!(change.rendered(false, |_| unreachable!("it was rendered before")), "7");
/// ```
#[derive(Debug)]
pub struct SharedEvent {
    event: Event,
    /// The state to load its value from; the current state if none.
    snapshot: Option<Arc<NamespaceSnapshot>>,
    plain: OnceLock<Bytes>,
    with_value: OnceLock<Bytes>,
    render_cell: Mutex<Weak<RenderCell>>,
}

impl SharedEvent {
    /// Creates a change without rendered texts.
    pub fn new(event: Event) -> SharedEvent {
        SharedEvent {
            event,
            snapshot: None,
            plain: OnceLock::new(),
            with_value: OnceLock::new(),
            render_cell: Mutex::default(),
        }
    }

    /// Creates a change from an entry of a state, which has its value in that state.
    pub(super) fn from_snapshot(event: Event, snapshot: &Arc<NamespaceSnapshot>) -> SharedEvent {
        SharedEvent {
            snapshot: Some(Arc::clone(snapshot)),
            ..SharedEvent::new(event)
        }
    }

    pub(super) fn snapshot(&self) -> Option<&NamespaceSnapshot> {
        self.snapshot.as_deref()
    }

    /// Returns whether its value is not in memory and must be loaded: see [`Watch::loader`](crate::Watch::loader).
    pub fn lacks_value(&self) -> bool {
        matches!(self.event.kind, EventKind::Set { .. }) && !self.event.has_value()
    }

    /// Returns the cell for its text with the loaded value, shared while a watcher holds it.
    pub fn render_cell(&self) -> Arc<RenderCell> {
        let mut cell = self
            .render_cell
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        cell.upgrade().unwrap_or_else(|| {
            let render_cell = Arc::new(RenderCell::default());
            *cell = Arc::downgrade(&render_cell);
            render_cell
        })
    }

    /// Returns the change.
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// Returns its text, with its value or without: rendered by the first caller, shared by the others.
    pub fn rendered(&self, with_value: bool, render: impl FnOnce(&Event) -> Bytes) -> Bytes {
        let slot = if with_value {
            &self.with_value
        } else {
            &self.plain
        };
        slot.get_or_init(|| render(&self.event)).clone()
    }
}

/// Removes a value of more than `max_bytes` bytes from a change, and releases all memory that the change shares with
/// it.
pub(super) fn remove_long_value(event: &mut Event, max_bytes: usize) {
    if let EventKind::Set { entry, .. } = &event.kind
        && entry.value.len() > max_bytes
    {
        remove_value(event);
    }
}

/// Removes the value, and copies the other fields out of its memory.
pub(super) fn remove_value(event: &mut Event) {
    let EventKind::Set { entry, .. } = &mut event.kind else {
        return;
    };
    let copy = |field: &Option<FieldValue>| {
        let bytes = Bytes::copy_from_slice(field.as_ref()?.as_bytes());
        FieldValue::new(bytes).ok()
    };
    entry.value = Bytes::new();
    entry.representation = Representation {
        content_type: copy(&entry.representation.content_type),
        content_encoding: copy(&entry.representation.content_encoding),
    };
}

/// The filter of a watch. The drop of the namespace matches every filter.
///
/// ```
/// use akvs_core::{Event, EventKind, Key, Revision};
/// use akvs_server::Filter;
/// let kind = EventKind::Delete { key: Key::new("user:7")? };
/// let event = Event { revision: Revision::new(1), is_last: true, kind };
/// assert!(Filter::Prefix("user:".into()).matches(&event));
/// assert!(!Filter::Key(Key::new("user:8")?).matches(&event));
/// # Ok::<(), akvs_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Filter {
    /// All changes.
    #[default]
    All,
    /// Changes of keys with this prefix.
    Prefix(Bytes),
    /// Changes of one key.
    Key(Key),
}

impl Filter {
    /// Returns whether a change matches.
    pub fn matches(&self, event: &Event) -> bool {
        event.key().is_none_or(|key| match self {
            Filter::All => true,
            Filter::Prefix(prefix) => key.as_bytes().starts_with(prefix),
            Filter::Key(expected) => key == expected,
        })
    }
}
