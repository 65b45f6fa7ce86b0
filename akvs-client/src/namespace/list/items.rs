//! Lists as streams: page by page, or as one snapshot.
//!
//! It owns when a request is sent. It does not own the options of a list. Invariant: a stream that ends without an
//! error is complete.

use futures_util::stream::try_unfold;
use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};

use super::grouped::merge;
use super::{List, ListEntry, STREAM_LIMIT};
use crate::Item;
use crate::error::{Result, protocol_error};
use crate::ndjson::{Body, Lines};
use crate::pagination::{Boxed, paged, stream};
use crate::wire::json;

/// Lines, and problem documents for errors.
const NDJSON: HeaderValue =
    HeaderValue::from_static("application/x-ndjson, application/problem+json;q=0.5");

/// The items of a list, from [`List::stream`].
#[must_use = "a list is requested only when it is polled"]
pub struct Items(Boxed<Item>);

stream!(Items => Item, "namespace.list().stream()");

/// The items and groups of a list, from [`GroupedList::stream`](super::GroupedList::stream).
#[must_use = "a list is requested only when it is polled"]
pub struct ListedItems(Boxed<ListEntry>);

stream!(ListedItems => ListEntry, "namespace.list().delimiter(\"/\").stream()");

/// The items of a list of one snapshot, from [`List::snapshot`].
#[must_use = "a list is requested only when it is polled"]
pub struct Snapshot(Boxed<Item>);

stream!(Snapshot => Item, "namespace.list().snapshot()");

impl List {
    /// Returns a stream of the items. Pages are requested as they are needed. An error ends the stream; to continue in
    /// another process, use [`page`](Self::page) and [`page_at`](Self::page_at).
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut items = namespace.list().stream();
    /// let first = items.next().await.transpose()?;
    /// # Ok(()) }
    /// ```
    pub fn stream(self) -> Items {
        Items(paged(move |cursor| {
            let list = self.clone();
            async move {
                let page = list.read_for_stream(cursor).await?;
                Ok((page.items, page.cursor))
            }
        }))
    }

    /// Returns a stream of the items of one snapshot, taken at the first poll, whatever is written meanwhile. It needs
    /// little memory in client and server, but the server may end it after an hour. A truncated stream ends with an
    /// error and cannot be resumed.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut items = namespace.list().values().snapshot();
    /// let first = items.next().await.transpose()?;
    /// # Ok(()) }
    /// ```
    pub fn snapshot(self) -> Snapshot {
        Snapshot(Box::pin(try_unfold(None, move |lines| {
            let list = self.clone();
            async move {
                let mut lines = match lines {
                    Some(lines) => lines,
                    None => list.lines().await?,
                };
                let Some(line) = lines.next().await? else {
                    return Ok(None);
                };
                let entry: Option<akvs_api::Item<'_>> = serde_json::from_slice(&line).ok();
                let item = entry.and_then(json::item);
                let item = item.ok_or_else(|| {
                    protocol_error("invalid answer: cannot read an item of the list")
                })?;
                Ok(Some((item, Some(lines))))
            }
        })))
    }

    async fn lines(&self) -> Result<Lines> {
        let request = self.request(None, None)?;
        let request = request.headers(HeaderMap::from_iter([(ACCEPT, NDJSON)]));
        let client = self.namespace.client();
        let body = Body::open(client, request).await?;
        Ok(Lines::new(client, body))
    }

    async fn read_for_stream(&self, cursor: Option<String>) -> Result<super::Page> {
        let limit = self.limit.unwrap_or(STREAM_LIMIT);
        self.read(Some(limit), cursor.as_deref()).await
    }
}

impl ListedItems {
    pub(super) fn new(list: List) -> ListedItems {
        ListedItems(paged(move |cursor| {
            let list = list.clone();
            async move {
                let page = list.read_for_stream(cursor).await?;
                let cursor = page.cursor.clone();
                Ok((merge(page, list.reverse), cursor))
            }
        }))
    }
}
