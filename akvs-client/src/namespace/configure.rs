//! Reads and changes of a namespace's settings.
//!
//! It owns the two requests. It does not own the settings: [`Settings`] does. Invariant: settings that a patch does not
//! name are not sent, so that concurrent changes of them are kept.

use std::time::Duration;

use akvs_api::{NamespaceSettings, media_type};
use akvs_core::Code;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::namespace::settings;
use crate::wire::query::Query;
use crate::{Namespace, Settings};

const MERGE_PATCH: HeaderValue = HeaderValue::from_static(media_type::MERGE_PATCH_JSON);

/// A change of some settings of a namespace; the others are unchanged.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let namespace = akvs_client::Client::new(&serve())?.namespace("foo")?;
/// use akvs_client::{Settings, SettingsPatch};
/// namespace.configure(&Settings::default().max_keys(10).max_bytes(1_000)).await?;
/// let patch = SettingsPatch::default().max_keys(20).max_bytes(None);
/// let changed = namespace.change_settings(&patch).await?;
/// assert_eq!((changed.settings.max_keys, changed.settings.max_bytes), (Some(20), None));
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SettingsPatch {
    /// See [`Settings::ttl`]; `Some(None)` removes the setting, as for all others.
    pub ttl: Option<Option<Duration>>,
    /// See [`Settings::max_value_bytes`].
    pub max_value_bytes: Option<Option<u64>>,
    /// See [`Settings::max_keys`].
    pub max_keys: Option<Option<u64>>,
    /// See [`Settings::max_bytes`].
    pub max_bytes: Option<Option<u64>>,
}

/// The result of a change of settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Configured {
    /// Whether the namespace was created.
    pub created: bool,
    /// All settings after the change.
    pub settings: Settings,
}

impl SettingsPatch {
    /// Sets the default time to live of keys, to the millisecond; `None` removes it.
    pub fn ttl(mut self, ttl: impl Into<Option<Duration>>) -> SettingsPatch {
        self.ttl = Some(ttl.into());
        self
    }

    /// Sets the longest value, in bytes; `None` removes the limit.
    pub fn max_value_bytes(mut self, bytes: impl Into<Option<u64>>) -> SettingsPatch {
        self.max_value_bytes = Some(bytes.into());
        self
    }

    /// Sets the maximum number of keys; `None` removes the limit.
    pub fn max_keys(mut self, keys: impl Into<Option<u64>>) -> SettingsPatch {
        self.max_keys = Some(keys.into());
        self
    }

    /// Sets the maximum size of keys and values together, in bytes; `None` removes the limit.
    pub fn max_bytes(mut self, bytes: impl Into<Option<u64>>) -> SettingsPatch {
        self.max_bytes = Some(bytes.into());
        self
    }

    /// Returns the merge patch (RFC 7396).
    fn document(&self) -> Result<Map<String, Value>> {
        let mut members = Map::new();
        if let Some(ttl) = self.ttl {
            let ttl = ttl.map(akvs_api::ttl::format).transpose()?;
            members.insert("ttl".into(), ttl.into());
        }
        for (name, limit) in [
            ("max_value_bytes", self.max_value_bytes),
            ("max_keys", self.max_keys),
            ("max_bytes", self.max_bytes),
        ] {
            if let Some(limit) = limit {
                members.insert(name.into(), limit.into());
            }
        }
        Ok(members)
    }
}

impl Namespace {
    /// Returns the settings of the namespace; `None` if there is no such namespace.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let settings = namespace.settings().await?;
    /// assert_eq!(settings.and_then(|settings| settings.max_keys), Some(100));
    /// # Ok(()) }
    /// ```
    pub async fn settings(&self) -> Result<Option<Settings>> {
        let request = self.request(Method::GET, "/settings", &Query::default())?;
        let read = |answer: NamespaceSettings| settings::read(answer.settings.into());
        let what = "the settings of the namespace";
        match self.client().read_json(request, what, read).await? {
            Ok(settings) => Ok(Some(settings)),
            Err(problem) if problem.code() == Some(Code::NotFound) => Ok(None),
            Err(problem) => Err(Error::api(problem)),
        }
    }

    /// Changes the settings that the patch names, atomically, and creates the namespace if it is missing.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let patch = akvs_client::SettingsPatch::default().max_keys(200).ttl(None);
    /// let settings = namespace.change_settings(&patch).await?.settings;
    /// # Ok(()) }
    /// ```
    pub async fn change_settings(&self, patch: &SettingsPatch) -> Result<Configured> {
        let document = patch.document()?;
        let body = serde_json::to_vec(&document).map_err(|error| Error::encode(b"", error))?;
        let request = self
            .request(Method::PATCH, "/kv", &Query::default())?
            .headers(HeaderMap::from_iter([(CONTENT_TYPE, MERGE_PATCH)]))
            .body(body);
        let success = [StatusCode::CREATED, StatusCode::OK];
        let answer = self.client().send(request, &success).await?;
        let response = answer.map_err(Error::api)?;
        let created = response.status() == StatusCode::CREATED;
        let read = |answer: NamespaceSettings| {
            let settings = settings::read(answer.settings.into())?;
            Some(Configured { created, settings })
        };
        self.client()
            .parse_json(response, "the settings of the namespace", read)
            .await
    }
}
