//! The wire format: header fields, bodies and problem documents of answers.
//!
//! It owns the parsing of header fields and the bounds of bodies. It does not own requests, nor the spelling of paths:
//! akvs-api does. Invariant: no answer is read into memory beyond a bound.

pub(crate) mod json;
pub(crate) mod query;

use std::fmt::Write as _;
use std::time::SystemTime;

use akvs_api::{header, media_type};
use akvs_core::{Code, Revision};
use bytes::{Bytes, BytesMut};
use reqwest::header::{CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, LAST_MODIFIED};
use reqwest::{Response, StatusCode};

pub(crate) use akvs_api::path::{key_path, namespace_path};

use crate::error::{Error, Problem, Result};

/// Problem documents for errors, and any value.
pub(crate) const ACCEPT: &str = "application/problem+json, */*";
const EXISTED: HeaderName = HeaderName::from_static(header::EXISTED);
const WRITE_ONLY: HeaderName = HeaderName::from_static(header::WRITE_ONLY);
pub(crate) const ROUTE: HeaderName = HeaderName::from_static(header::ROUTE);
const MISSING: HeaderName = HeaderName::from_static(header::MISSING);
const EXPIRES: HeaderName = HeaderName::from_static(header::EXPIRES);
/// The maximum length of a problem document. The longest is that of an import with the maximum number of wrong lines.
const MAX_PROBLEM_BYTES: u64 = 8 << 20;
/// The maximum that is read of a body that is not needed.
const MAX_DISCARDED_BYTES: u64 = 64 << 10;
/// The maximum that is reserved for a body by its `Content-Length` alone.
const MAX_RESERVED_BYTES: u64 = 16 << 20;

/// Returns the revision in the `ETag`. A proxy that compresses may have made the tag weak.
pub(crate) fn revision(headers: &HeaderMap) -> Option<Revision> {
    let tag = headers.get(ETAG)?.to_str().ok()?;
    let digits = tag.strip_prefix("W/").unwrap_or(tag);
    let digits = digits.strip_prefix('"')?.strip_suffix('"')?;
    digits.parse().ok().map(Revision::new)
}

/// Returns whether the token of the write may not read.
pub(crate) fn is_write_only(headers: &HeaderMap) -> bool {
    headers
        .get(WRITE_ONLY)
        .is_some_and(|value| value == header::TRUE)
}

/// Returns whether the key existed before the write, if the answer has the field.
pub(crate) fn existed(headers: &HeaderMap) -> Option<bool> {
    header::parse_boolean(headers.get(EXISTED)?.as_bytes())
}

/// Returns the expiry time of the key, if the answer has the field.
pub(crate) fn expires(headers: &HeaderMap) -> Option<SystemTime> {
    humantime::parse_rfc3339(headers.get(EXPIRES)?.to_str().ok()?).ok()
}

/// Returns the time of the write, if the answer has the field.
pub(crate) fn modified(headers: &HeaderMap) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(LAST_MODIFIED)?.to_str().ok()?).ok()
}

/// Returns the position of a part, and the length of the whole value (RFC 9110, section 14.4).
pub(crate) fn content_range(headers: &HeaderMap) -> Option<(u64, u64)> {
    let text = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = range.split_once('-')?;
    Some((first.parse().ok()?, total.parse().ok()?))
}

/// Returns revisions as a list of entity tags.
pub(crate) fn tags(revisions: &[Revision]) -> String {
    let tags: Vec<_> = revisions.iter().map(|tag| format!("\"{tag}\"")).collect();
    tags.join(", ")
}

