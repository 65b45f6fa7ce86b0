//! The client: the base URL, and the requests to it.
//!
//! It owns the base URL, the HTTP connections and the headers of each request. It does not know keys or values, nor
//! when a request is repeated. Invariant: all clones share everything.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use url::Url;

use crate::address::bad_url;
use crate::error::{Problem, Result};
use crate::retry::{Answer, Budget, Execution, RetryPolicy};
use crate::wire;
use crate::wire::json;

/// A byte of a value has at most six bytes in JSON, `\u0000`.
const ESCAPED_BYTES: u64 = 6;
/// The room of an answer for everything but the value, such as a page of the longest keys.
const ANSWER_ROOM_BYTES: u64 = 16 << 20;

/// A client of one server. Cheap to clone; all clones share their connections.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let url = &serve();
/// use akvs_client::Client;
/// let client = Client::new(url)?;
/// assert_eq!(client.namespace("foo")?.get_or("bar", 7).await?, 7);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Client(Arc<Inner>);

/// The state that all clones share.
pub(crate) struct Inner {
    pub(crate) http: reqwest::Client,
    /// Without a trailing slash.
    pub(crate) base_url: String,
    /// The token as a header value, marked as sensitive.
    pub(crate) authorization: Option<HeaderValue>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) call_timeout: Duration,
    pub(crate) retry: RetryPolicy,
    pub(crate) budget: Budget,
    pub(crate) max_value_bytes: u64,
}

impl Client {
    pub(crate) fn from_inner(inner: Inner) -> Client {
        Client(Arc::new(inner))
    }

    /// Returns a request for a path and a query below the base URL, in three parts: the path of the namespace, of the
    /// key, and the query with its question mark.
    pub(crate) fn request(&self, method: Method, path: [&str; 3]) -> Result<RequestBuilder> {
        let url = [&self.0.base_url, path[0], path[1], path[2]].concat();
        let url = Url::parse(&url).map_err(bad_url)?;
        let route = akvs_api::route::from_path(&[path[0], path[1]].concat());
        let mut request = self
            .0
            .http
            .request(method, url)
            .header(ACCEPT, wire::ACCEPT);
        if let Some(route) = route {
            request = request.header(wire::ROUTE, HeaderValue::from_static(route));
        }
        if let Some(token) = &self.0.authorization {
            request = request.header(AUTHORIZATION, token);
        }
        Ok(match self.0.timeout {
            Some(timeout) => request.timeout(timeout),
            None => request,
        })
    }

    /// Sends a request and returns the answer if its status is one of success, else the problem. The request is
    /// repeated, up to the answer's head, where its method and conditions allow it.
    pub(crate) async fn send(
        &self,
        request: RequestBuilder,
        success: &[StatusCode],
    ) -> Result<Result<Response, Problem>> {
        self.execution().send(request.build()?, success).await
    }

    /// Sends a request that only reads, whatever its method, and returns the whole answer, whose body has at most
    /// `limit` bytes. A truncated body is requested again.
    pub(crate) async fn read(
        &self,
        request: RequestBuilder,
        success: &[StatusCode],
        limit: u64,
    ) -> Result<Result<Answer, Problem>> {
        self.execution()
            .read(request.build()?, success, limit)
            .await
    }

