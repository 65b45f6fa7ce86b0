//! Lists with a delimiter: items and groups of keys.
//!
//! It owns the common order of the two. It does not own pages. Invariant: entries are in ascending order of their
//! bytes, or in descending order if the list is reversed.

use bytes::Bytes;

use super::{List, ListedItems, Page};
use crate::Item;
use crate::error::Result;

/// A list with groups of keys, from [`List::delimiter`].
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let namespace = akvs_client::Client::new(&serve())?.namespace("foo")?;
/// use akvs_client::ListEntry;
/// namespace.set("a/1", &1).await?;
/// namespace.set("a/2", &2).await?;
/// namespace.set("b", &3).await?;
/// let mut listed = namespace.list().delimiter("/").stream();
/// assert_eq!(listed.next().await.unwrap()?, ListEntry::Prefix("a/".into()));
/// let Some(ListEntry::Item(item)) = listed.next().await.transpose()? else {
///     panic!("there is one more")
/// };
/// assert_eq!(item.key, "b");
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a list is requested only when it is awaited or polled"]
pub struct GroupedList(pub(super) List);

/// An entry of a list with a delimiter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListEntry {
    /// A key without the delimiter.
    Item(Item),
    /// The prefix of a group of keys, including the delimiter.
    Prefix(Bytes),
}

impl ListEntry {
    /// Returns the key, or the prefix of the group.
    ///
    /// ```
    /// assert_eq!(akvs_client::ListEntry::Prefix("a/".into()).name(), "a/");
    /// ```
    pub fn name(&self) -> &Bytes {
        match self {
            ListEntry::Item(item) => &item.key,
            ListEntry::Prefix(prefix) => prefix,
        }
    }
}

impl GroupedList {
    /// Returns a stream of items and groups, in the order of their bytes. Pages are requested as they are needed.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut entries = namespace.list().delimiter("/").stream();
    /// let first = entries.next().await.transpose()?;
    /// # Ok(()) }
    /// ```
    pub fn stream(self) -> ListedItems {
        ListedItems::new(self.0)
    }

    /// Returns the first page.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// namespace.set(b"\xff/1", &1).await?;
    /// let page = namespace.list().delimiter("/").page().await?;
    /// assert_eq!(page.prefixes[0], &b"\xff/"[..]);
    /// # Ok(()) }
    /// ```
    pub async fn page(&self) -> Result<Page> {
        self.0.page().await
    }

    /// Returns the page at the cursor of an earlier page of the same list.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let list = namespace.list().delimiter("/");
    /// let cursor = list.page().await?.cursor.expect("more pages");
    /// let second = list.page_at(&cursor).await?;
    /// # Ok(()) }
    /// ```
    pub async fn page_at(&self, cursor: &str) -> Result<Page> {
        self.0.page_at(cursor).await
    }
}

/// Merges items and groups of a page into one order.
pub(super) fn merge(page: Page, reverse: bool) -> Vec<ListEntry> {
    let items = page.items.into_iter().map(ListEntry::Item);
    let prefixes = page.prefixes.into_iter().map(ListEntry::Prefix);
    let mut entries: Vec<ListEntry> = items.chain(prefixes).collect();
    entries.sort_by(|one, other| match reverse {
        false => one.name().cmp(other.name()),
        true => other.name().cmp(one.name()),
    });
    entries
}
