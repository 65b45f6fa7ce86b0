//! Reading what is known of a key without its value.
//!
//! It owns `HEAD`. It does not own the reading of values.

use reqwest::{Method, StatusCode};

use crate::error::Result;
use crate::namespace::read::entry;
use crate::{Entry, Namespace, wire};

impl Namespace {
    /// What is known of a key, without its value; none if there is no such key.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::Client::new(url)?.namespace("foo")?;
    /// assert!(namespace.head("bar").await?.is_none());
    /// let written = namespace.set("bar", &1).await?;
    /// let entry = namespace.head("bar").await?.expect("it was just stored");
    /// assert_eq!(entry.revision, written.revision);
    /// assert_eq!(entry.content_type, "application/json");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn head(&self, key: impl AsRef<[u8]>) -> Result<Option<Entry<()>>> {
        let request = self.request(Method::HEAD, &wire::key_path(key.as_ref())?, "")?;
        let answer = self.read_if_found(request, &[StatusCode::OK]).await?;
        answer
            .map(|answer| entry(answer).try_map(|_| Ok(())))
            .transpose()
    }

    /// Whether there is such a key.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = &serve();
    /// # let namespace = akvs_client::Client::new(url)?.namespace("foo")?;
    /// assert!(!namespace.exists("bar").await?);
    /// namespace.set("bar", &1).await?;
    /// assert!(namespace.exists("bar").await?);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn exists(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        Ok(self.head(key).await?.is_some())
    }
}
