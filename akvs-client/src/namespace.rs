//! A namespace of the server, and its writes. The modules below have its reads, lists, transactions and settings.
//!
//! It owns the name and its path. It does not own connections, the options of a write, nor the encoding of keys.
//! Invariant: a write is sent only when it is awaited.

pub(crate) mod configure;
pub(crate) mod entry;
pub(crate) mod get_many;
mod head;
pub(crate) mod list;
mod long_poll;
pub(crate) mod read;
pub(crate) mod settings;
pub(crate) mod txn;
pub(crate) mod update;
pub(crate) mod with_codec;
pub(crate) mod write;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use reqwest::{Method, RequestBuilder};
use serde::Serialize;

use crate::codec::JSON;
use crate::error::{Error, Result};
use crate::namespace::write::Write;
use crate::wire::query::Query;
use crate::{Add, Append, Client, Delete, Set, Touch, Watch, wire};

/// A namespace of the server. Cheap to clone.
///
/// Keys are any 1 to 1,024 bytes: `"text"`, `b"\xff\x00"`, `&some_vec`.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let url = &serve();
/// use akvs_client::Client;
/// let namespace = Client::new(url)?.namespace("foo")?;
/// namespace.set("bar", &["hello", "world"]).await?;
/// assert_eq!(namespace.get_bytes("bar").await?.unwrap().value, r#"["hello","world"]"#);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Namespace {
    client: Client,
    name: Arc<str>,
    path: Arc<str>,
}

impl Client {
    /// Returns a namespace of the server. Nothing is sent: a namespace is created by its first write.
    ///
    /// The name has 1 to 128 bytes of UTF-8 without control characters. `.` and `..` are refused: URLs treat them as
    /// path segments to be removed.
    ///
    /// ```
    /// let client = akvs_client::Client::new("http://localhost:8080")?;
    /// assert_eq!(client.namespace("foo")?.name(), "foo");
    /// assert!(client.namespace("").is_err());
    /// # Ok::<(), akvs_client::Error>(())
    /// ```
    pub fn namespace(&self, name: impl AsRef<str>) -> Result<Namespace> {
        Namespace::new(self.clone(), name.as_ref())
    }
}

impl Namespace {
    pub(crate) fn new(client: Client, name: &str) -> Result<Namespace> {
        Ok(Namespace {
            client,
            path: wire::namespace_path(name)?.into(),
            name: name.into(),
        })
    }

    /// Returns the name.
    ///
    /// ```
    /// # use akvs_client::Client;
    /// assert_eq!(Client::new("http://localhost:8080")?.namespace("foo")?.name(), "foo");
    /// # Ok::<(), akvs_client::Error>(())
    /// ```
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Stores a value as JSON. Without options it replaces any value and does not expire. The answer comes when the
    /// write is as durable as the server is configured.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let written = namespace.set("bar", &["hello", "world"]).await?;
    /// assert!(!written.existed);
    /// # Ok(()) }
    /// ```
    pub fn set<T: Serialize + ?Sized>(&self, key: impl AsRef<[u8]>, value: &T) -> Set {
        let key = key.as_ref();
        let body = serde_json::to_vec(value).map_err(|error| Error::encode(key, error));
        let body = body.map(Bytes::from);
        Set(Write::new(self, Method::POST, key, body)).content_type(JSON)
    }

    /// Stores bytes. Without options it replaces any value and does not expire.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// namespace.set_bytes("bar", "hello world").content_type("text/plain").await?;
    /// assert_eq!(namespace.get_bytes("bar").await?.unwrap().value, "hello world");
    /// # Ok(()) }
    /// ```
    pub fn set_bytes(&self, key: impl AsRef<[u8]>, value: impl Into<Bytes>) -> Set {
        Set(Write::new(
            self,
            Method::POST,
            key.as_ref(),
            Ok(value.into()),
        ))
    }

    /// Deletes a key, and returns whether it existed. The request takes conditions.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// namespace.set("bar", &1).await?;
    /// assert!(namespace.del("bar").await?);
    /// assert!(!namespace.del("bar").await?);
    /// # Ok(()) }
    /// ```
    pub fn del(&self, key: impl AsRef<[u8]>) -> Delete {
        Delete(Write::new(
            self,
            Method::DELETE,
            key.as_ref(),
            Ok(Bytes::new()),
        ))
    }

    /// Sets the expiry time of a key by [`ttl`](Touch::ttl), or else removes it. The value is unchanged.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// namespace.set("bar", &1).ttl(std::time::Duration::from_secs(60)).await?;
    /// namespace.touch("bar").await?;
    /// assert_eq!(namespace.get_bytes("bar").await?.unwrap().expires, None);
    /// # Ok(()) }
    /// ```
    pub fn touch(&self, key: impl AsRef<[u8]>) -> Touch {
        Touch(Write::op(self, "touch", key.as_ref(), Bytes::new()))
    }

    /// Adds to a decimal number, and returns the sum; a missing key counts as 0. If the value is not a number or the
    /// sum exceeds an `i64`, nothing is written and the error is [`Code::Conflict`](crate::Code::Conflict).
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// namespace.set("stock", &40).await?;
    /// assert_eq!(namespace.add("stock", 2).await?, 42);
    /// # Ok(()) }
    /// ```
    pub fn add(&self, key: impl AsRef<[u8]>, by: i64) -> Add {
        Add(Write::op(self, "add", key.as_ref(), by.to_string().into()))
    }

    /// Appends bytes to a value; a missing key counts as empty.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// assert!(!namespace.append("log", "first\n").await?.existed);
    /// assert!(namespace.append("log", "second\n").await?.existed);
    /// # Ok(()) }
    /// ```
    pub fn append(&self, key: impl AsRef<[u8]>, value: impl Into<Bytes>) -> Append {
        Append(Write::op(self, "append", key.as_ref(), value.into()))
    }

    /// Watches the namespace: a stream of its changes that resumes after broken connections and restarts of the server.
    /// The namespace need not exist yet.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut changes = namespace.watch().prefix("user/").values().stream();
    /// while let Some(change) = changes.next().await.transpose()? {
    ///     println!("{change:?}");
    /// }
    /// # Ok(()) }
    /// ```
    pub fn watch(&self) -> Watch {
        Watch::new(&self.client, &self.path)
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Returns a request for this namespace below a route of the server, such as `/kv` or `/export`.
    pub(crate) fn request(
        &self,
        method: Method,
        route: &str,
        query: &Query,
    ) -> Result<RequestBuilder> {
        let path = wire::namespace_path(self.name())?;
        let path = path.strip_prefix("/kv").unwrap_or(&path);
        self.client().request(method, [route, path, query.as_str()])
    }

    /// Returns a request for a key's path, with a query that includes its question mark.
    pub(crate) fn key_request(
        &self,
        method: Method,
        key: &str,
        query: &str,
    ) -> Result<RequestBuilder> {
        self.client.request(method, [&self.path, key, query])
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Namespace")
            .field("name", &self.name)
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_encoded_alike_in_all_routes() {
        let client = crate::Client::new("http://h:1").unwrap();
        let namespace = client.namespace("a/b").unwrap();
        let request = namespace.request(Method::POST, "/txn", &Query::default());
        let url = request.unwrap().build().unwrap().url().to_string();
        assert_eq!(url, "http://h:1/txn/a%2Fb");
    }
}
