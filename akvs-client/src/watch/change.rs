//! What a watch tells: a change, or a word on the watch itself.
//!
//! It owns what users see of an event. It does not know how events are written. Fields may be added, so that none is
//! to be taken for the last.

use akvs_core::Revision;
use bytes::Bytes;

use crate::Item;

/// A change of a namespace, or a word on the watch itself.
///
/// Here, a copy of a namespace is kept up to date, whatever happens to the server or to the way to it:
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
///             // No value came with it if the key was written again already; then that is told next.
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
    /// A key was written, or its deadline was changed; or, up to [`Synced`](Self::Synced), it is there.
    Set(Item),
    /// A key was deleted.
    #[non_exhaustive]
    Deleted {
        /// The key.
        key: Bytes,
        /// The change that deleted it.
        revision: Revision,
    },
    /// A key's deadline passed.
    #[non_exhaustive]
    Expired {
        /// The key.
        key: Bytes,
        /// The change that removed it.
        revision: Revision,
    },
    /// The namespace was dropped with all its keys. The watch goes on: it may be made anew.
    #[non_exhaustive]
    Dropped {
        /// The change that dropped it.
        revision: Revision,
    },
    /// The state is complete; from here on come changes. Only a watch [`from_state`](crate::Watch::from_state) says so.
    #[non_exhaustive]
    Synced {
        /// The revision that the state is of.
        revision: Revision,
    },
    /// Forget what you have: the state follows, from its beginning to [`Synced`](Self::Synced). It comes where changes
    /// may have been missed, or where the state was cut off before its end. Only a watch
    /// [`from_state`](crate::Watch::from_state) says so; any other ends with an error of
    /// [`Code::HistoryGone`](crate::Code::HistoryGone).
    Reset,
}

impl Change {
    /// The key that it is about; none if it is about the namespace or the watch.
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

    /// Its revision. The changes of a transaction share one.
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
