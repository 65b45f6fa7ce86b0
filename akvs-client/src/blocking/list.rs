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
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::blocking::Client::new(url)?.namespace("foo")?;
    /// namespace.set("a", &1).send()?;
    /// for item in namespace.list().prefix("a").iter() {
    ///     println!("{}", item?.key.escape_ascii());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn list(&self) -> Request<List> {
        self.request(self.namespace.list())
    }
}

impl Client {
    /// As [`crate::Client::namespaces`]; it ends with [`iter`](Request::<Namespaces>::iter) or
    /// [`page`](Request::<Namespaces>::page).
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let client = akvs_client::blocking::Client::new(url)?;
    /// client.namespace("foo")?.set("bar", &1).send()?;
    /// for info in client.namespaces().iter() {
    ///     assert_eq!(info?.name, "foo");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn namespaces(&self) -> Request<Namespaces> {
        Request::new(&self.runtime, self.client.namespaces())
    }
}

impl Request<List> {
    /// The items, page by page, as [`List::stream`] gives them.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::blocking::Client::new(url)?.namespace("foo")?;
    /// namespace.txn().set("a", &1).set("b", &2).set("c", &3).commit()?;
    /// let mut items = namespace.list().limit(2).reverse().iter();
    /// assert_eq!(items.next().unwrap()?.key, "c");
    /// assert_eq!(items.count(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn iter(self) -> Items<crate::Items> {
        self.items(List::stream)
    }

    /// The items of one moment, as [`List::snapshot`] gives them.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::blocking::Client::new(url)?.namespace("foo")?;
    /// namespace.set("a", &1).send()?;
    /// let item = namespace.list().values().snapshot().next().unwrap()?;
    /// assert_eq!(item.json::<u8>()?, Some(1));
    /// # Ok(())
    /// # }
    /// ```
    pub fn snapshot(self) -> Items<Snapshot> {
        self.items(List::snapshot)
    }

    /// As [`List::page`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::blocking::Client::new(url)?.namespace("foo")?;
    /// namespace.set("a", &1).send()?;
    /// assert_eq!(namespace.list().page()?.items[0].key, "a");
    /// # Ok(())
    /// # }
    /// ```
    pub fn page(&self) -> Result<Page> {
        self.call(|list| async move { list.page().await })
    }

    /// As [`List::page_at`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::blocking::Client::new(url)?.namespace("foo")?;
    /// namespace.txn().set("a", &1).set("b", &2).commit()?;
    /// let list = namespace.list().limit(1);
    /// let cursor = list.page()?.cursor.unwrap();
    /// assert_eq!(list.page_at(&cursor)?.items[0].key, "b");
    /// # Ok(())
    /// # }
    /// ```
    pub fn page_at(&self, cursor: &str) -> Result<Page> {
        let cursor = cursor.to_owned();
        self.call(|list| async move { list.page_at(&cursor).await })
    }

    /// As [`List::delimiter`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::blocking::Client::new(url)?.namespace("foo")?;
    /// namespace.txn().set("a/1", &1).set("a/2", &2).set("b", &3).commit()?;
    /// let listed = namespace.list().delimiter("/").iter();
    /// let names: Result<Vec<_>, _> = listed.map(|one| one.map(|one| one.name().clone())).collect();
    /// assert_eq!(names?, ["a/", "b"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn delimiter(self, delimiter: impl AsRef<[u8]>) -> Request<GroupedList> {
        self.map(|list| list.delimiter(delimiter))
    }
}

impl Request<GroupedList> {
    /// Items and groups, page by page, as [`GroupedList::stream`] gives them.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::blocking::Client::new(url)?.namespace("foo")?;
    /// use akvs_client::ListEntry;
    /// namespace.set("a/1", &1).send()?;
    /// let first = namespace.list().delimiter("/").iter().next().unwrap()?;
    /// assert_eq!(first, ListEntry::Prefix("a/".into()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn iter(self) -> Items<ListedItems> {
        self.items(GroupedList::stream)
    }

    /// As [`GroupedList::page`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::blocking::Client::new(url)?.namespace("foo")?;
    /// namespace.set("a/1", &1).send()?;
    /// assert_eq!(namespace.list().delimiter("/").page()?.prefixes, ["a/"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn page(&self) -> Result<Page> {
        self.call(|list| async move { list.page().await })
    }

    /// As [`GroupedList::page_at`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::blocking::Client::new(url)?.namespace("foo")?;
    /// namespace.txn().set("a/1", &1).set("b/1", &2).commit()?;
    /// let list = namespace.list().limit(1).delimiter("/");
    /// let cursor = list.page()?.cursor.unwrap();
    /// assert_eq!(list.page_at(&cursor)?.prefixes, ["b/"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn page_at(&self, cursor: &str) -> Result<Page> {
        let cursor = cursor.to_owned();
        self.call(|list| async move { list.page_at(&cursor).await })
    }
}

impl Request<Namespaces> {
    /// The namespaces, page by page, as [`Namespaces::stream`] gives them.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let client = akvs_client::blocking::Client::new(url)?;
    /// client.namespace("team-a")?.set("bar", &1).send()?;
    /// client.namespace("other")?.set("bar", &1).send()?;
    /// assert_eq!(client.namespaces().prefix("team-").iter().count(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn iter(self) -> Items<NamespaceInfos> {
        self.items(Namespaces::stream)
    }

    /// As [`Namespaces::page`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let client = akvs_client::blocking::Client::new(url)?;
    /// client.namespace("foo")?.set("bar", &1).send()?;
    /// assert_eq!(client.namespaces().page()?.namespaces[0].keys, Some(1));
    /// # Ok(())
    /// # }
    /// ```
    pub fn page(&self) -> Result<NamespacesPage> {
        self.call(|list| async move { list.page().await })
    }

    /// As [`Namespaces::page_at`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let client = akvs_client::blocking::Client::new(url)?;
    /// client.namespace("a")?.set("bar", &1).send()?;
    /// client.namespace("b")?.set("bar", &1).send()?;
    /// let list = client.namespaces().limit(1);
    /// let cursor = list.page()?.cursor.unwrap();
    /// assert_eq!(list.page_at(&cursor)?.namespaces[0].name, "b");
    /// # Ok(())
    /// # }
    /// ```
    pub fn page_at(&self, cursor: &str) -> Result<NamespacesPage> {
        let cursor = cursor.to_owned();
        self.call(|list| async move { list.page_at(&cursor).await })
    }
}
