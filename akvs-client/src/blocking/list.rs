//! Blocking lists of keys and of namespaces.
//!
//! It owns the iterators and pages of a list. The options are those of the asynchronous list. Invariant: nothing is
//! sent before a page or an item is requested.

use super::{Client, Items, Namespace, Request};
use crate::error::Result;
use crate::{
    GroupedList, List, ListedItems, NamespaceInfos, Namespaces, NamespacesPage, Page, Snapshot,
};

impl Namespace {
    /// Calls [`crate::Namespace::list`]; [`iter`](Request::<List>::iter), [`page`](Request::<List>::page) or
    /// [`snapshot`](Request::<List>::snapshot) send it.
    pub fn list(&self) -> Request<List> {
        self.request(self.namespace.list())
    }
}

impl Client {
    /// Calls [`crate::Client::namespaces`]; [`iter`](Request::<Namespaces>::iter) or
    /// [`page`](Request::<Namespaces>::page) send it.
    pub fn namespaces(&self) -> Request<Namespaces> {
        Request::new(&self.runtime, self.client.namespaces())
    }
}

impl Request<List> {
    /// Returns the items of [`List::stream`].
    pub fn iter(self) -> Items<crate::Items> {
        self.items(List::stream)
    }

    /// Returns the items of [`List::snapshot`].
    pub fn snapshot(self) -> Items<Snapshot> {
        self.items(List::snapshot)
    }

    /// Calls [`List::page`].
    pub fn page(&self) -> Result<Page> {
        self.call(|list| async move { list.page().await })
    }

    /// Calls [`List::page_at`].
    pub fn page_at(&self, cursor: &str) -> Result<Page> {
        let cursor = cursor.to_owned();
        self.call(|list| async move { list.page_at(&cursor).await })
    }

    /// Calls [`List::delimiter`].
    pub fn delimiter(self, delimiter: impl AsRef<[u8]>) -> Request<GroupedList> {
        self.map(|list| list.delimiter(delimiter))
    }
}

impl Request<GroupedList> {
    /// Returns the items and groups of [`GroupedList::stream`].
    pub fn iter(self) -> Items<ListedItems> {
        self.items(GroupedList::stream)
    }

    /// Calls [`GroupedList::page`].
    pub fn page(&self) -> Result<Page> {
        self.call(|list| async move { list.page().await })
    }

    /// Calls [`GroupedList::page_at`].
    pub fn page_at(&self, cursor: &str) -> Result<Page> {
        let cursor = cursor.to_owned();
        self.call(|list| async move { list.page_at(&cursor).await })
    }
}

impl Request<Namespaces> {
    /// Returns the namespaces of [`Namespaces::stream`].
    pub fn iter(self) -> Items<NamespaceInfos> {
        self.items(Namespaces::stream)
    }

    /// Calls [`Namespaces::page`].
    pub fn page(&self) -> Result<NamespacesPage> {
        self.call(|list| async move { list.page().await })
    }

    /// Calls [`Namespaces::page_at`].
    pub fn page_at(&self, cursor: &str) -> Result<NamespacesPage> {
        let cursor = cursor.to_owned();
        self.call(|list| async move { list.page_at(&cursor).await })
    }
}
