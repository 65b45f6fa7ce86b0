//! The pages of a list.
//!
//! It owns the contents of a page. It does not own the options of a list. Invariant: a page that cannot be parsed
//! completely is an error.

use akvs_api::KeyList;
use akvs_core::Revision;
use bytes::Bytes;

use super::List;
use crate::Item;
use crate::error::{Error, Result};
use crate::wire::json;

/// A page of a list.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let namespace = akvs_client::Client::new(&serve())?.namespace("foo")?;
/// namespace.set("a", &1).await?;
/// let revision = namespace.set("b", &2).await?.revision;
/// let list = namespace.list().limit(1);
/// let first = list.page().await?;
/// assert_eq!((&first.items[0].key[..], Some(first.revision)), (&b"a"[..], revision));
/// let second = list.page_at(&first.cursor.unwrap()).await?;
/// assert_eq!((&second.items[0].key[..], second.cursor), (&b"b"[..], None));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// The revision of the page's snapshot.
    pub revision: Revision,
    /// The items.
    pub items: Vec<Item>,
    /// The prefixes of the groups; empty without a [`delimiter`](List::delimiter).
    pub prefixes: Vec<Bytes>,
    /// The cursor of the next page, for [`page_at`](List::page_at); `None` on the last page.
    pub cursor: Option<String>,
}

impl List {
    /// Returns the first page.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// assert!(namespace.list().page().await.unwrap_err().is_not_found());
    /// namespace.set("a", &1).await?;
    /// assert_eq!(namespace.list().page().await?.items.len(), 1);
    /// # Ok(()) }
    /// ```
    pub async fn page(&self) -> Result<Page> {
        self.read(self.limit, None).await
    }

    /// Returns the page at the cursor of an earlier page of the same list.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let cursor = namespace.list().page().await?.cursor.expect("more pages");
    /// let second = namespace.list().page_at(&cursor).await?;
    /// # Ok(()) }
    /// ```
    pub async fn page_at(&self, cursor: &str) -> Result<Page> {
        self.read(self.limit, Some(cursor)).await
    }

    pub(super) async fn read(&self, limit: Option<u16>, cursor: Option<&str>) -> Result<Page> {
        let request = self.request(limit, cursor)?;
        let client = self.namespace.client();
        let answer = client
            .read_json(request, "a page of the list", page)
            .await?;
        answer.map_err(Error::api)
    }
}

fn page(document: KeyList<'static>) -> Option<Page> {
    let items = document.items.into_iter().map(json::item);
    let prefixes = document.prefixes.into_iter();
    let prefixes = prefixes.map(|prefix| prefix.into_bytes().ok().map(Bytes::from));
    Some(Page {
        revision: Revision::new(document.revision),
        items: items.collect::<Option<_>>()?,
        prefixes: prefixes.collect::<Option<_>>()?,
        cursor: document.cursor,
    })
}
