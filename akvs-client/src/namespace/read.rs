//! Reads of keys: whole, in part, or only if changed; as JSON or as bytes.
//!
//! It owns the request of a read and the interpretation of its answer. It does not own connections nor paths.
//! Invariant: only the server's own answer counts as a missing key; everything uncertain is an error.

use std::ops::{Bound, RangeBounds};

use akvs_core::{Code, Error as CoreError, Revision};
use bytes::Bytes;
use reqwest::header::{IF_NONE_MATCH, RANGE};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;

use crate::error::{Error, Problem, Result};
use crate::retry::Answer;
use crate::{Entry, IfChanged, Namespace, Part, wire};

impl Namespace {
    /// Returns the entry of a key, decoded from JSON; `None` if there is no such key.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// assert!(namespace.get::<Vec<u32>>("primes").await?.is_none());
    /// namespace.set("primes", &[2, 3, 5]).await?;
    /// assert_eq!(namespace.get::<Vec<u32>>("primes").await?.unwrap().value, [2, 3, 5]);
    /// # Ok(()) }
    /// ```
    pub async fn get<T: DeserializeOwned>(
        &self,
        key: impl AsRef<[u8]>,
    ) -> Result<Option<Entry<T>>> {
        let key = key.as_ref();
        let Some(entry) = self.read(key).await? else {
            return Ok(None);
        };
        decode_json(key, entry).map(Some)
    }

    /// Returns the value of a key, decoded from JSON, or the default if there is no such key. A value that cannot be
    /// decoded is an error, not the default.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// assert_eq!(namespace.get_or("limit", 100).await?, 100);
    /// # Ok(()) }
    /// ```
    pub async fn get_or<T: DeserializeOwned>(
        &self,
        key: impl AsRef<[u8]>,
        default: T,
    ) -> Result<T> {
        Ok(self.get(key).await?.map_or(default, |entry| entry.value))
    }

    /// Returns the entry of a key as bytes; `None` if there is no such key.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// namespace.set_bytes(b"\xff", vec![0, 255]).await?;
    /// assert_eq!(namespace.get_bytes(b"\xff").await?.unwrap().value, [0, 255][..]);
    /// # Ok(()) }
    /// ```
    pub async fn get_bytes(&self, key: impl AsRef<[u8]>) -> Result<Option<Entry<Bytes>>> {
        self.read(key.as_ref()).await
    }

    /// Returns the value of a key as bytes, or the default if there is no such key.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// assert_eq!(namespace.get_bytes_or("banner", "hello").await?, "hello");
    /// # Ok(()) }
    /// ```
    pub async fn get_bytes_or(
        &self,
        key: impl AsRef<[u8]>,
        default: impl Into<Bytes>,
    ) -> Result<Bytes> {
        let entry = self.read(key.as_ref()).await?;
        Ok(entry.map_or_else(|| default.into(), |entry| entry.value))
    }

    /// Returns the entry of a key, decoded from JSON, unless it still has this revision (`If-None-Match`).
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let known = namespace.set("bar", &1).await?.revision.expect("a revision");
    /// let changed = namespace.get_if_changed::<u8>("bar", known).await?;
    /// # Ok(()) }
    /// ```
    pub async fn get_if_changed<T: DeserializeOwned>(
        &self,
        key: impl AsRef<[u8]>,
        revision: Revision,
    ) -> Result<IfChanged<T>> {
        let key = key.as_ref();
        Ok(match self.read_if_changed(key, revision).await? {
            IfChanged::Changed(entry) => IfChanged::Changed(decode_json(key, entry)?),
            IfChanged::Unchanged => IfChanged::Unchanged,
            IfChanged::Missing => IfChanged::Missing,
        })
    }

    /// Returns the entry of a key as bytes, unless it still has this revision (`If-None-Match`).
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// use akvs_client::IfChanged;
    /// let known = namespace.set_bytes("bar", "x").await?.revision.expect("a revision");
    /// assert_eq!(namespace.get_bytes_if_changed("bar", known).await?, IfChanged::Unchanged);
    /// # Ok(()) }
    /// ```
    pub async fn get_bytes_if_changed(
        &self,
        key: impl AsRef<[u8]>,
        revision: Revision,
    ) -> Result<IfChanged<Bytes>> {
        self.read_if_changed(key.as_ref(), revision).await
    }

