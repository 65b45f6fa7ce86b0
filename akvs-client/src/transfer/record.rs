//! The contents of an export: namespaces and their records.
//!
//! It does not know the format of lines. Its types are non-exhaustive: fields may be added.

use std::sync::Arc;
use std::time::SystemTime;

use akvs_core::Revision;
use bytes::Bytes;

use crate::Settings;

/// An item of an export.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let client = akvs_client::Client::new(&serve())?;
/// use akvs_client::ExportItem;
/// client.namespace("foo")?.set("bar", &1).await?;
/// let mut parts = client.export().parts();
/// while let Some(part) = parts.next().await.transpose()? {
///     match part {
///         ExportItem::Section(section) => println!("{}:", section.namespace),
///         ExportItem::Record(record) => println!("{}", record.key.escape_ascii()),
///         _ => {}
///     }
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExportItem {
    /// A namespace, whose records follow.
    Section(Section),
    /// A key with its value.
    Record(Record),
}

/// A namespace in an export.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let namespace = akvs_client::Client::new(&serve())?.namespace("foo")?;
/// use akvs_client::{ExportItem, Settings};
/// namespace.configure(&Settings::default().max_keys(10)).await?;
/// let Some(ExportItem::Section(section)) = namespace.export().parts().next().await.transpose()? else {
///     panic!("a namespace comes before its keys")
/// };
/// assert_eq!((&*section.namespace, section.settings.max_keys), ("foo", Some(10)));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Section {
    /// The name.
    pub namespace: Arc<str>,
    /// The store's revision when the export was made.
    pub revision: Option<Revision>,
    /// The time of its creation, by the server's clock.
    pub created: Option<SystemTime>,
    /// The settings.
    pub settings: Settings,
}

/// A key with its value and metadata, in an export or for an import.
///
/// ```
/// use akvs_client::Record;
/// let mut record = Record::new("key", "hello");
/// record.content_type = Some("text/plain".into());
/// assert_eq!(record.value, "hello");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// The namespace of the export; an import ignores it.
    pub namespace: Arc<str>,
    /// The key.
    pub key: Bytes,
    /// The value.
    pub value: Bytes,
    /// The content type that its writer set, if any.
    pub content_type: Option<String>,
    /// The content encoding that its writer set.
    pub content_encoding: Option<String>,
    /// The expiry time, to the millisecond, by the server's clock; `None` if it does not expire.
    pub expires: Option<SystemTime>,
    /// The revision of the write. An import sets a new one, and new times below.
    pub revision: Option<Revision>,
    /// The time of the key's creation.
    pub created: Option<SystemTime>,
    /// The time of the write.
    pub modified: Option<SystemTime>,
}

impl Record {
    /// Returns a record of a key and a value, for an import.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// use akvs_client::Record;
    /// let records = [Record::new("a", "1"), Record::new(b"\xff".to_vec(), "2")];
    /// assert_eq!(namespace.import().records(records).await?.imported, 2);
    /// # Ok(()) }
    /// ```
    pub fn new(key: impl Into<Bytes>, value: impl Into<Bytes>) -> Record {
        Record {
            namespace: "".into(),
            key: key.into(),
            value: value.into(),
            content_type: None,
            content_encoding: None,
            expires: None,
            revision: None,
            created: None,
            modified: None,
        }
    }
}
