//! Reads of a key's metadata, without the value.
//!
//! It owns `HEAD`. It does not own the reading of values.

use reqwest::{Method, StatusCode};

use crate::error::Result;
use crate::namespace::read::entry;
use crate::{Entry, Namespace, wire};

impl Namespace {
    /// Returns the entry of a key without its value; `None` if there is no such key.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let entry = namespace.head("bar").await?.expect("a value");
    /// assert_eq!(entry.content_type, "application/json");
    /// # Ok(()) }
    /// ```
    pub async fn head(&self, key: impl AsRef<[u8]>) -> Result<Option<Entry<()>>> {
        let request = self.key_request(Method::HEAD, &wire::key_path(key.as_ref())?, "")?;
        let answer = self.read_if_found(request, &[StatusCode::OK]).await?;
        answer
            .map(|answer| entry(answer).try_map(|_| Ok(())))
            .transpose()
    }

    /// Returns whether the key exists.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// assert!(!namespace.exists("bar").await?);
    /// namespace.set("bar", &1).await?;
    /// assert!(namespace.exists("bar").await?);
    /// # Ok(()) }
    /// ```
    pub async fn exists(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        Ok(self.head(key).await?.is_some())
    }
}
