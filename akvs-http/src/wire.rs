//! Entries and outcomes as headers.

use actix_web::http::header::{
    CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap, HeaderName,
    HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::{HttpRequest, HttpResponse};
use akvs_core::{Code, Entry, Error, FieldValue, Outcome, Representation, Result, Revision};

const OCTET_STREAM: HeaderValue = HeaderValue::from_static("application/octet-stream");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const SANDBOX: HeaderValue = HeaderValue::from_static("sandbox; default-src 'none'");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const YES: HeaderValue = HeaderValue::from_static("?1");
const NO: HeaderValue = HeaderValue::from_static("?0");
const AKVS_EXISTED: HeaderName = HeaderName::from_static("akvs-existed");

/// What curl says of any body when it is not told what it is.
const CURL_DEFAULT: &str = "application/x-www-form-urlencoded";

/// What a request says of its body.
pub(crate) fn representation(request: &HttpRequest) -> Result<Representation> {
    let field = |name: &HeaderName| -> Result<Option<FieldValue>> {
        let mut values = request.headers().get_all(name);
        let Some(value) = values.next() else {
            return Ok(None);
        };
        if values.next().is_some() {
            return Err(Error::new(
                Code::InvalidRequest,
                format!("{name} stands there twice"),
            ));
        }
        if value.is_empty() {
            return Ok(None);
        }
        let text = bytes::Bytes::copy_from_slice(value.as_bytes());
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

/// The response that gives an entry.
pub(crate) fn entry(entry: Entry) -> HttpResponse {
    let mut response = HttpResponse::Ok().body(entry.value);
    let headers = response.headers_mut();
    let Representation {
        content_type,
        content_encoding,
    } = entry.representation;
    headers.insert(
        CONTENT_TYPE,
        content_type.map_or(OCTET_STREAM, |text| header(&text)),
    );
    if let Some(text) = content_encoding {
        headers.insert(CONTENT_ENCODING, header(&text));
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    headers.insert(CONTENT_SECURITY_POLICY, SANDBOX);
    etag(headers, entry.revision);
    response
}

/// The response to a change, with one of the original's texts.
pub(crate) fn outcome(
    mut response: actix_web::HttpResponseBuilder,
    text: &'static str,
    outcome: Outcome,
) -> HttpResponse {
    let mut response = response.body(text);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, TEXT);
    headers.insert(AKVS_EXISTED, if outcome.existed { YES } else { NO });
    if let Some(revision) = outcome.revision {
        etag(headers, revision);
    }
    response
}

fn header(text: &FieldValue) -> HeaderValue {
    // Its rules are stricter than a header's.
    HeaderValue::from_bytes(text.as_bytes()).unwrap_or(OCTET_STREAM)
}

fn etag(headers: &mut HeaderMap, revision: Revision) {
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