/// Returns a field as text, if it is present and ASCII.
pub(crate) fn text_field(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

/// Reads a body to its end; a body longer than the limit, in bytes, is an error.
pub(crate) async fn body(response: Response, limit: u64) -> Result<Bytes> {
    let status = response.status();
    read(response, limit).await?.ok_or_else(|| {
        let text = format!("answer too long: expected at most {limit} bytes");
        Error::api(Problem::new(status.as_u16(), text))
    })
}

/// Reads a body to its end; `None` if it is longer than the limit.
async fn read(mut response: Response, limit: u64) -> Result<Option<Bytes>> {
    let content_length = response.content_length();
    if content_length.is_some_and(|length| length > limit) {
        return Ok(None);
    }
    let Some(first) = response.chunk().await? else {
        return Ok(Some(Bytes::new()));
    };
    let mut length = first.len() as u64;
    if Some(length) == content_length {
        // A body of one chunk need not be copied.
        return Ok(Some(first));
    }
    let expected = content_length.unwrap_or(length).min(MAX_RESERVED_BYTES);
    let mut body = BytesMut::with_capacity(usize::try_from(expected).unwrap_or_default());
    body.extend_from_slice(&first);
    while let Some(chunk) = response.chunk().await? {
        length += chunk.len() as u64;
        if length > limit {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok((length <= limit).then(|| body.freeze()))
}

/// Discards a body, so that its connection can be used again. An error of the body is ignored: only the head counts.
pub(crate) async fn discard(response: Response) {
    let _ = read(response, MAX_DISCARDED_BYTES).await;
}

/// Returns the problem of an answer, or a substitute if the answer has none.
pub(crate) async fn problem(response: Response) -> Result<Problem> {
    let status = response.status();
    let media_type = text_field(response.headers(), CONTENT_TYPE).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    let is_ours = media_type.eq_ignore_ascii_case(media_type::PROBLEM_JSON);
    let is_document = [media_type::PROBLEM_JSON, media_type::JSON]
        .iter()
        .any(|known| media_type.eq_ignore_ascii_case(known));
    let tag = revision(response.headers());
    let missing = text_field(response.headers(), MISSING);
    let body = read(response, MAX_PROBLEM_BYTES).await?.unwrap_or_default();
    if missing.as_deref() == Some(header::MISSING_PATH) {
        return Ok(wrong_base_url(status));
    }
    if is_document && let Some((problem, is_named)) = parse_problem(status.as_u16(), &body) {
        let is_named = is_named.unwrap_or(is_ours);
        let is_missing = problem.code() == Some(Code::NotFound);
        // The 404 of another program or a proxy does not mean that a key is missing.
        let is_of_other_program = is_missing && missing.is_none() && !is_named;
        let problem = match is_of_other_program {
            true => problem.with_code(None),
            false => problem,
        };
        return Ok(problem.with_revision(tag));
    }
    let text = format!("the server answered {status} without a problem document");
    let is_known = status != StatusCode::NOT_FOUND || missing.is_some();
    let code = (is_ours && is_known && body.is_empty()).then(|| code_of_status(status));
    let code = code.flatten().map(|code| code.to_string());
    Ok(Problem::new(status.as_u16(), text)
        .with_code(code)
        .with_revision(tag))
}

/// Returns the problem of a server that has no such path, which does not mean that a key is missing.
fn wrong_base_url(status: StatusCode) -> Problem {
    let text = "wrong base URL: the server has no such path below it; expected one such as http://localhost:8080, \
                without /kv and without a namespace";
    Problem::new(status.as_u16(), text).with_code(Some(Code::InvalidRequest.to_string()))
}

/// Returns the code of a problem without a document, such as the answer to a `HEAD`, if only one has this status.
fn code_of_status(status: StatusCode) -> Option<Code> {
    match status {
        StatusCode::UNAUTHORIZED => Some(Code::Unauthorized),
        StatusCode::FORBIDDEN => Some(Code::Forbidden),
        StatusCode::NOT_FOUND => Some(Code::NotFound),
        _ => None,
    }
}

/// Parses a problem document; returns also whether its type is that of an AKVS server, `None` if it has no type.
fn parse_problem(status: u16, body: &[u8]) -> Option<(Problem, Option<bool>)> {
    let document: akvs_api::Problem = serde_json::from_slice(body).ok()?;
    let is_named = document.is_akvs();
    let mut message = document.detail.or(document.title).unwrap_or_default();
    if message.is_empty() {
        // Writing to a `String` cannot fail.
        let _ = write!(message, "the server answered {status}");
    }
    let problem = Problem::new(status, message).with_code(document.code);
    Some((problem.with_context(document.context), is_named))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_revision_is_read_from_its_tag() {
        let tagged = |tag: &'static str| {
            let tag = reqwest::header::HeaderValue::from_static(tag);
            revision(&HeaderMap::from_iter([(ETAG, tag)]))
        };
        assert_eq!(tagged("\"7\""), Some(Revision::new(7)));
        assert_eq!(tagged("W/\"7\""), Some(Revision::new(7)));
        assert_eq!(tagged("7"), None);
        assert_eq!(tagged("\"x\""), None);
        assert_eq!(revision(&HeaderMap::new()), None);
    }

    #[test]
    fn times_and_ranges_are_parsed_or_ignored() {
        let fields = |name: HeaderName, text: &'static str| {
            let value = reqwest::header::HeaderValue::from_static(text);
            HeaderMap::from_iter([(name, value)])
        };
        let at = |millis| Some(SystemTime::UNIX_EPOCH + Duration::from_millis(millis));
        let times = fields(EXPIRES, "2001-09-09T01:46:40.123Z");
        assert_eq!(expires(&times), at(1_000_000_000_123));
        assert_eq!(expires(&fields(EXPIRES, "tomorrow")), None);
        let times = fields(LAST_MODIFIED, "Sun, 09 Sep 2001 01:46:40 GMT");
        assert_eq!(modified(&times), at(1_000_000_000_000));
        assert_eq!(modified(&fields(LAST_MODIFIED, "yesterday")), None);
        let range = |text| content_range(&fields(CONTENT_RANGE, text));
        assert_eq!(range("bytes 2-4/11"), Some((2, 11)));
        for text in ["bytes */11", "bytes 2-4/*", "lines 2-4/11", "bytes 2/11"] {
            assert_eq!(range(text), None, "{text}");
        }
    }

    #[test]
    fn a_problem_document_is_parsed() {
        let body = br#"{"type":"urn:akvs:problem:too_large","title":"Too large","status":413,
            "detail":"the value has 9 bytes","code":"too_large","limit":8}"#;
        let (problem, _) = parse_problem(413, body).unwrap();
        assert_eq!(problem.code(), Some(Code::TooLarge));
        assert_eq!(problem.message(), "the value has 9 bytes");
        assert_eq!(
            serde_json::to_string(problem.context()).unwrap(),
            r#"{"limit":8}"#
        );
    }

    #[test]
    fn an_unknown_code_is_kept_as_text() {
        let (problem, _) = parse_problem(418, br#"{"code":"teapot","title":"I am one"}"#).unwrap();
        assert_eq!(
            (problem.code(), problem.code_text()),
            (None, Some("teapot"))
        );
        assert_eq!(problem.message(), "I am one");
        assert!(parse_problem(500, b"<html>").is_none());
        assert!(parse_problem(500, b"[]").is_none());
    }
}
