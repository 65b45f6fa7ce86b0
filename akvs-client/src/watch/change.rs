//! The items of a watch: changes, and marks of its state.
//!
//! It does not know the format of events on the wire. The type is non-exhaustive: variants and fields may be added.

use akvs_core::Revision;
use bytes::Bytes;

use crate::Item;

/// A change of a namespace, or a mark of the watch's state.
///
/// This keeps a copy of a namespace up to date, across broken connections and restarts of the server:
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let namespace = akvs_client::Client::new(&serve())?.namespace("foo")?;
/// use std::collections::BTreeMap;
/// use akvs_client::Change;
///
/// namespace.set("a", &1).await?;
/// namespace.set("b", &2).await?;
///
/// let mut copy = BTreeMap::new();
/// let mut changes = namespace.watch().from_state().values().stream();
/// while let Some(change) = changes.next().await {
///     match change? {
///         Change::Set(item) => {
///             // The value is missing if the key was overwritten; the newer one follows.
///             if let Some(value) = item.value {
///                 copy.insert(item.key, value);
///             }
///         }
///         Change::Deleted { key, .. } | Change::Expired { key, .. } => {
///             copy.remove(&key);
///         }
///         Change::Dropped { .. } | Change::Reset => copy.clear(),
///         Change::Synced { .. } => {
///             println!("{} keys", copy.len());
/// #           break;
///         }
///         _ => {}
///     }
/// }
/// # assert_eq!(copy[&b"b"[..]], "2");
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// A key was written, or its expiry time was changed; before [`Synced`](Self::Synced), a key of the state.
    Set(Item),
    /// A key was deleted.
    #[non_exhaustive]
    Deleted {
        /// The key.
        key: Bytes,
        /// The revision of the deletion.
        revision: Revision,
    },
    /// A key expired.
    #[non_exhaustive]
    Expired {
        /// The key.
        key: Bytes,
        /// The revision of the expiry.
        revision: Revision,
    },
    /// The namespace was dropped with all its keys. The watch continues: the namespace may be created again.
    #[non_exhaustive]
    Dropped {
        /// The revision of the drop.
        revision: Revision,
    },
    /// The state is complete; changes follow. Only a watch [`from_state`](crate::Watch::from_state) reports it.
    #[non_exhaustive]
    Synced {
        /// The revision of the state.
        revision: Revision,
    },
    /// All earlier items are void: the state follows, up to [`Synced`](Self::Synced). It is reported where changes may
    /// have been missed, or where the state was truncated. Only a watch [`from_state`](crate::Watch::from_state)
    /// reports it; any other ends with the error [`Code::HistoryGone`](crate::Code::HistoryGone).
    Reset,
}

impl Change {
    /// Returns the key; `None` if the item is about the namespace or the watch.
    ///
    /// ```
    /// assert_eq!(akvs_client::Change::Reset.key(), None);
    /// ```
    pub fn key(&self) -> Option<&Bytes> {
        match self {
            Change::Set(item) => Some(&item.key),
            Change::Deleted { key, .. } | Change::Expired { key, .. } => Some(key),
            Change::Dropped { .. } | Change::Synced { .. } | Change::Reset => None,
        }
    }

    /// Returns the revision. The changes of a transaction share one.
    ///
    /// ```
    /// assert_eq!(akvs_client::Change::Reset.revision(), None);
    /// ```
    pub fn revision(&self) -> Option<Revision> {
        match self {
            Change::Set(item) => Some(item.revision),
            Change::Deleted { revision, .. }
            | Change::Expired { revision, .. }
            | Change::Dropped { revision }
            | Change::Synced { revision } => Some(*revision),
            Change::Reset => None,
        }
    }
}