    /// Returns a range of a value's bytes; `None` if there is no such key. A range that ends after the value ends with
    /// it; a range that starts after it is the error [`Code::RangeNotSatisfiable`].
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// namespace.set_bytes("bar", "hello world").await?;
    /// let part = namespace.get_range("bar", ..5).await?.expect("it was just stored").value;
    /// assert_eq!((&part.bytes[..], part.total), (&b"hello"[..], 11));
    /// # Ok(()) }
    /// ```
    pub async fn get_range(
        &self,
        key: impl AsRef<[u8]>,
        range: impl RangeBounds<u64>,
    ) -> Result<Option<Entry<Part>>> {
        let (first, last) = bounds(&range)?;
        let mut request = self.get_request(key.as_ref())?;
        if (first, last) != (0, None) {
            let last = last.map(|last| last.to_string()).unwrap_or_default();
            request = request.header(RANGE, format!("bytes={first}-{last}"));
        }
        let success = [StatusCode::PARTIAL_CONTENT, StatusCode::OK];
        let Some(answer) = self.read_if_found(request, &success).await? else {
            return Ok(None);
        };
        let status = answer.status;
        let announced = wire::content_range(&answer.headers);
        let entry = entry(answer);
        entry
            .try_map(|bytes| match status {
                StatusCode::PARTIAL_CONTENT => check_part(bytes, first, announced),
                // A server or a proxy may send the whole value instead (RFC 9110, section 14.2).
                _ => slice(&bytes, first, last),
            })
            .map(Some)
    }

    async fn read(&self, key: &[u8]) -> Result<Option<Entry<Bytes>>> {
        let request = self.get_request(key)?;
        match self.read_if_found(request, &[StatusCode::OK]).await? {
            Some(answer) => Ok(Some(entry(answer))),
            None => Ok(None),
        }
    }

    async fn read_if_changed(&self, key: &[u8], known: Revision) -> Result<IfChanged<Bytes>> {
        let request = self.get_request(key)?;
        self.read_conditional(request.header(IF_NONE_MATCH, wire::tags(&[known])))
            .await
    }

    /// Sends a read with a condition, and returns its outcome.
    pub(crate) async fn read_conditional(
        &self,
        request: RequestBuilder,
    ) -> Result<IfChanged<Bytes>> {
        let success = [StatusCode::OK, StatusCode::NOT_MODIFIED];
        Ok(match self.read_if_found(request, &success).await? {
            None => IfChanged::Missing,
            Some(answer) if answer.status == StatusCode::NOT_MODIFIED => IfChanged::Unchanged,
            Some(answer) => IfChanged::Changed(entry(answer)),
        })
    }

    fn get_request(&self, key: &[u8]) -> Result<RequestBuilder> {
        self.key_request(Method::GET, &wire::key_path(key)?, "")
    }

    /// Sends a read; returns the answer if its status is one of success, or `None` if there is no such key.
    pub(crate) async fn read_if_found(
        &self,
        request: RequestBuilder,
        success: &[StatusCode],
    ) -> Result<Option<Answer>> {
        let limit = self.client().max_value_bytes();
        match self.client().read(request, success, limit).await? {
            Ok(answer) => Ok(Some(answer)),
            // Only the server's own document counts: any other 404 may be of a proxy that lost the server.
            Err(problem) if problem.code() == Some(Code::NotFound) => Ok(None),
            Err(problem) => Err(Error::api(problem)),
        }
    }
}

pub(crate) fn entry(answer: Answer) -> Entry<Bytes> {
    Entry::new(answer.body, &answer.headers)
}

pub(crate) fn decode_json<T: DeserializeOwned>(
    key: &[u8],
    entry: Entry<Bytes>,
) -> Result<Entry<T>> {
    entry
        .try_map(|bytes| serde_json::from_slice(&bytes))
        .map_err(|error| Error::decode(key, error))
}

