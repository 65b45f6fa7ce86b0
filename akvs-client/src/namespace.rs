//! A namespace of the server: reads, writes and deletes of its keys, typed as JSON or as plain bytes.
//!
//! It owns what a call sends and what of the answer it gives back. It does not own connections, the
//! choices of a write, nor the spelling of paths. Invariant: a missing key is told apart from every other answer; what is not sure is an error.

use std::fmt;
use std::sync::Arc;

use akvs_core::Code;
use bytes::Bytes;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Problem, Result};
use crate::{Client, Entry, Set, Written, wire};

const JSON: &str = "application/json";

/// A namespace of the server. Cheap to clone.
///
/// Keys are any 1 to 1,024 bytes: `"text"`, `b"\xff\x00"`, `&some_vec`.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let url = &serve();
/// use akvs_client::Client;
/// let namespace = Client::new(url)?.namespace("foo")?;
/// namespace.set("bar", &["hello", "world"]).await?;
/// assert_eq!(namespace.get_bytes("bar").await?.unwrap().value, r#"["hello","world"]"#);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Namespace {
    client: Client,
    name: Arc<str>,
    path: Arc<str>,
}

impl Namespace {
    pub(crate) fn new(client: Client, name: &str) -> Result<Namespace> {
        Ok(Namespace {
            client,
            path: wire::namespace_path(name)?.into(),
            name: name.into(),
        })
    }

    /// The namespace's name.
    ///
    /// ```
    /// # use akvs_client::Client;
    /// assert_eq!(Client::new("http://localhost:8080")?.namespace("foo")?.name(), "foo");
    /// # Ok::<(), akvs_client::Error>(())
    /// ```
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value of a key, read as JSON, with what is known of it; none if there is no such key.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::Client::new(url)?.namespace("foo")?;
    /// assert!(namespace.get::<Vec<u32>>("primes").await?.is_none());
    /// namespace.set("primes", &[2, 3, 5]).await?;
    /// assert_eq!(namespace.get::<Vec<u32>>("primes").await?.unwrap().value, [2, 3, 5]);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn get<T: DeserializeOwned>(
        &self,
        key: impl AsRef<[u8]>,
    ) -> Result<Option<Entry<T>>> {
        let key = key.as_ref();
        let Some(entry) = self.read(key).await? else {
            return Ok(None);
        };
        entry
            .try_map(|bytes| serde_json::from_slice(&bytes))
            .map(Some)
            .map_err(|error| Error::decode(key, error))
    }

    /// The value of a key, read as JSON, or this default if there is no such key. A value that is not such JSON is an
    /// error, not the default.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::Client::new(url)?.namespace("foo")?;
    /// assert_eq!(namespace.get_or("limit", 100).await?, 100);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn get_or<T: DeserializeOwned>(
        &self,
        key: impl AsRef<[u8]>,
        default: T,
    ) -> Result<T> {
        Ok(self.get(key).await?.map_or(default, |entry| entry.value))
    }

    /// The value of a key, to the byte, with what is known of it; none if there is no such key.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::Client::new(url)?.namespace("foo")?;
    /// namespace.set_bytes(b"\xff", vec![0, 255]).await?;
    /// assert_eq!(namespace.get_bytes(b"\xff").await?.unwrap().value, [0, 255][..]);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn get_bytes(&self, key: impl AsRef<[u8]>) -> Result<Option<Entry<Bytes>>> {
        self.read(key.as_ref()).await
    }

    /// The value of a key, to the byte, or this default if there is no such key.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::Client::new(url)?.namespace("foo")?;
    /// assert_eq!(namespace.get_bytes_or("banner", "hello").await?, "hello");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn get_bytes_or(
        &self,
        key: impl AsRef<[u8]>,
        default: impl Into<Bytes>,
    ) -> Result<Bytes> {
        let entry = self.read(key.as_ref()).await?;
        Ok(entry.map_or_else(|| default.into(), |entry| entry.value))
    }

    /// Stores a value as JSON, whether or not there was one. Once it is answered, it is durable as the server is
    /// configured.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::Client::new(url)?.namespace("foo")?;
    /// #[derive(serde::Serialize)]
    /// struct Account<'a> {
    ///     plan: &'a str,
    /// }
    /// let written = namespace.set("account/7", &Account { plan: "free" }).await?;
    /// assert!(!written.existed);
    /// assert_eq!(namespace.get_bytes("account/7").await?.unwrap().content_type, "application/json");
    /// # Ok(())
    /// # }
    /// ```
    pub fn set<T: Serialize + ?Sized>(&self, key: impl AsRef<[u8]>, value: &T) -> Set {
        let key = key.as_ref();
        let body = serde_json::to_vec(value).map_err(|error| Error::encode(key, error));
        Set::new(self, key, body.map(Bytes::from)).content_type(JSON)
    }

    /// Stores a value as it is, whether or not there was one.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::Client::new(url)?.namespace("foo")?;
    /// namespace.set_bytes("bar", "hello world").content_type("text/plain").await?;
    /// assert_eq!(namespace.get_bytes("bar").await?.unwrap().value, "hello world");
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_bytes(&self, key: impl AsRef<[u8]>, value: impl Into<Bytes>) -> Set {
        Set::new(self, key.as_ref(), Ok(value.into()))
    }

    /// Removes a key, and says whether it was there.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::Client::new(url)?.namespace("foo")?;
    /// namespace.set("bar", &1).await?;
    /// assert!(namespace.del("bar").await?);
    /// assert!(!namespace.del("bar").await?);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn del(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        let request = self.request(Method::DELETE, key.as_ref())?;
        Ok(self.write(request, StatusCode::OK).await?.existed)
    }

    async fn read(&self, key: &[u8]) -> Result<Option<Entry<Bytes>>> {
        let request = self.request(Method::GET, key)?;
        let mut response = match self.client.send(request, StatusCode::OK).await? {
            Ok(response) => response,
            // Only the server's own document counts: any other 404 may come from a proxy that lost the server.
            Err(problem) if problem.code() == Some(Code::NotFound) => return Ok(None),
            Err(problem) => return Err(Error::api(problem)),
        };
        let headers = std::mem::take(response.headers_mut());
        let value = wire::body(response, self.client.max_value_bytes()).await?;
        Ok(Some(Entry::new(value, &headers)))
    }

    pub(crate) async fn write(
        &self,
        request: RequestBuilder,
        success: StatusCode,
    ) -> Result<Written> {
        let response = self
            .client
            .send(request, success)
            .await?
            .map_err(Error::api)?;
        let revision = wire::revision(response.headers());
        let existed = wire::existed(response.headers()).ok_or_else(|| {
            let text = "the answer does not say whether the key existed: this is no AKVS server";
            Error::api(Problem::new(success.as_u16(), text))
        })?;
        wire::discard(response).await;
        Ok(Written { revision, existed })
    }

    pub(crate) fn request(&self, method: Method, key: &[u8]) -> Result<RequestBuilder> {
        self.client
            .request(method, [&self.path, &wire::key_path(key)?])
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
