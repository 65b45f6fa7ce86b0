//! Lists of the namespaces of a server.
//!
//! It owns the options of the list and its parsing. It does not list keys. Invariant: nothing is sent before a page is
//! awaited or a stream is polled.

use std::time::SystemTime;

use akvs_api::{NamespaceList, param};
use akvs_core::Revision;
use reqwest::Method;

use crate::error::{Error, Result};
use crate::namespace::settings;
use crate::pagination::{Boxed, paged, stream};
use crate::wire::json;
use crate::wire::query::Query;
use crate::{Client, Settings};

/// The page size of streams by default; the server's maximum.
const STREAM_LIMIT: u16 = 1_000;

/// A namespace with its size and settings.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let client = akvs_client::Client::new(&serve())?;
/// let written = client.namespace("foo")?.set_bytes("bar", "hello").await?;
/// let page = client.namespaces().page().await?;
/// let foo = &page.namespaces[0];
/// assert_eq!((&foo.name[..], foo.keys, foo.bytes), ("foo", Some(1), Some(8)));
/// assert_eq!(foo.revision, written.revision);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NamespaceInfo {
    /// The name.
    pub name: String,
    /// The number of keys. This and the following fields are `None` if the token may not read the whole namespace.
    pub keys: Option<u64>,
    /// The size of keys and values together, in bytes.
    pub bytes: Option<u64>,
    /// The revision of the last change.
    pub revision: Option<Revision>,
    /// The time of its creation, by the server's clock.
    pub created: Option<SystemTime>,
    /// The settings.
    pub settings: Option<Settings>,
}

/// A page of the list of namespaces.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let url = &serve();
/// let page = akvs_client::Client::new(url)?.namespaces().page().await?;
/// assert!(page.namespaces.is_empty() && page.cursor.is_none());
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NamespacesPage {
    /// The namespaces.
    pub namespaces: Vec<NamespaceInfo>,
    /// The cursor of the next page, for [`page_at`](Namespaces::page_at); `None` on the last page.
    pub cursor: Option<String>,
}

/// A list of the namespaces that the token may see, by name, requested when its [`stream`](Self::stream) is polled or a
/// [`page`](Self::page) is awaited.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let client = akvs_client::Client::new(&serve())?;
/// for name in ["team-b", "team-a", "other"] {
///     client.namespace(name)?.set("bar", &1).await?;
/// }
/// let mut teams = client.namespaces().prefix("team-").stream();
/// assert_eq!(teams.next().await.unwrap()?.name, "team-a");
/// assert_eq!(teams.next().await.unwrap()?.name, "team-b");
/// assert!(teams.next().await.is_none());
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a list is requested only when it is awaited or polled"]
pub struct Namespaces {
    client: Client,
    prefix: String,
    limit: Option<u16>,
}

/// The namespaces of a server, from [`Namespaces::stream`].
#[must_use = "a list is requested only when it is polled"]
pub struct NamespaceInfos(Boxed<NamespaceInfo>);

stream!(NamespaceInfos => NamespaceInfo, "client.namespaces().stream()");

impl Client {
    /// Lists the namespaces.
    ///
    /// ```no_run
    /// # async fn example(client: akvs_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut namespaces = client.namespaces().stream();
    /// while let Some(info) = namespaces.next().await.transpose()? {
    ///     println!("{} has {:?} keys", info.name, info.keys);
    /// }
    /// # Ok(()) }
    /// ```
    pub fn namespaces(&self) -> Namespaces {
        Namespaces {
            client: self.clone(),
            prefix: String::new(),
            limit: None,
        }
    }
}

impl Namespaces {
    /// Lists only namespaces with this prefix.
    ///
    /// ```no_run
    /// # async fn example(client: akvs_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// client.namespace("foo")?.set("bar", &1).await?;
    /// assert_eq!(client.namespaces().prefix("f").page().await?.namespaces.len(), 1);
    /// assert_eq!(client.namespaces().prefix("g").page().await?.namespaces.len(), 0);
    /// # Ok(()) }
    /// ```
    pub fn prefix(mut self, prefix: impl Into<String>) -> Namespaces {
        self.prefix = prefix.into();
        self
    }

    /// Sets the maximum number of namespaces of a page, 1 to 1,000. It does not bound the stream.
    ///
    /// ```no_run
    /// # async fn example(client: akvs_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// client.namespace("a")?.set("bar", &1).await?;
    /// client.namespace("b")?.set("bar", &1).await?;
    /// assert_eq!(client.namespaces().limit(1).page().await?.namespaces.len(), 1);
    /// # Ok(()) }
    /// ```
    pub fn limit(mut self, namespaces: u16) -> Namespaces {
        self.limit = Some(namespaces);
        self
    }

    /// Returns the first page.
    ///
    /// ```no_run
    /// # async fn example(client: akvs_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// client.namespace("foo")?.set("bar", &1).await?;
    /// assert_eq!(client.namespaces().page().await?.namespaces[0].name, "foo");
    /// # Ok(()) }
    /// ```
    pub async fn page(&self) -> Result<NamespacesPage> {
        self.read(self.limit, None).await
    }

    /// Returns the page at the cursor of an earlier page of the same list.
    ///
    /// ```no_run
    /// # async fn example(client: akvs_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let cursor = client.namespaces().page().await?.cursor.expect("more pages");
    /// let second = client.namespaces().page_at(&cursor).await?;
    /// # Ok(()) }
    /// ```
    pub async fn page_at(&self, cursor: &str) -> Result<NamespacesPage> {
        self.read(self.limit, Some(cursor)).await
    }

    /// Returns a stream of the namespaces. Pages are requested as they are needed.
    ///
    /// ```no_run
    /// # async fn example(client: akvs_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut namespaces = client.namespaces().stream();
    /// let first = namespaces.next().await.transpose()?;
    /// # Ok(()) }
    /// ```
    pub fn stream(self) -> NamespaceInfos {
        NamespaceInfos(paged(move |cursor| {
            let list = self.clone();
            async move {
                let limit = list.limit.unwrap_or(STREAM_LIMIT);
                let page = list.read(Some(limit), cursor.as_deref()).await?;
                Ok((page.namespaces, page.cursor))
            }
        }))
    }

    async fn read(&self, limit: Option<u16>, cursor: Option<&str>) -> Result<NamespacesPage> {
        let mut query = Query::default();
        if !self.prefix.is_empty() {
            query.text(param::PREFIX, &self.prefix);
        }
        if let Some(limit) = limit {
            query.text(param::LIMIT, &limit.to_string());
        }
        if let Some(cursor) = cursor {
            query.text(param::CURSOR, cursor);
        }
        let path = ["/kv", "", query.as_str()];
        let request = self.client.request(Method::GET, path)?;
        let answer = self
            .client
            .read_json(request, "the list of namespaces", page)
            .await?;
        answer.map_err(Error::api)
    }
}

fn page(document: NamespaceList) -> Option<NamespacesPage> {
    let namespaces = document.namespaces.into_iter().map(|namespace| {
        Some(NamespaceInfo {
            created: json::time(namespace.created.as_deref()),
            name: namespace.name,
            keys: namespace.keys,
            bytes: namespace.bytes,
            revision: namespace.revision.map(Revision::new),
            settings: match namespace.settings {
                Some(settings) => Some(settings::read(settings.into())?),
                None => None,
            },
        })
    });
    Some(NamespacesPage {
        namespaces: namespaces.collect::<Option<_>>()?,
        cursor: document.cursor,
    })
}
