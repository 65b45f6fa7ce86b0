//! The client: where the server is, and how requests get there.
//!
//! It owns the base URL, the HTTP connections and the bounds of an exchange. It does not know keys or values.
//! Invariant: an answer counts as success only with the status that the contract names, so that neither a redirect
//! nor another program at the address passes for a stored value.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use akvs_core::{Code, Error as CoreError};
use reqwest::header::ACCEPT;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use url::Url;

use crate::error::{Error, Problem, Result};
use crate::{Namespace, wire};

const DEFAULT_URL: &str = "http://localhost:8080";
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const DEFAULT_MAX_VALUE_BYTES: u64 = 1 << 30;

/// A client of one server. Cheap to clone; all clones share their connections.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let url = &serve();
/// use akvs_client::Client;
/// let client = Client::new(url)?;
/// assert_eq!(client.namespace("foo")?.get_or("bar", 7).await?, 7);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    http: reqwest::Client,
    /// Without a trailing slash.
    base_url: String,
    timeout: Option<Duration>,
    max_value_bytes: u64,
}

impl Client {
    /// A client of the server at this URL, with every other choice at its default.
    ///
    /// ```
    /// assert!(akvs_client::Client::new("http://localhost:8080").is_ok());
    /// assert!(akvs_client::Client::new("localhost:8080").is_err());
    /// ```
    pub fn new(base_url: &str) -> Result<Client> {
        Client::builder().base_url(base_url).build()
    }

    /// A client whose parts are chosen one by one.
    ///
    /// ```
    /// use std::time::Duration;
    /// let client = akvs_client::Client::builder()
    ///     .base_url("http://localhost:8080")
    ///     .timeout(Duration::from_secs(5))
    ///     .build()?;
    /// # drop(client);
    /// # Ok::<(), akvs_client::Error>(())
    /// ```
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// A namespace of the server. Nothing is sent: a namespace comes into being at its first write.
    ///
    /// The name has 1 to 128 bytes of UTF-8 without control characters. Over HTTP there is no way to name `.` and
    /// `..`, which URLs take for path steps; they are refused here.
    ///
    /// ```
    /// let client = akvs_client::Client::new("http://localhost:8080")?;
    /// assert_eq!(client.namespace("foo")?.name(), "foo");
    /// assert!(client.namespace("").is_err());
    /// # Ok::<(), akvs_client::Error>(())
    /// ```
    pub fn namespace(&self, name: impl AsRef<str>) -> Result<Namespace> {
        Namespace::new(self.clone(), name.as_ref())
    }

    /// A request for a path and a query below the base URL, in three parts: of the namespace, of the key, and the query
    /// with its question mark.
    pub(crate) fn request(&self, method: Method, path: [&str; 3]) -> Result<RequestBuilder> {
        let url = [&self.0.base_url, path[0], path[1], path[2]].concat();
        let url = Url::parse(&url).map_err(bad_url)?;
        let request = self
            .0
            .http
            .request(method, url)
            .header(ACCEPT, wire::ACCEPT);
        Ok(match self.0.timeout {
            Some(timeout) => request.timeout(timeout),
            None => request,
        })
    }

    /// Sends a request and gives the answer if it has a status that means success, else the problem.
    pub(crate) async fn send(
        &self,
        request: RequestBuilder,
        success: &[StatusCode],
    ) -> Result<Result<Response, Problem>> {
        let response = request.send().await?;
        if success.contains(&response.status()) {
            return Ok(Ok(response));
        }
        Ok(Err(wire::problem(response).await?))
    }

    /// The most that is read of a value.
    pub(crate) fn max_value_bytes(&self) -> u64 {
        self.0.max_value_bytes
    }
}

impl fmt::Debug for Client {
    /// Says where the server is, without what may be secret in the URL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = Url::parse(&self.0.base_url)
            .map(|url| url.origin().ascii_serialization())
            .unwrap_or_default();
        f.debug_struct("Client")
            .field("server", &origin)
            .finish_non_exhaustive()
    }
}

/// Chooses the parts of a [`Client`].
///
/// ```
/// use akvs_client::{Client, reqwest};
/// let http = reqwest::Client::builder().user_agent("billing/1.0").build()?;
/// let client = Client::builder().base_url("http://localhost:8080").http_client(http).build()?;
/// # drop(client);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
#[must_use = "a builder does nothing until it builds"]
pub struct ClientBuilder {
    base_url: Option<String>,
    timeout: Option<Duration>,
    http: Option<reqwest::Client>,
    max_value_bytes: Option<u64>,
}

impl ClientBuilder {
    /// Where the server is; `http://localhost:8080` by default. It may have a path, below which a proxy serves AKVS.
    ///
    /// ```
    /// # use akvs_client::Client;
    /// assert!(Client::builder().base_url("http://proxy.example/store/").build().is_ok());
    /// assert!(Client::builder().base_url("ftp://proxy.example").build().is_err());
    /// ```
    pub fn base_url(mut self, url: impl Into<String>) -> ClientBuilder {
        self.base_url = Some(url.into());
        self
    }

