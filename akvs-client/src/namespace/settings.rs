//! The settings of a namespace, and the deletion of all or many of its keys.
//!
//! It owns these requests. It does not list namespaces. Invariant: an empty prefix never deletes all keys.

use std::time::Duration;

use akvs_api::{Deleted, media_type, param};
use akvs_core::{Code, Error as CoreError};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};

use crate::error::{Error, Result};
use crate::wire::query::Query;
use crate::{Namespace, wire};

const JSON: HeaderValue = HeaderValue::from_static(media_type::JSON);

/// The settings of a namespace. By default none is set, and the server's limits apply.
///
/// ```
/// use std::time::Duration;
/// use akvs_client::Settings;
/// let settings = Settings::default().ttl(Duration::from_secs(3_600)).max_keys(1_000);
/// assert_eq!((settings.max_keys, settings.max_bytes), (Some(1_000), None));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// The default time to live of keys.
    pub ttl: Option<Duration>,
    /// The longest value, in bytes.
    pub max_value_bytes: Option<u64>,
    /// The maximum number of keys.
    pub max_keys: Option<u64>,
    /// The maximum size of keys and values together, in bytes.
    pub max_bytes: Option<u64>,
}

impl Settings {
    /// Sets the default time to live of keys, to the millisecond.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// # use akvs_client::Settings;
    /// let hour = std::time::Duration::from_secs(3_600);
    /// namespace.configure(&Settings::default().ttl(hour)).await?;
    /// assert!(namespace.set("bar", &1).await?.expires.is_some());
    /// # Ok(()) }
    /// ```
    pub fn ttl(mut self, ttl: Duration) -> Settings {
        self.ttl = Some(ttl);
        self
    }

    /// Sets the longest value, in bytes.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// # use akvs_client::{Code, Settings};
    /// namespace.configure(&Settings::default().max_value_bytes(4)).await?;
    /// let error = namespace.set_bytes("bar", "hello").await.unwrap_err();
    /// assert_eq!(error.code(), Some(Code::TooLarge));
    /// # Ok(()) }
    /// ```
    pub fn max_value_bytes(mut self, bytes: u64) -> Settings {
        self.max_value_bytes = Some(bytes);
        self
    }

    /// Sets the maximum number of keys. Existing keys are kept.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// # use akvs_client::{Code, Settings};
    /// namespace.configure(&Settings::default().max_keys(0)).await?;
    /// let error = namespace.set("bar", &1).await.unwrap_err();
    /// assert_eq!(error.code(), Some(Code::QuotaExceeded));
    /// # Ok(()) }
    /// ```
    pub fn max_keys(mut self, keys: u64) -> Settings {
        self.max_keys = Some(keys);
        self
    }

    /// Sets the maximum size of keys and values together, in bytes. Existing keys are kept.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// # use akvs_client::{Code, Settings};
    /// namespace.configure(&Settings::default().max_bytes(7)).await?;
    /// let error = namespace.set_bytes("bar", "hello").await.unwrap_err();
    /// assert_eq!(error.code(), Some(Code::QuotaExceeded));
    /// # Ok(()) }
    /// ```
    pub fn max_bytes(mut self, bytes: u64) -> Settings {
        self.max_bytes = Some(bytes);
        self
    }

    pub(crate) fn document(&self) -> Result<akvs_api::Settings> {
        Ok(akvs_api::Settings {
            ttl: self.ttl.map(akvs_api::ttl::format).transpose()?,
            max_value_bytes: self.max_value_bytes,
            max_keys: self.max_keys,
            max_bytes: self.max_bytes,
        })
    }
}

/// Returns the settings of a document, if they can be read.
pub(crate) fn read(document: akvs_api::Settings) -> Option<Settings> {
    let ttl = match document.ttl {
        Some(text) => Some(akvs_core::parse_duration(&text)?),
        None => None,
    };
    Some(Settings {
        ttl,
        max_value_bytes: document.max_value_bytes,
        max_keys: document.max_keys,
        max_bytes: document.max_bytes,
    })
}

impl Namespace {
    /// Replaces all settings, and creates the namespace if it is missing. Returns whether it was created.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// use akvs_client::Settings;
    /// assert!(namespace.configure(&Settings::default().max_keys(10)).await?);
    /// assert!(!namespace.configure(&Settings::default()).await?);
    /// # Ok(()) }
    /// ```
    pub async fn configure(&self, settings: &Settings) -> Result<bool> {
        let document = settings.document()?;
        let body = serde_json::to_vec(&document).map_err(|error| Error::encode(b"", error))?;
        let request = self
            .request(Method::PUT, "/kv", &Query::default())?
            .headers(HeaderMap::from_iter([(CONTENT_TYPE, JSON)]))
            .body(body);
        let success = [StatusCode::CREATED, StatusCode::OK];
        let answer = self.client().send(request, &success).await?;
        let response = answer.map_err(Error::api)?;
        let is_made = response.status() == StatusCode::CREATED;
        wire::discard(response).await;
        Ok(is_made)
    }

    /// Drops the namespace with all its keys and its settings, and returns whether it existed. This cannot be undone.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// namespace.set("bar", &1).await?;
    /// assert!(namespace.drop_namespace().await?);
    /// assert!(!namespace.drop_namespace().await?);
    /// # Ok(()) }
    /// ```
    pub async fn drop_namespace(&self) -> Result<bool> {
        let mut query = Query::default();
        query.text(param::CONFIRM, self.name());
        let request = self.request(Method::DELETE, "/kv", &query)?;
        match self.client().send(request, &[StatusCode::OK]).await? {
            Ok(response) => {
                wire::discard(response).await;
                Ok(true)
            }
            Err(problem) if problem.code() == Some(Code::NotFound) => Ok(false),
            Err(problem) => Err(Error::api(problem)),
        }
    }

    /// Deletes all keys with this prefix, which must not be empty, and returns how many were deleted. Many keys are
    /// deleted in several commits: readers may see a part of them meanwhile, and after an error some may be deleted.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// namespace.txn().set("a/1", &1).set("a/2", &2).set("b", &3).commit().await?;
    /// assert_eq!(namespace.delete_prefix("a/").await?, 2);
    /// assert!(namespace.delete_prefix("").await.is_err());
    /// # Ok(()) }
    /// ```
    pub async fn delete_prefix(&self, prefix: impl AsRef<[u8]>) -> Result<u64> {
        let prefix = prefix.as_ref();
        if prefix.is_empty() {
            let text =
                "invalid prefix \"\": expected at least one byte; drop_namespace deletes all keys";
            return Err(CoreError::new(Code::InvalidRequest, text).into());
        }
        let mut query = Query::default();
        query.bytes(param::PREFIX64, prefix);
        let request = self.request(Method::DELETE, "/kv", &query)?;
        match self.client().send(request, &[StatusCode::OK]).await? {
            Ok(response) => {
                let count = |read: Deleted| Some(read.deleted);
                self.client()
                    .parse_json(response, "the number of deleted keys", count)
                    .await
            }
            Err(problem) if problem.code() == Some(Code::NotFound) => Ok(0),
            Err(problem) => Err(Error::api(problem)),
        }
    }
}
