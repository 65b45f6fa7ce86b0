//! A write before it is sent: its value, and what else is said of it.
//!
//! It owns the choices of a write. It does not own how it is sent, nor what the answer means. Invariant: what is not
//! valid is kept as the error of the write, and then nothing is sent.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;

use akvs_core::{Code, FieldValue};
use bytes::Bytes;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName};
use reqwest::{Method, RequestBuilder, StatusCode};

use crate::error::Result;
use crate::{Namespace, Written};

/// A write that is sent when it is awaited.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let url = &serve();
/// # let namespace = akvs_client::Client::new(url)?.namespace("foo")?;
/// let write = namespace.set("bar", "hello").content_type("application/vnd.greeting+json");
/// assert!(namespace.get_bytes("bar").await?.is_none());
/// write.await?;
/// assert!(namespace.get_bytes("bar").await?.is_some());
/// # Ok(())
/// # }
/// ```
#[must_use = "a write is sent only when it is awaited"]
pub struct Set {
    namespace: Namespace,
    /// The request's path and body, or why there is none.
    request: Result<(RequestBuilder, Bytes)>,
    fields: HeaderMap,
}

impl Set {
    pub(crate) fn new(namespace: &Namespace, key: &[u8], body: Result<Bytes>) -> Set {
        let request = namespace.request(Method::POST, key);
        Set {
            namespace: namespace.clone(),
            request: request.and_then(|request| Ok((request, body?))),
            fields: HeaderMap::new(),
        }
    }

    /// Says what the value is (`Content-Type`); it is given back with it. 1 to 255 visible ASCII characters.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::Client::new(url)?.namespace("foo")?;
    /// namespace.set_bytes("bar", "a,b").content_type("text/csv").await?;
    /// assert_eq!(namespace.get_bytes("bar").await?.unwrap().content_type, "text/csv");
    /// # Ok(())
    /// # }
    /// ```
    pub fn content_type(self, content_type: &str) -> Set {
        self.field(CONTENT_TYPE, content_type)
    }

    /// Says how the value is encoded (`Content-Encoding`); it is given back with it, and nobody decodes it.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::Client::new(url)?.namespace("foo")?;
    /// let zipped = vec![0x1f, 0x8b, 0x08];
    /// namespace.set_bytes("bar", zipped.clone()).content_encoding("gzip").await?;
    /// let entry = namespace.get_bytes("bar").await?.unwrap();
    /// assert_eq!((entry.content_encoding.as_deref(), &entry.value[..]), (Some("gzip"), &zipped[..]));
    /// # Ok(())
    /// # }
    /// ```
    pub fn content_encoding(self, content_encoding: &str) -> Set {
        self.field(CONTENT_ENCODING, content_encoding)
    }

    fn field(mut self, name: HeaderName, text: &str) -> Set {
        let value = FieldValue::new(text.to_owned()).and_then(|text| {
            text.as_str().parse().map_err(|error| {
                akvs_core::Error::new(Code::InvalidRequest, "a field value is not valid")
                    .because(error)
            })
        });
        match value {
            Ok(value) => drop(self.fields.insert(name, value)),
            Err(error) => self.request = self.request.and(Err(error.into())),
        }
        self
    }
}

impl IntoFuture for Set {
    type Output = Result<Written>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Written>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let (request, body) = self.request?;
            let request = request.headers(self.fields).body(body);
            self.namespace.write(request, StatusCode::CREATED).await
        })
    }
}

impl fmt::Debug for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Set")
            .field("namespace", &self.namespace)
            .field("fields", &self.fields)
            .finish_non_exhaustive()
    }
}
