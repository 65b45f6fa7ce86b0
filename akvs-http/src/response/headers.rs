//! Entries and outcomes of writes as responses with their header fields.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, UNIX_EPOCH};

use actix_web::body::{self, BodySize, MessageBody};
use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    HeaderMap, HeaderName, HeaderValue, LAST_MODIFIED,
};
use actix_web::{HttpResponse, HttpResponseBuilder};
use akvs_api::header;
use akvs_core::{
    Code, Entry, Error, FieldValue, Outcome, Representation, Result, Revision, Timestamp,
};
use bytes::Bytes;

pub(crate) use akvs_api::media_type::OCTET_STREAM as DEFAULT_TYPE;

use crate::http_date;
use crate::request::conditions::Part;
use crate::request::message::Request;
use crate::response::problem;

const BYTES: HeaderValue = HeaderValue::from_static("bytes");
const AKVS_EXPIRES: HeaderName = HeaderName::from_static(header::EXPIRES);
const OCTET_STREAM: HeaderValue = HeaderValue::from_static(DEFAULT_TYPE);
const SANDBOX: HeaderValue = HeaderValue::from_static("sandbox; default-src 'none'");
const TEXT: HeaderValue = HeaderValue::from_static(problem::TEXT);
const YES: HeaderValue = HeaderValue::from_static(header::TRUE);
const NO: HeaderValue = HeaderValue::from_static(header::FALSE);
const AKVS_EXISTED: HeaderName = HeaderName::from_static(header::EXISTED);
/// Replaces `AKVS-Existed` in answers to a token without the right to read.
const AKVS_WRITE_ONLY: HeaderName = HeaderName::from_static(header::WRITE_ONLY);

/// The type that curl sends by default, whatever the body is.
const CURL_DEFAULT: &str = "application/x-www-form-urlencoded";

/// Returns the types of a request's body.
pub(crate) fn representation(request: &Request) -> Result<Representation> {
    let field = |name: &HeaderName| -> Result<Option<FieldValue>> {
        let mut values = request.headers().get_all(name);
        let Some(value) = values.next() else {
            return Ok(None);
        };
        if values.next().is_some() {
            return Err(Error::new(
                Code::InvalidRequest,
                format!("duplicate field: {name}"),
            ));
        }
        if value.is_empty() {
            return Ok(None);
        }
        let text = Bytes::copy_from_slice(value.as_bytes());
        let value = FieldValue::new(text);
        value.map(Some).map_err(|error| {
            Error::new(Code::InvalidRequest, format!("{name}: {}", error.message()))
        })
    };
    let content_type = field(&CONTENT_TYPE)?;
    Ok(Representation {
        content_type: content_type.filter(|text| !text.as_str().eq_ignore_ascii_case(CURL_DEFAULT)),
        content_encoding: field(&CONTENT_ENCODING)?,
    })
}

/// Returns the response with an entry, or a part of its value.
pub(crate) fn entry(entry: Entry, part: Part) -> HttpResponse {
    let length = entry.value.len();
    let (response, range) = match part {
        Part::Whole => (HttpResponse::Ok().body(entry.value.clone()), None),
        Part::Bytes(start, end) => {
            let mut part = entry.value.slice(start..end);
            if part.len() < length / 2 {
                // A copy of a small part, which would keep all of a large value in memory while it is sent.
                part = Bytes::copy_from_slice(&part);
            }
            let part = HttpResponse::PartialContent().body(part);
            (part, Some(format!("bytes {start}-{}/{length}", end - 1)))
        }
        Part::Outside => return outside(&entry, length),
    };
    describe(response, entry, range)
}

/// Returns the response to `HEAD` of an entry whose value has this many bytes and was not read.
pub(crate) fn head(entry: Entry, bytes: usize) -> HttpResponse {
    let response = HttpResponse::Ok().body(HeadBody(bytes as u64));
    describe(response, entry, None)
}

/// The body of an answer to `HEAD`: it has a length, but no bytes.
struct HeadBody(u64);

impl MessageBody for HeadBody {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.0)
    }

    fn poll_next(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Bytes, Self::Error>>> {
        Poll::Ready(None)
    }
}