    /// How long an exchange may take from the first byte sent to the last byte read; 30 seconds by default, or what
    /// one's own [`http_client`](Self::http_client) says.
    ///
    /// ```
    /// # use akvs_client::Client;
    /// use std::time::Duration;
    /// assert!(Client::builder().timeout(Duration::from_millis(200)).build().is_ok());
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> ClientBuilder {
        self.timeout = Some(timeout);
        self
    }

    /// Sends by one's own HTTP client. It must not decompress answers, or an encoded value would come back as another
    /// one than was stored.
    ///
    /// ```
    /// # use akvs_client::{Client, reqwest};
    /// assert!(Client::builder().http_client(reqwest::Client::new()).build().is_ok());
    /// ```
    pub fn http_client(mut self, http: reqwest::Client) -> ClientBuilder {
        self.http = Some(http);
        self
    }

    /// The longest value that is read, in bytes; 1 GiB by default. It only bounds the memory that an answer may take;
    /// what can be stored is the server's `limits.max_value_bytes`.
    ///
    /// ```
    /// # use akvs_client::Client;
    /// assert!(Client::builder().max_value_bytes(16 << 20).build().is_ok());
    /// ```
    pub fn max_value_bytes(mut self, bytes: u64) -> ClientBuilder {
        self.max_value_bytes = Some(bytes);
        self
    }

    /// The client. Refuses a base URL that is not one of HTTP.
    ///
    /// ```
    /// # use akvs_client::Client;
    /// let error = Client::builder().base_url("http://").build().unwrap_err();
    /// assert_eq!(error.to_string(), "invalid_request: the base URL is not valid: empty host");
    /// ```
    pub fn build(self) -> Result<Client> {
        let base_url = check_base_url(self.base_url.as_deref().unwrap_or(DEFAULT_URL))?;
        let (http, timeout) = match self.http {
            Some(http) => (http, self.timeout),
            None => (default_http()?, self.timeout.or(Some(DEFAULT_TIMEOUT))),
        };
        Ok(Client(Arc::new(Inner {
            http,
            base_url,
            timeout,
            max_value_bytes: self.max_value_bytes.unwrap_or(DEFAULT_MAX_VALUE_BYTES),
        })))
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL may hold a password.
        f.debug_struct("ClientBuilder")
            .field("timeout", &self.timeout)
            .field("max_value_bytes", &self.max_value_bytes)
            .finish_non_exhaustive()
    }
}

/// The HTTP client of those who bring none. It never follows a redirect (a POST would become a GET), and never
/// decompresses, whatever features of the library other crates turn on.
fn default_http() -> Result<reqwest::Client> {
    let http = reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .tcp_nodelay(true)
        .user_agent(concat!("akvs-client/", env!("CARGO_PKG_VERSION")));
    Ok(http.build()?)
}

fn check_base_url(text: &str) -> Result<String> {
    let url = Url::parse(text).map_err(bad_url)?;
    let refuse = |what: &str| {
        let text = format!("the base URL is not valid: {what}");
        Err(CoreError::new(Code::InvalidRequest, text).into())
    };
    if !matches!(url.scheme(), "http" | "https") {
        return refuse("it begins neither with http:// nor with https://");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return refuse("it has a query or a fragment");
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

fn bad_url(error: url::ParseError) -> Error {
    let text = format!("the base URL is not valid: {error}");
    CoreError::new(Code::InvalidRequest, text).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(client: &Client) -> String {
        let path = ["/kv/ns", "/key", ""];
        let request = client.request(Method::GET, path).unwrap();
        request.build().unwrap().url().to_string()
    }

    #[test]
    fn paths_go_below_the_base_url() {
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
    fn a_base_url_that_is_none_is_refused_with_the_reason() {
        for (base, reason) in [
            ("", "relative URL without a base"),
            ("localhost:8080", "neither with http://"),
            ("ftp://h", "neither with http://"),
            ("http://h:99999", "invalid port number"),
            ("http://h/?a=b", "a query"),
            ("http://h/#a", "a fragment"),
        ] {
            let error = Client::new(base).unwrap_err();
            assert_eq!(error.code(), Some(Code::InvalidRequest));
            assert!(error.to_string().contains(reason), "{base}: {error}");
        }
    }

    #[test]
    fn a_password_in_the_url_is_shown_nowhere() {
        let builder = Client::builder().base_url("http://me:hidden@127.0.0.1:1/hidden");
        assert!(!format!("{builder:?}").contains("hidden"));
        let client = builder.build().unwrap();
        assert!(!format!("{client:?} {:?}", client.namespace("n").unwrap()).contains("hidden"));
        let bad = Client::new("http://me:hidden@h:x").unwrap_err();
        assert!(!format!("{bad:?} {bad}").contains("hidden"));
    }

    #[test]
    fn a_client_and_what_it_makes_can_be_shared_between_threads() {
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
