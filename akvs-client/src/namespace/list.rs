//! Lists of a namespace's keys.
//!
//! It owns the options of a list and its request. `page` has the pages, `grouped` the lists with a delimiter, `items`
//! the streams. Invariant: nothing is sent before a page is awaited or a stream is polled.

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
use akvs_api::param;

/// The page size of streams by default; the server's maximum.
const STREAM_LIMIT: u16 = 1_000;

/// A list of keys, requested when its [`stream`](Self::stream) is polled or a [`page`](Self::page) is awaited.
///
/// Keys are in the order of their bytes. Each page is a consistent snapshot, but the namespace may change between two
/// pages: a key that exists throughout is listed once, a key that is created or deleted meanwhile may be missing. A
/// [`snapshot`](Self::snapshot) is consistent as a whole. For a missing namespace the error
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
#[must_use = "a list is requested only when it is awaited or polled"]
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
    /// Lists the keys, in the order of their bytes.
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
    /// Lists only keys with this prefix.
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

    /// Lists only this key and those after it.
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

    /// Lists only keys before this one.
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

    /// Lists the keys in descending order.
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

    /// Sets the maximum number of items of a page, 1 to 1,000; by default 100 for a [`page`](Self::page), and 1,000 for
    /// the pages of a [`stream`](Self::stream). It does not bound a stream nor a [`snapshot`](Self::snapshot). A page
    /// that is not the last may have fewer items, or none.
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

    /// Includes the values, as [`Item::value`](crate::Item::value).
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

    /// Groups the keys that contain the delimiter after the prefix: a group is listed once, as the prefix that its keys
    /// share, instead of the keys. Set all other options before.
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
                param::PREFIX64,
                Some(&self.prefix).filter(|prefix| !prefix.is_empty()),
            ),
            (
                param::START64,
                Some(&self.start).filter(|start| !start.is_empty()),
            ),
            (param::END64, self.end.as_ref()),
            (param::DELIMITER64, self.delimiter.as_ref()),
        ];
        for (name, bytes) in bounds {
            if let Some(bytes) = bytes {
                query.bytes(name, bytes);
            }
        }
        for (name, is_chosen) in [(param::REVERSE, self.reverse), (param::VALUES, self.values)] {
            if is_chosen {
                query.text(name, "true");
            }
        }
        if let Some(limit) = limit {
            query.text(param::LIMIT, &limit.to_string());
        }
        if let Some(cursor) = cursor {
            query.text(param::CURSOR, cursor);
        }
        self.namespace.request(Method::GET, "/kv", &query)
    }
}
