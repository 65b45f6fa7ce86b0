//! The results of reads and writes.
//!
//! It owns no decoding. Its types are non-exhaustive: fields may be added.

use std::time::SystemTime;

use akvs_api::media_type;
use akvs_core::Revision;
use bytes::Bytes;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};

use crate::wire;

/// A value with its metadata.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let url = &serve();
/// use akvs_client::Client;
/// let pages = Client::new(url)?.namespace("pages")?;
/// let written = pages.set_bytes("index", "<h1>Hi</h1>").content_type("text/html").await?;
/// let entry = pages.get_bytes("index").await?.expect("it was just stored");
/// assert_eq!(entry.value, "<h1>Hi</h1>");
/// assert_eq!(entry.content_type, "text/html");
/// assert_eq!(entry.content_encoding, None);
/// assert_eq!(entry.revision, written.revision);
/// assert_eq!(entry.expires, None);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry<T> {
    /// The value.
    pub value: T,
    /// The revision, from the `ETag`; `None` if a proxy removed it.
    pub revision: Option<Revision>,
    /// The content type that its writer set, or `application/octet-stream`.
    pub content_type: String,
    /// The content encoding that its writer set. The client never decodes it.
    pub content_encoding: Option<String>,
    /// The time of the write, to the second, by the server's clock.
    pub modified: Option<SystemTime>,
    /// The expiry time, to the millisecond, by the server's clock; `None` if it does not expire.
    pub expires: Option<SystemTime>,
}

impl Entry<Bytes> {
    pub(crate) fn new(value: Bytes, headers: &HeaderMap) -> Entry<Bytes> {
        Entry {
            value,
            revision: wire::revision(headers),
            content_type: wire::text_field(headers, CONTENT_TYPE)
                .unwrap_or_else(|| media_type::OCTET_STREAM.into()),
            content_encoding: wire::text_field(headers, CONTENT_ENCODING),
            modified: wire::modified(headers),
            expires: wire::expires(headers),
        }
    }
}

impl<T> Entry<T> {
    /// Returns the entry with its value converted.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let entry = namespace.get_bytes("bar").await?.expect("a value");
    /// let entry = entry.try_map(|bytes| String::from_utf8(bytes.into()))?;
    /// # Ok(()) }
    /// ```
    pub fn try_map<U, E>(self, read: impl FnOnce(T) -> Result<U, E>) -> Result<Entry<U>, E> {
        Ok(Entry {
            value: read(self.value)?,
            revision: self.revision,
            content_type: self.content_type,
            content_encoding: self.content_encoding,
            modified: self.modified,
            expires: self.expires,
        })
    }
}

/// The result of a write.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let url = &serve();
/// use akvs_client::Client;
/// let namespace = Client::new(url)?.namespace("foo")?;
/// let first = namespace.set("bar", &1).await?;
/// let second = namespace.set("bar", &2).await?;
/// assert!(!first.existed && second.existed);
/// assert!(first.revision < second.revision);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Written {
    /// The revision of the write, from the `ETag`; `None` if a proxy removed it.
    pub revision: Option<Revision>,
    /// Whether the key existed before; false also where the token may not read it, see
    /// [`write_only`](Self::write_only).
    pub existed: bool,
    /// Whether the token may write but not read, so that the server does not disclose whether the key existed.
    pub write_only: bool,
    /// The expiry time of the key, to the millisecond, by the server's clock; `None` if it does not expire.
    pub expires: Option<SystemTime>,
}

/// The outcome of a read on the condition that the key changed.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let url = &serve();
/// use akvs_client::{Client, IfChanged};
/// let namespace = Client::new(url)?.namespace("foo")?;
/// let known = namespace.set("bar", &1).await?.revision.expect("a revision");
/// assert_eq!(namespace.get_if_changed::<u8>("bar", known).await?, IfChanged::Unchanged);
/// namespace.del("bar").await?;
/// assert_eq!(namespace.get_if_changed::<u8>("bar", known).await?, IfChanged::Missing);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IfChanged<T> {
    /// The key still has this revision; no value was sent.
    Unchanged,
    /// The key has another revision.
    Changed(Entry<T>),
    /// The key does not exist.
    Missing,
}

/// A part of a value.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let url = &serve();
/// let namespace = akvs_client::Client::new(url)?.namespace("foo")?;
/// namespace.set_bytes("bar", "hello world").await?;
/// let part = namespace.get_range("bar", 6..100).await?.expect("it was just stored").value;
/// assert_eq!((&part.bytes[..], part.start, part.total), (&b"world"[..], 6, 11));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Part {
    /// The bytes of the part.
    pub bytes: Bytes,
    /// The position of the first byte in the value.
    pub start: u64,
    /// The length of the whole value, in bytes.
    pub total: u64,
}
