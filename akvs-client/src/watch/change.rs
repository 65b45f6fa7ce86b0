//! What a watch tells: a change, or a word on the watch itself.
//!
//! It owns what users see of an event. It does not know how events are written. Fields may be added, so that none is
//! to be taken for the last.

use std::time::SystemTime;

use akvs_core::Revision;
use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// A change of a namespace, or a word on the watch itself.
///
/// Here, a copy of a namespace is kept up to date, whatever happens to the server or to the way to it:
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let url = &serve();
/// # let namespace = akvs_client::Client::new(url)?.namespace("foo")?;
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
///         Change::Set(stored) => {
///             // No value came with it if the key was written again already; then that is told next.
///             if let Some(value) = stored.value {
///                 copy.insert(stored.key, value);
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
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// A key was written, or its deadline was changed; or, up to [`Synced`](Self::Synced), it is there.
    Set(Stored),
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
            Change::Set(stored) => Some(&stored.key),
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
            Change::Set(stored) => Some(stored.revision),
            Change::Deleted { revision, .. }
            | Change::Expired { revision, .. }
            | Change::Dropped { revision }
            | Change::Synced { revision } => Some(*revision),
            Change::Reset => None,
        }
    }
}

/// What was stored under a key.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let url = &serve();
/// # let namespace = akvs_client::Client::new(url)?.namespace("foo")?;
/// use akvs_client::Change;
/// namespace.set_bytes("bar", "hello").content_type("text/plain").await?;
/// let mut changes = namespace.watch().from_state().values().stream();
/// let Some(Change::Set(stored)) = changes.next().await.transpose()? else {
///     panic!("it was just stored")
/// };
/// assert_eq!((&stored.key[..], stored.value.as_deref()), (&b"bar"[..], Some(&b"hello"[..])));
/// assert_eq!(stored.content_type.as_deref(), Some("text/plain"));
/// assert_eq!((stored.size, stored.expires), (Some(5), None));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stored {
    /// The key.
    pub key: Bytes,
    /// The change that wrote it.
    pub revision: Revision,
    /// The value, if the watch is one with [`values`](crate::Watch::values). A large value that has been overwritten
    /// before it was sent is left out; the newer one is told later.
    pub value: Option<Bytes>,
    /// How many bytes the value has.
    pub size: Option<u64>,
    /// What its writer said it is.
    pub content_type: Option<String>,
    /// How its writer said it is encoded. The client never decodes it.
    pub content_encoding: Option<String>,
    /// When it was written, by the server's clock.
    pub modified: Option<SystemTime>,
    /// From when on it is gone, to the millisecond, by the server's clock; none if it stays.
    pub expires: Option<SystemTime>,
}

impl Stored {
    /// The value, read as JSON; none if no value came.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::Client::new(url)?.namespace("foo")?;
    /// # use akvs_client::Change;
    /// namespace.set("primes", &[2, 3, 5]).await?;
    /// let mut changes = namespace.watch().from_state().values().stream();
    /// let Some(Change::Set(stored)) = changes.next().await.transpose()? else {
    ///     panic!("it was just stored")
    /// };
    /// assert_eq!(stored.json::<Vec<u32>>()?, Some(vec![2, 3, 5]));
    /// # Ok(())
    /// # }
    /// ```
    pub fn json<T: DeserializeOwned>(&self) -> Result<Option<T>> {
        let value = self.value.as_ref();
        let read = value.map(|value| serde_json::from_slice(value));
        read.transpose()
            .map_err(|error| Error::decode(&self.key, error))
    }
}
