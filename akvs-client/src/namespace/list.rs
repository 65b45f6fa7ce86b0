//! Listing a namespace's keys: which of them, in which order, and how much of each.
//!
//! It owns the choices of a list and the request that they make. Its parts own what comes back: `page` a page,
//! `grouped` the lists with a delimiter, `items` the streams. Invariant: nothing is sent before a page is asked for or
//! a stream is polled.

mod grouped;
mod items;
mod page;

pub use grouped::{GroupedList, ListEntry};
pub use items::{Items, ListedItems, Snapshot};
pub use page::Page;

use bytes::Bytes;
use reqwest::{Method, RequestBuilder};

use crate::Namespace;
use crate::error::Result;
use crate::wire::query::Query;

/// What a stream asks for at once, unless it is said how much; the server takes no more.
const STREAM_LIMIT: u16 = 1_000;

/// A list that is asked for when its [`stream`](Self::stream) is polled or a [`page`](Self::page) is awaited.
///
/// Keys come in the order of their bytes. Each page is one consistent view, but between two of them others may write: a
/// key that stood throughout is listed once, one that came or went meanwhile may be listed or not.
/// [`snapshot`](Self::snapshot) is of one moment. Of a namespace that does not exist the list is an error that
/// [`is_not_found`](crate::Error::is_not_found).
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let namespace = akvs_client::Client::new(&serve())?.namespace("foo")?;
/// for name in ["user/ann", "user/bob", "user/eve", "cart/ann"] {
///     namespace.set(name, &1).await?;
/// }
/// let mut users = namespace.list().prefix("user/").reverse().stream();
/// assert_eq!(users.next().await.unwrap()?.key, "user/eve");
/// assert_eq!(users.next().await.unwrap()?.key, "user/bob");
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a list is asked for only when it is awaited or polled"]
pub struct List {
    namespace: Namespace,
    prefix: Bytes,
    start: Bytes,
    end: Option<Bytes>,
    delimiter: Option<Bytes>,
    reverse: bool,
    values: bool,
    limit: Option<u16>,
}

impl Namespace {
    /// A list of the keys, in the order of their bytes.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut items = namespace.list().prefix("user/").stream();
    /// while let Some(item) = items.next().await.transpose()? {
    ///     println!("{:?}", item.key);
    /// }
    /// # Ok(()) }
    /// ```
    pub fn list(&self) -> List {
        List {
            namespace: self.clone(),
            prefix: Bytes::new(),
            start: Bytes::new(),
            end: None,
            delimiter: None,
            reverse: false,
            values: false,
            limit: None,
        }
    }
}

impl List {
    /// Only keys that begin with these bytes.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let page = namespace.list().prefix("user/").page().await?;
    /// # Ok(()) }
    /// ```
    pub fn prefix(mut self, prefix: impl AsRef<[u8]>) -> List {
        self.prefix = Bytes::copy_from_slice(prefix.as_ref());
        self
    }

    /// Only keys from this one on.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// namespace.set("a", &1).await?;
    /// namespace.set("b", &2).await?;
    /// assert_eq!(namespace.list().start("b").page().await?.items[0].key, "b");
    /// # Ok(()) }
    /// ```
    pub fn start(mut self, start: impl AsRef<[u8]>) -> List {
        self.start = Bytes::copy_from_slice(start.as_ref());
        self
    }

    /// Only keys before this one.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// namespace.set("a", &1).await?;
    /// namespace.set("b", &2).await?;
    /// assert_eq!(namespace.list().end("b").page().await?.items.len(), 1);
    /// # Ok(()) }
    /// ```
    pub fn end(mut self, end: impl AsRef<[u8]>) -> List {
        self.end = Some(Bytes::copy_from_slice(end.as_ref()));
        self
    }

    /// From the last key to the first.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// namespace.set("a", &1).await?;
    /// namespace.set("b", &2).await?;
    /// assert_eq!(namespace.list().reverse().page().await?.items[0].key, "b");
    /// # Ok(()) }
    /// ```
    pub fn reverse(mut self) -> List {
        self.reverse = true;
        self
    }

    /// The most items of a page, 1 to 1,000; by default 100 of a [`page`](Self::page), and 1,000 of those that a
    /// [`stream`](Self::stream) asks for. It does not bound the stream, nor a [`snapshot`](Self::snapshot). A page may
    /// have fewer, or none, and not be the last one.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let page = namespace.list().limit(10).page().await?;
    /// assert!(page.items.len() <= 10);
    /// # Ok(()) }
    /// ```
    pub fn limit(mut self, items: u16) -> List {
        self.limit = Some(items);
        self
    }

    /// Tells the values too, in [`Item::value`](crate::Item::value).
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// namespace.set_bytes("a", "hello").await?;
    /// let item = namespace.list().values().stream().next().await.unwrap()?;
    /// assert_eq!(item.value.unwrap(), "hello");
    /// # Ok(()) }
    /// ```
    pub fn values(mut self) -> List {
        self.values = true;
        self
    }

    /// Groups the keys in which these bytes follow the prefix: each group is told once, as the prefix that its keys
    /// share, and not the keys. All other choices are to be made before.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let page = namespace.list().delimiter("/").page().await?;
    /// println!("{:?}", page.prefixes);
    /// # Ok(()) }
    /// ```
    pub fn delimiter(mut self, delimiter: impl AsRef<[u8]>) -> GroupedList {
        self.delimiter = Some(Bytes::copy_from_slice(delimiter.as_ref()));
        GroupedList(self)
    }

    fn request(&self, limit: Option<u16>, cursor: Option<&str>) -> Result<RequestBuilder> {
        let mut query = Query::default();
        let bounds = [
            (
                "prefix64",
                Some(&self.prefix).filter(|prefix| !prefix.is_empty()),
            ),
            (
                "start64",
                Some(&self.start).filter(|start| !start.is_empty()),
            ),
            ("end64", self.end.as_ref()),
            ("delimiter64", self.delimiter.as_ref()),
        ];
        for (name, bytes) in bounds {
            if let Some(bytes) = bytes {
                query.bytes(name, bytes);
            }
        }
        for (name, is_chosen) in [("reverse", self.reverse), ("values", self.values)] {
            if is_chosen {
                query.text(name, "true");
            }
        }
        if let Some(limit) = limit {
            query.text("limit", &limit.to_string());
        }
        if let Some(cursor) = cursor {
            query.text("cursor", cursor);
        }
        self.namespace.ask(Method::GET, "/kv", &query)
    }
}