/// Returns the first position of a range, and the last if it has an end. HTTP cannot express an empty range.
fn bounds(range: &impl RangeBounds<u64>) -> Result<(u64, Option<u64>)> {
    let first = match range.start_bound() {
        Bound::Included(first) => Some(*first),
        Bound::Excluded(before) => before.checked_add(1),
        Bound::Unbounded => Some(0),
    };
    let last = match range.end_bound() {
        Bound::Included(last) => Some(Some(*last)),
        Bound::Excluded(end) => end.checked_sub(1).map(Some),
        Bound::Unbounded => Some(None),
    };
    match (first, last) {
        (Some(first), Some(last)) if last.is_none_or(|last| first <= last) => Ok((first, last)),
        _ => Err(CoreError::new(
            Code::InvalidRequest,
            "invalid range: expected at least one byte",
        )
        .into()),
    }
}

/// Returns the part that was sent, if it is the requested one.
fn check_part(bytes: Bytes, first: u64, announced: Option<(u64, u64)>) -> Result<Part> {
    match announced {
        Some((start, total)) if start == first => Ok(Part {
            bytes,
            start,
            total,
        }),
        _ => {
            let text = "invalid answer: its range is not the requested one";
            let status = StatusCode::PARTIAL_CONTENT.as_u16();
            Err(Error::api(Problem::new(status, text)))
        }
    }
}

/// Returns the requested part of a whole value.
fn slice(whole: &Bytes, first: u64, last: Option<u64>) -> Result<Part> {
    let total = whole.len() as u64;
    let end = last.map_or(total, |last| total.min(last.saturating_add(1)));
    if first > end || (first == end && first > 0) {
        let text = format!("invalid range: it starts at {first}; the value has {total} bytes");
        let problem = Problem::new(StatusCode::RANGE_NOT_SATISFIABLE.as_u16(), text);
        let code = Code::RangeNotSatisfiable.to_string();
        return Err(Error::api(problem.with_code(Some(code))));
    }
    Ok(Part {
        // Both are positions in memory.
        bytes: whole.slice(first as usize..end as usize),
        start: first,
        total,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_a_first_and_perhaps_a_last_position() {
        assert_eq!(bounds(&(..)).unwrap(), (0, None));
        assert_eq!(bounds(&(2..)).unwrap(), (2, None));
        assert_eq!(bounds(&(2..5)).unwrap(), (2, Some(4)));
        assert_eq!(bounds(&(2..=5)).unwrap(), (2, Some(5)));
        assert_eq!(
            bounds(&(Bound::Excluded(2), Bound::Unbounded)).unwrap(),
            (3, None)
        );
    }

    #[test]
    fn an_empty_range_is_refused() {
        for (start, end) in [(0, 0), (5, 5), (5, 4)] {
            let error = bounds(&(start..end)).unwrap_err();
            assert_eq!(error.code(), Some(Code::InvalidRequest), "{start}..{end}");
        }
        let past = (Bound::Excluded(u64::MAX), Bound::Unbounded);
        assert!(bounds(&past).is_err());
    }

    #[test]
    fn a_whole_value_is_sliced_as_by_the_server() {
        let whole = Bytes::from_static(b"hello world");
        let part = |first, last| slice(&whole, first, last).map(|part| part.bytes);
        assert_eq!(part(0, None).unwrap(), "hello world");
        assert_eq!(part(6, None).unwrap(), "world");
        assert_eq!(part(4, Some(6)).unwrap(), "o w");
        assert_eq!(part(10, Some(u64::MAX)).unwrap(), "d");
        for first in [11, 12, u64::MAX] {
            let error = part(first, None).unwrap_err();
            assert_eq!(error.code(), Some(Code::RangeNotSatisfiable), "{first}");
        }
        assert_eq!(slice(&Bytes::new(), 0, None).unwrap().total, 0);
    }

    #[test]
    fn another_part_than_requested_is_an_error() {
        assert!(check_part("x".into(), 3, Some((3, 9))).is_ok());
        assert!(check_part("x".into(), 3, Some((4, 9))).is_err());
        assert!(check_part("x".into(), 3, None).is_err());
    }
}