/// Adds the header fields of an entry to a response.
fn describe(mut response: HttpResponse, entry: Entry, range: Option<String>) -> HttpResponse {
    let headers = response.headers_mut();
    let Representation {
        content_type,
        content_encoding,
    } = entry.representation;
    headers.insert(
        CONTENT_TYPE,
        content_type.map_or(OCTET_STREAM, |text| field(&text)),
    );
    if let Some(text) = content_encoding {
        headers.insert(CONTENT_ENCODING, field(&text));
    }
    if let Some(range) = range.and_then(|range| HeaderValue::from_str(&range).ok()) {
        headers.insert(CONTENT_RANGE, range);
    }
    headers.insert(CONTENT_SECURITY_POLICY, SANDBOX);
    headers.insert(ACCEPT_RANGES, BYTES);
    last_modified(headers, entry.modified);
    etag(headers, entry.revision);
    expires(headers, entry.deadline);
    response
}

/// Returns the response to a reader that has the entry already.
pub(crate) fn unchanged(entry: &Entry) -> HttpResponse {
    // A 304 has no body, and no `Content-Length` of 0 (RFC 9110, sections 8.6 and 15.4.5).
    let mut response =
        HttpResponse::with_body(StatusCode::NOT_MODIFIED, body::None::new()).map_into_boxed_body();
    let headers = response.headers_mut();
    last_modified(headers, entry.modified);
    etag(headers, entry.revision);
    expires(headers, entry.deadline);
    response
}

/// Returns the response to a reader whose range has no byte of the value.
pub(crate) fn outside(entry: &Entry, length: usize) -> HttpResponse {
    let text = format!("the range is not within the {length} bytes of the value");
    let error = Error::new(Code::RangeNotSatisfiable, text).with("length", length);
    let mut response = HttpResponse::RangeNotSatisfiable()
        .content_type(problem::PROBLEM_JSON)
        .insert_header((CONTENT_RANGE, format!("bytes */{length}")))
        .body(problem::document(&error));
    etag(response.headers_mut(), entry.revision);
    response
}

/// Returns the response to a write, with its text of the contract.
pub(crate) fn outcome(
    mut response: HttpResponseBuilder,
    text: impl Into<Bytes>,
    outcome: &Outcome,
) -> HttpResponse {
    let mut response = response.body(text.into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, TEXT);
    headers.insert(AKVS_EXISTED, if outcome.existed { YES } else { NO });
    if let Some(revision) = outcome.revision {
        etag(headers, revision);
    }
    expires(
        headers,
        outcome.entry.as_ref().and_then(|entry| entry.deadline),
    );
    response
}

/// Returns the response to a write with a token without the right to read: without `AKVS-Existed`, and with the deadline
/// only if the write itself had it.
pub(crate) fn write_only_outcome(
    response: HttpResponseBuilder,
    text: &'static str,
    mut result: Outcome,
    has_own_deadline: bool,
) -> HttpResponse {
    result.entry = result.entry.filter(|_| has_own_deadline);
    let mut response = outcome(response, text, &result);
    let headers = response.headers_mut();
    headers.remove(AKVS_EXISTED);
    headers.insert(AKVS_WRITE_ONLY, YES);
    response
}

fn last_modified(headers: &mut HeaderMap, modified: Timestamp) {
    if let Some(value) = http_date::format(modified) {
        headers.insert(LAST_MODIFIED, value);
    }
}

/// Formats a time with milliseconds (RFC 3339).
pub(crate) fn date_time(time: Timestamp) -> String {
    let time = UNIX_EPOCH + Duration::from_millis(time.min(Timestamp::LAST).as_millis());
    humantime::format_rfc3339_millis(time).to_string()
}

fn expires(headers: &mut HeaderMap, deadline: Option<Timestamp>) {
    let Some(deadline) = deadline else { return };
    if let Ok(value) = HeaderValue::try_from(date_time(deadline)) {
        headers.insert(AKVS_EXPIRES, value);
    }
}

fn field(text: &FieldValue) -> HeaderValue {
    // The rules of a field value are stricter than those of a header.
    HeaderValue::from_bytes(text.as_bytes()).unwrap_or(OCTET_STREAM)
}

/// Adds the `ETag` of a revision.
pub(crate) fn etag(headers: &mut HeaderMap, revision: Revision) {
    // Twenty digits and two quotes, on the stack.
    let mut text = [0_u8; 22];
    let mut at = text.len() - 1;
    text[at] = b'"';
    let mut number = revision.get();
    loop {
        at -= 1;
        text[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    at -= 1;
    text[at] = b'"';
    if let Ok(value) = HeaderValue::from_bytes(&text[at..]) {
        headers.insert(ETAG, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etag_is_the_quoted_revision() {
        for number in [0, 7, 10, u64::MAX] {
            let mut headers = HeaderMap::new();
            etag(&mut headers, Revision::new(number));
            assert_eq!(
                headers.get(ETAG).unwrap().to_str().unwrap(),
                format!("\"{number}\"")
            );
        }
    }
}
