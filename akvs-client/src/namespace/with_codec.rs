//! Reads and writes with a codec.
//!
//! It owns the errors of codecs. It does not own codecs. Invariant: a value that cannot be encoded is not sent, and one
//! that cannot be decoded is an error that names the key.

use bytes::Bytes;
use reqwest::Method;

use crate::error::{Error, Result};
use crate::namespace::write::Write;
use crate::{Codec, Entry, Namespace, Set};

impl Namespace {
    /// Returns the entry of a key, decoded by a codec; `None` if there is no such key.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// use akvs_client::Text;
    /// namespace.set_bytes("bar", "hello world").await?;
    /// assert_eq!(namespace.get_with(&Text, "bar").await?.unwrap().value, "hello world");
    /// # Ok(()) }
    /// ```
    pub async fn get_with<T>(
        &self,
        codec: &impl Codec<T>,
        key: impl AsRef<[u8]>,
    ) -> Result<Option<Entry<T>>> {
        let key = key.as_ref();
        decoded(codec, key, self.get_bytes(key).await?)
    }

    /// Stores a value that a codec encodes, as [`set`](Self::set) does. The codec sets the content type;
    /// [`Set::content_type`] overrides it.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// namespace.set_with(&akvs_client::Text, "bar", &"hello world".to_owned()).if_absent().await?;
    /// # Ok(()) }
    /// ```
    pub fn set_with<T>(&self, codec: &impl Codec<T>, key: impl AsRef<[u8]>, value: &T) -> Set {
        let key = key.as_ref();
        let write = |body| Set(Write::new(self, Method::POST, key, body));
        match codec.encode(value) {
            Ok((bytes, content_type)) => write(Ok(bytes)).content_type(&content_type),
            Err(source) => write(Err(Error::Encode {
                key: key.into(),
                source,
            })),
        }
    }
}

/// Decodes an entry, if there is one.
pub(crate) fn decoded<T>(
    codec: &impl Codec<T>,
    key: &[u8],
    entry: Option<Entry<Bytes>>,
) -> Result<Option<Entry<T>>> {
    let Some(entry) = entry else {
        return Ok(None);
    };
    let content_type = entry.content_type.clone();
    let decoded = entry.try_map(|bytes| codec.decode(bytes, &content_type));
    decoded.map(Some).map_err(|source| Error::Decode {
        key: key.into(),
        source,
    })
}
