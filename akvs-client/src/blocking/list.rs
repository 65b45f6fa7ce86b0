//! Lists of keys and of namespaces, for programs that are not asynchronous.
//!
//! It owns how a list is asked for: as an iterator or page by page. Its choices are the asynchronous one's. Invariant:
//! nothing is sent before a page or an item is asked for.

use super::{Client, Items, Namespace, Request};
use crate::error::Result;
use crate::{
    GroupedList, List, ListedItems, NamespaceInfos, Namespaces, NamespacesPage, Page, Snapshot,
};

impl Namespace {
    /// As [`crate::Namespace::list`]; it ends with [`iter`](Request::<List>::iter), [`page`](Request::<List>::page) or
    /// [`snapshot`](Request::<List>::snapshot).
    pub fn list(&self) -> Request<List> {
        self.request(self.namespace.list())
    }
}

impl Client {
    /// As [`crate::Client::namespaces`]; it ends with [`iter`](Request::<Namespaces>::iter) or
    /// [`page`](Request::<Namespaces>::page).
    pub fn namespaces(&self) -> Request<Namespaces> {
        Request::new(&self.runtime, self.client.namespaces())
    }
}

impl Request<List> {
    /// The items, page by page, as [`List::stream`] gives them.
    pub fn iter(self) -> Items<crate::Items> {
        self.items(List::stream)
    }

    /// The items of one moment, as [`List::snapshot`] gives them.
    pub fn snapshot(self) -> Items<Snapshot> {
        self.items(List::snapshot)
    }

    /// As [`List::page`].
    pub fn page(&self) -> Result<Page> {
        self.call(|list| async move { list.page().await })
    }

    /// As [`List::page_at`].
    pub fn page_at(&self, cursor: &str) -> Result<Page> {
        let cursor = cursor.to_owned();
        self.call(|list| async move { list.page_at(&cursor).await })
    }

    /// As [`List::delimiter`].
    pub fn delimiter(self, delimiter: impl AsRef<[u8]>) -> Request<GroupedList> {
        self.map(|list| list.delimiter(delimiter))
    }
}

impl Request<GroupedList> {
    /// Items and groups, page by page, as [`GroupedList::stream`] gives them.
    pub fn iter(self) -> Items<ListedItems> {
        self.items(GroupedList::stream)
    }

    /// As [`GroupedList::page`].
    pub fn page(&self) -> Result<Page> {
        self.call(|list| async move { list.page().await })
    }

    /// As [`GroupedList::page_at`].
    pub fn page_at(&self, cursor: &str) -> Result<Page> {
        let cursor = cursor.to_owned();
        self.call(|list| async move { list.page_at(&cursor).await })
    }
}

impl Request<Namespaces> {
    /// The namespaces, page by page, as [`Namespaces::stream`] gives them.
    pub fn iter(self) -> Items<NamespaceInfos> {
        self.items(Namespaces::stream)
    }

    /// As [`Namespaces::page`].
    pub fn page(&self) -> Result<NamespacesPage> {
        self.call(|list| async move { list.page().await })
    }

    /// As [`Namespaces::page_at`].
    pub fn page_at(&self, cursor: &str) -> Result<NamespacesPage> {
        let cursor = cursor.to_owned();
        self.call(|list| async move { list.page_at(&cursor).await })
    }
}
