//! A change on its way to those who watch.

use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use akvs_core::{Event, EventKind, FieldValue, Key, NamespaceSnapshot, Representation};
use bytes::Bytes;

use super::large_event::RenderCell;

/// Longer values are not held ready for those who watch, but looked up when one of them comes to it.
pub(super) const MAX_INLINE_VALUE_BYTES: usize = 64 << 10;

/// A change, shared by all who are told of it, and what was made of it to tell them.
///
/// ```
/// use akvs_core::{Event, EventKind, Revision};
/// use akvs_server::SharedEvent;
/// let event = Event { revision: Revision::new(7), is_last: true, kind: EventKind::Drop };
/// let notice = SharedEvent::new(event);
/// assert_eq!(notice.rendered(false, |event| event.revision.to_string().into()), "7");
/// assert_eq!(notice.rendered(false, |_| unreachable!("it was made before")), "7");
/// ```
#[derive(Debug)]
pub struct SharedEvent {
    event: Event,
    /// Where its value is looked up if it is missing; none for the namespace as it is then.
    view: Option<Arc<NamespaceSnapshot>>,
    plain: OnceLock<Bytes>,
    with_value: OnceLock<Bytes>,
    render_cell: Mutex<Weak<RenderCell>>,
}

impl SharedEvent {
    /// A change that nobody was told of yet.
    pub fn new(event: Event) -> SharedEvent {
        SharedEvent {
            event,
            view: None,
            plain: OnceLock::new(),
            with_value: OnceLock::new(),
            render_cell: Mutex::default(),
        }
    }

    /// An entry of a state, which has its value in that state.
    pub(super) fn from_snapshot(event: Event, view: &Arc<NamespaceSnapshot>) -> SharedEvent {
        SharedEvent {
            view: Some(Arc::clone(view)),
            ..SharedEvent::new(event)
        }
    }

    pub(super) fn view(&self) -> Option<&NamespaceSnapshot> {
        self.view.as_deref()
    }

    /// Whether it tells of a value that it does not have, so that it may be looked up: see
    /// [`Watch::loader`](crate::Watch::loader).
    pub fn lacks_value(&self) -> bool {
        matches!(self.event.kind, EventKind::Set { .. }) && !self.event.has_value()
    }

    /// The place of the text that tells of it with its value, shared for as long as anybody keeps it.
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

    /// The change.
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// What is sent of it, with its value or without: made by the first who asks, and shared by all others.
    pub fn rendered(&self, with_value: bool, render: impl FnOnce(&Event) -> Bytes) -> Bytes {
        let slot = if with_value {
            &self.with_value
        } else {
            &self.plain
        };
        slot.get_or_init(|| render(&self.event)).clone()
    }
}

/// Takes a value out of a change that has more bytes than that, and lets go of all memory that it shares with it.
pub(super) fn remove_long_value(event: &mut Event, max_bytes: usize) {
    let EventKind::Set { entry, .. } = &mut event.kind else {
        return;
    };
    if entry.value.len() <= max_bytes {
        return;
    }
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

/// Which changes are wanted. The drop of the namespace always is.
///
/// ```
/// use akvs_core::{Event, EventKind, Key, Revision};
/// use akvs_server::Filter;
/// let kind = EventKind::Delete { key: Key::new("user:7")? };
/// let event = Event { revision: Revision::new(1), is_last: true, kind };
/// assert!(Filter::Prefix("user:".into()).wants(&event));
/// assert!(!Filter::Key(Key::new("user:8")?).wants(&event));
/// # Ok::<(), akvs_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Filter {
    /// All.
    #[default]
    All,
    /// Those of the keys that begin so.
    Prefix(Bytes),
    /// Those of one key.
    Key(Key),
}

impl Filter {
    /// Whether a change is wanted.
    pub fn wants(&self, event: &Event) -> bool {
        event.key().is_none_or(|key| match self {
            Filter::All => true,
            Filter::Prefix(prefix) => key.as_bytes().starts_with(prefix),
            Filter::Key(wanted) => key == wanted,
        })
    }
}