    fn execution(&self) -> Execution<'_> {
        Execution {
            http: &self.0.http,
            policy: &self.0.retry,
            budget: &self.0.budget,
            call_timeout: self.0.call_timeout,
        }
    }

    /// Returns the time that a request may take, if it is set here.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.0.timeout
    }

    /// Returns the longest value that is read, in bytes.
    pub(crate) fn max_value_bytes(&self) -> u64 {
        self.0.max_value_bytes
    }

    /// Returns the maximum length of an answer, or of a line of one, that has one value of the longest length.
    pub(crate) fn max_answer_bytes(&self) -> u64 {
        let values = self.max_value_bytes().saturating_mul(ESCAPED_BYTES);
        values.saturating_add(ANSWER_ROOM_BYTES)
    }

    /// Sends a request that only reads, whatever its method, and returns the meaning of the answer's JSON, or the
    /// problem.
    pub(crate) async fn read_json<T: DeserializeOwned, R>(
        &self,
        request: RequestBuilder,
        what: &str,
        read: impl FnOnce(T) -> Option<R>,
    ) -> Result<Result<R, Problem>> {
        let limit = self.max_answer_bytes();
        match self.read(request, &[StatusCode::OK], limit).await? {
            Ok(answer) => json::parse(&answer.body, what, read).map(Ok),
            Err(problem) => Ok(Err(problem)),
        }
    }

    /// Returns the meaning of an answer's JSON.
    pub(crate) async fn parse_json<T: DeserializeOwned, R>(
        &self,
        response: Response,
        what: &str,
        read: impl FnOnce(T) -> Option<R>,
    ) -> Result<R> {
        let body = wire::body(response, self.max_answer_bytes()).await?;
        json::parse(&body, what, read)
    }
}

impl fmt::Debug for Client {
    /// Shows the server's origin only: the rest of the URL may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = Url::parse(&self.0.base_url)
            .map(|url| url.origin().ascii_serialization())
            .unwrap_or_default();
        f.debug_struct("Client")
            .field("server", &origin)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use akvs_core::Code;

    use super::*;
    use crate::{Error, Namespace};

    fn built(client: &Client) -> String {
        let path = ["/kv/ns", "/key", ""];
        let request = client.request(Method::GET, path).unwrap();
        request.build().unwrap().url().to_string()
    }

    #[test]
    fn paths_are_below_the_base_url() {
        for (base, url) in [
            ("http://h:1", "http://h:1/kv/ns/key"),
            ("http://h:1/", "http://h:1/kv/ns/key"),
            ("http://h:1/store//", "http://h:1/store/kv/ns/key"),
            ("http://[::1]:8080", "http://[::1]:8080/kv/ns/key"),
        ] {
            assert_eq!(built(&Client::new(base).unwrap()), url);
        }
        assert_eq!(
            built(&Client::builder().build().unwrap()),
            "http://localhost:8080/kv/ns/key"
        );
    }

    #[test]
    fn an_invalid_base_url_is_refused_with_the_reason() {
        for (base, reason) in [
            ("", "expected HOST:PORT"),
            ("ftp://h", "expected http://"),
            ("http://h:99999", "invalid port number"),
            ("http://h/?a=b", "expected no query"),
            ("http://h/#a", "no fragment"),
        ] {
            let error = Client::new(base).unwrap_err();
            assert_eq!(error.code(), Some(Code::InvalidRequest));
            assert!(error.to_string().contains(reason), "{base}: {error}");
        }
    }

    #[test]
    fn no_text_shows_the_password_of_the_url() {
        let builder = Client::builder().base_url("http://me:hidden@127.0.0.1:1/hidden");
        assert!(!format!("{builder:?}").contains("hidden"));
        let client = builder.build().unwrap();
        assert!(!format!("{client:?} {:?}", client.namespace("n").unwrap()).contains("hidden"));
        let bad = Client::new("http://me:hidden@h:x").unwrap_err();
        assert!(!format!("{bad:?} {bad}").contains("hidden"));
    }

    #[test]
    fn clients_namespaces_and_writes_are_send_and_sync() {
        fn shared<T: Send + Sync + Clone + 'static>() {}
        fn sent<T: Send + 'static>(_: T) {}
        fn error<T: std::error::Error + Send + Sync + 'static>() {}
        error::<Error>();
        shared::<Client>();
        shared::<Namespace>();
        let namespace = Client::new("http://h").unwrap().namespace("n").unwrap();
        sent(namespace.set("k", &1).into_future());
    }
}
