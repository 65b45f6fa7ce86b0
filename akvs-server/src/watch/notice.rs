//! A change on its way to those who watch.

use std::sync::OnceLock;

use akvs_core::{Event, Key};
use bytes::Bytes;

/// A change, shared by all who are told of it, and what was made of it to tell them.
///
/// ```
/// use akvs_core::{Event, EventKind, Revision};
/// use akvs_server::Notice;
/// let event = Event { revision: Revision::new(7), is_last: true, kind: EventKind::Drop };
/// let notice = Notice::new(event);
/// assert_eq!(notice.rendered(false, |event| event.revision.to_string().into()), "7");
/// assert_eq!(notice.rendered(false, |_| unreachable!("it was made before")), "7");
/// ```
#[derive(Debug)]
pub struct Notice {
    event: Event,
    plain: OnceLock<Bytes>,
    with_value: OnceLock<Bytes>,
}

impl Notice {
    /// A change that nobody was told of yet.
    pub fn new(event: Event) -> Notice {
        Notice {
            event,
            plain: OnceLock::new(),
            with_value: OnceLock::new(),
        }
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
