//! What a file of an export holds: namespaces, and their keys.
//!
//! It owns what users see of a line. It does not know how lines are written. Fields may be added, so that none is to be
//! taken for the last.

use std::sync::Arc;
use std::time::SystemTime;

use akvs_core::Revision;
use bytes::Bytes;

use crate::Settings;

/// A part of an export.
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
    /// A namespace, whose keys follow.
    Section(Section),
    /// A key with its value.
    Record(Record),
}

/// A namespace as an export tells it.
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
    /// Its name.
    pub namespace: Arc<str>,
    /// The store's revision when the export was made.
    pub revision: Option<Revision>,
    /// When it was made, by the server's clock.
    pub created: Option<SystemTime>,
    /// What was chosen for it.
    pub settings: Settings,
}

/// A key with its value and all that is stored of it, as an export tells it and an import takes it.
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
    /// The namespace that it was in; an import goes by where it is sent to.
    pub namespace: Arc<str>,
    /// The key.
    pub key: Bytes,
    /// The value.
    pub value: Bytes,
    /// What its writer said it is, if that was said.
    pub content_type: Option<String>,
    /// How its writer said it is encoded.
    pub content_encoding: Option<String>,
    /// From when on it is gone, to the millisecond, by the server's clock; none if it stays.
    pub expires: Option<SystemTime>,
    /// The change that wrote it. What is imported gets a new one, as it does for the two times below.
    pub revision: Option<Revision>,
    /// When the key was made.
    pub created: Option<SystemTime>,
    /// When the value was written.
    pub modified: Option<SystemTime>,
}

impl Record {
    /// A record of this key and this value, to be imported.
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
