//! Conversion of a request of HTTP/2 for actix, with the same limits as a request of HTTP/1.1.

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_http::error::PayloadError;
use actix_http::{HttpMessage, Payload, Request};
use actix_web::http::header::{HOST, HeaderName, HeaderValue};
use actix_web::http::{Method, Uri, Version};
use bytes::Bytes;
use futures_util::Stream;
use h2::RecvStream;

use super::Http2Service;
use crate::transport::connection::{MAX_FIELDS, Refusal, is_host};

/// The approximate memory of a field without its name and value, in bytes.
const FIELD_BYTES: usize = 256;

/// Converts a request. Returns it with the memory of its head in bytes, or the refusal of an invalid request.
pub(super) fn convert<S>(
    request: http::Request<RecvStream>,
    served: &Http2Service<S>,
) -> Result<(Request, usize), Refusal> {
    let (parts, body) = request.into_parts();
    if parts.headers.len() > MAX_FIELDS {
        return Err(Refusal::large_head());
    }
    let payload = if body.is_end_stream() {
        Payload::None
    } else {
        Payload::Stream {
            payload: Box::pin(Body(body)) as actix_http::BoxedPayloadStream,
        }
    };
    let mut request = Request::with_payload(payload);
    let head = request.head_mut();
    head.method = Method::from_bytes(parts.method.as_str().as_bytes())
        .map_err(|_| Refusal::malformed("invalid method"))?;
    head.uri = uri(&parts.uri)?;
    head.version = Version::HTTP_2;
    head.peer_addr = served.peer;
    let mut bytes = head
        .uri
        .path_and_query()
        .map_or(0, |path| path.as_str().len());
    for (name, value) in &parts.headers {
        let name = HeaderName::from_bytes(name.as_str().as_bytes());
        let value = HeaderValue::from_bytes(value.as_bytes());
        let (Ok(name), Ok(value)) = (name, value) else {
            return Err(Refusal::malformed(
                "invalid field in the head of the request",
            ));
        };
        bytes += FIELD_BYTES + name.as_str().len() + value.len();
        head.headers.append(name, value);
    }
    if let Some(authority) = parts.uri.authority() {
        let authority = authority.as_str();
        let same = |host: &HeaderValue| host.as_bytes().eq_ignore_ascii_case(authority.as_bytes());
        // RFC 9113, section 8.3.1.
        if head.headers.get_all(HOST).any(|host| !same(host)) {
            return Err(Refusal::malformed("Host and :authority differ"));
        }
        let host = HeaderValue::from_str(authority);
        let host = host.map_err(|_| Refusal::malformed("invalid :authority"))?;
        head.headers.insert(HOST, host);
    }
    let mut hosts = head.headers.get_all(HOST);
    let host = hosts.next();
    if hosts.next().is_some() || host.is_some_and(|host| !is_host(host.as_bytes())) {
        let text = "invalid host of the request: expected one HOST or HOST:PORT";
        return Err(Refusal::malformed(text));
    }
    request
        .extensions_mut()
        .insert(std::rc::Rc::clone(&served.connection));
    Ok((request, bytes))
}

/// Returns the path and the query; the authority for `CONNECT`, which has no path.
fn uri(uri: &http::Uri) -> Result<Uri, Refusal> {
    let target = match (uri.path_and_query(), uri.authority()) {
        (Some(path), _) => path.as_str(),
        (None, Some(authority)) => authority.as_str(),
        (None, None) => "/",
    };
    Uri::try_from(target).map_err(|_| Refusal::malformed("invalid request target"))
}

/// The body of a request.
struct Body(RecvStream);

impl Stream for Body {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, PayloadError>>> {
        let broken = |error: h2::Error| PayloadError::Io(std::io::Error::other(error));
        let data = std::task::ready!(self.0.poll_data(context));
        Poll::Ready(data.map(|data| {
            let data = data.map_err(broken)?;
            let window = self.0.flow_control();
            window.release_capacity(data.len()).map_err(broken)?;
            Ok(data)
        }))
    }
}
