//! A request as the handlers see it, whether it passes the actix application or not.

use std::cell::{Ref, RefMut};

use actix_http::{Extensions, HttpMessage, Payload, RequestHead};
use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;
use actix_web::http::{Method, Uri, Version};

/// The head of a request, with the data of its connection.
#[derive(Debug)]
pub(crate) enum Request {
    /// It has passed the application.
    Routed(HttpRequest),
    /// It is served without the application. Its payload was taken.
    Direct(actix_http::Request),
}

impl Request {
    pub(crate) fn head(&self) -> &RequestHead {
        match self {
            Request::Routed(request) => request.head(),
            Request::Direct(request) => request.head(),
        }
    }

    pub(crate) fn method(&self) -> &Method {
        &self.head().method
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.head().headers
    }

    pub(crate) fn uri(&self) -> &Uri {
        &self.head().uri
    }

    pub(crate) fn version(&self) -> Version {
        self.head().version
    }

    /// Returns the query without its question mark, empty if there is none.
    pub(crate) fn query_string(&self) -> &str {
        self.uri().query().unwrap_or_default()
    }

    /// Returns data of the connection; none over HTTP/2, and in tests of a route.
    pub(crate) fn conn_data<T: 'static>(&self) -> Option<&T> {
        match self {
            Request::Routed(request) => request.conn_data(),
            Request::Direct(request) => request.conn_data(),
        }
    }
}

impl HttpMessage for Request {
    type Stream = ();

    fn headers(&self) -> &HeaderMap {
        Request::headers(self)
    }

    fn take_payload(&mut self) -> Payload<()> {
        Payload::None
    }

    fn extensions(&self) -> Ref<'_, Extensions> {
        match self {
            Request::Routed(request) => request.extensions(),
            Request::Direct(request) => request.extensions(),
        }
    }

    fn extensions_mut(&self) -> RefMut<'_, Extensions> {
        match self {
            Request::Routed(request) => request.extensions_mut(),
            Request::Direct(request) => request.extensions_mut(),
        }
    }
}

impl From<HttpRequest> for Request {
    fn from(request: HttpRequest) -> Request {
        Request::Routed(request)
    }
}
