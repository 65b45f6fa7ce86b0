//! Reads of many keys at once (multi-get).
//!
//! It owns the request and the order of the results. Invariant: there is a result for each key, all of one snapshot, or
//! an error.

use akvs_api::get_many::{GetManyRequest, GetManyResponse, KeyMembers, KeyName};
use akvs_api::{TextOrBase64, media_type};
use akvs_core::{Code, Error as CoreError, Key};
use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::de::DeserializeOwned;

use crate::error::{Error, Result, protocol_error};
use crate::wire::json;
use crate::wire::query::Query;
use crate::{Entry, Item, Namespace};

/// The maximum number of keys of a request.
pub(crate) const MAX_KEYS: usize = 1_000;
const JSON: HeaderValue = HeaderValue::from_static(media_type::JSON);

impl Namespace {
    /// Returns the entries of these keys, decoded from JSON, in this order and of one snapshot; `None` for a missing
    /// key. At most 1,000 keys, and 64 MiB of values.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let entries = namespace.get_many::<u8>(["a", "b"]).await?;
    /// assert!(entries[1].is_none());
    /// # Ok(()) }
    /// ```
    pub async fn get_many<T: DeserializeOwned>(
        &self,
        keys: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> Result<Vec<Option<Entry<T>>>> {
        let items = self.read_many(get_many_request(keys)?).await?;
        let read = items.into_iter().map(|item| {
            let Some(item) = item else { return Ok(None) };
            let key = item.key.clone();
            let typed = entry(item)?.try_map(|value| serde_json::from_slice(&value));
            typed.map(Some).map_err(|error| Error::decode(&key, error))
        });
        read.collect()
    }

    /// Returns the entries of these keys as bytes, in this order and of one snapshot; `None` for a missing key. At most
    /// 1,000 keys, and 64 MiB of values.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let entries = namespace.get_many_bytes([&b"a"[..], b"\xff"]).await?;
    /// assert_eq!(entries.len(), 2);
    /// # Ok(()) }
    /// ```
    pub async fn get_many_bytes(
        &self,
        keys: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> Result<Vec<Option<Entry<Bytes>>>> {
        let items = self.read_many(get_many_request(keys)?).await?;
        let read = items.into_iter().map(|item| item.map(entry).transpose());
        read.collect()
    }

    async fn read_many(&self, keys: Vec<KeyName>) -> Result<Vec<Option<Item>>> {
        let count = keys.len();
        let document = GetManyRequest {
            keys: Some(keys.into()),
        };
        let body = serde_json::to_vec(&document).map_err(|error| Error::encode(b"", error))?;
        let request = self
            .request(Method::POST, "/get", &Query::default())?
            .headers(HeaderMap::from_iter([(CONTENT_TYPE, JSON)]))
            .body(body);
        let read = |found: GetManyResponse<'static>| {
            let items = found.items.into_iter();
            let items: Vec<_> = items
                .map(|item| item.map_or(Some(None), |item| json::item(item).map(Some)))
                .collect::<Option<_>>()?;
            (items.len() == count).then_some(items)
        };
        match self.client().read_json(request, "the values", read).await? {
            Ok(items) => Ok(items),
            // A missing namespace has none of the keys.
            Err(problem) if problem.code() == Some(Code::NotFound) => Ok(vec![None; count]),
            Err(problem) => Err(Error::api(problem)),
        }
    }
}

fn get_many_request(keys: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Result<Vec<KeyName>> {
    let keys = keys.into_iter().map(|key| {
        Key::check(key.as_ref())?;
        let (key, key64) = json::into_owned_pair(TextOrBase64::new(key.as_ref()));
        Ok(KeyName(KeyMembers { key, key64 }))
    });
    // One more than allowed, so that too many are noticed.
    let keys: Vec<KeyName> = keys.take(MAX_KEYS + 1).collect::<Result<_>>()?;
    if keys.len() > MAX_KEYS {
        let text = format!("too many keys: expected at most {MAX_KEYS}");
        return Err(CoreError::new(Code::TooLarge, text)
            .with("limit", MAX_KEYS)
            .into());
    }
    Ok(keys)
}

fn entry(item: Item) -> Result<Entry<Bytes>> {
    let missing = || protocol_error("invalid answer: a value is missing");
    Ok(Entry {
        value: item.value.ok_or_else(missing)?,
        revision: Some(item.revision),
        content_type: item.content_type,
        content_encoding: item.content_encoding,
        modified: item.modified,
        expires: item.expires,
    })
}
