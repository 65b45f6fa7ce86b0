//! The builder of clients: address, token, timeouts, TLS.
//!
//! It owns the defaults and which options exclude each other. It sends nothing. Invariant: an invalid option is an
//! error of [`ClientBuilder::build`], and no text shows a secret.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderValue;

use crate::RetryPolicy;
use crate::address::Address;
use crate::client::{Client, Inner};
use crate::error::{Result, invalid};
use crate::retry::Budget;
use crate::tls::Tls;

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const DEFAULT_CALL_TIMEOUT: Duration = Duration::from_secs(60);
const DEFAULT_MAX_VALUE_BYTES: u64 = 1 << 30;

type Configure = Arc<dyn Fn(reqwest::ClientBuilder) -> reqwest::ClientBuilder + Send + Sync>;

/// A builder of a [`Client`].
///
/// ```
/// use std::time::Duration;
/// use akvs_client::Client;
/// let client = Client::builder()
///     .base_url("http://localhost:8080")
///     .token("a-token-of-the-server")
///     .timeout(Duration::from_secs(5))
///     .build()?;
/// # Ok::<(), akvs_client::Error>(())
/// ```
#[derive(Clone, Default)]
#[must_use = "a builder does nothing until it builds"]
pub struct ClientBuilder {
    base_url: Option<String>,
    socket: Option<PathBuf>,
    token: Option<String>,
    timeout: Option<Duration>,
    call_timeout: Option<Duration>,
    retry: RetryPolicy,
    connect_timeout: Option<Duration>,
    http: Option<reqwest::Client>,
    configure: Option<Configure>,
    pub(crate) tls: Tls,
    max_value_bytes: Option<u64>,
}

impl Client {
    /// Returns a client of the server at this URL, with the defaults for all other options.
    ///
    /// ```
    /// assert!(akvs_client::Client::new("http://localhost:8080").is_ok());
    /// assert!(akvs_client::Client::new("localhost:8080").is_ok());
    /// assert!(akvs_client::Client::new("ftp://localhost:8080").is_err());
    /// ```
    pub fn new(base_url: &str) -> Result<Client> {
        Client::builder().base_url(base_url).build()
    }

    /// Returns a builder with the defaults.
    ///
    /// ```
    /// use std::time::Duration;
    /// let client = akvs_client::Client::builder()
    ///     .base_url("http://localhost:8080")
    ///     .timeout(Duration::from_secs(5))
    ///     .build()?;
    /// # Ok::<(), akvs_client::Error>(())
    /// ```
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// Returns a client that is configured by the environment: `AKVS_URL` is the base URL (default
    /// `http://localhost:8080`), `AKVS_TOKEN` the token, or `AKVS_TOKEN_FILE` the file whose first line is the token.
    /// An invalid value is an error that names the variable and never shows a token.
    ///
    /// ```
    /// let client = akvs_client::Client::from_env()?;
    /// # Ok::<(), akvs_client::Error>(())
    /// ```
    pub fn from_env() -> Result<Client> {
        ClientBuilder::from_env()?.build()
    }
}

impl ClientBuilder {
    /// Sets the base URL: `http://…`, `https://…`, `unix:/path/to/akvs.sock`, or `HOST:PORT`, which means HTTP;
    /// `http://localhost:8080` by default. It may have a path below which a proxy serves AKVS.
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

    /// Connects to this Unix socket. Of the [`base_url`](Self::base_url) only the path is used then. A base URL of
    /// `unix:` and the path does the same.
    ///
    /// ```
    /// # use akvs_client::Client;
    /// # #[cfg(unix)]
    /// assert!(Client::builder().unix_socket("/run/akvs/akvs.sock").build().is_ok());
    /// ```
    pub fn unix_socket(mut self, path: impl Into<PathBuf>) -> ClientBuilder {
        self.socket = Some(path.into());
        self
    }

    /// Sets the token that is sent with each request (`Authorization: Bearer`). No error and no debug text shows it. An
    /// invalid token is an error of [`build`](Self::build).
    ///
    /// ```
    /// # use akvs_client::Client;
    /// let client = Client::builder().token("s3cret").build()?;
    /// assert!(!format!("{client:?}").contains("s3cret"));
    /// assert!(Client::builder().token("two\nlines").build().is_err());
    /// # Ok::<(), akvs_client::Error>(())
    /// ```
    pub fn token(mut self, token: impl Into<String>) -> ClientBuilder {
        self.token = Some(token.into());
        self
    }

    /// Sets the time that one request may take, from the first byte sent to the last byte read; 30 seconds by default,
    /// or what a given [`http_client`](Self::http_client) has.
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

    /// Sets the time that a call may take with all its tries and the waits between them; 60 seconds by default. A
    /// longer [`timeout`](Self::timeout) takes precedence, so that the first try is never cut short.
    ///
    /// ```
    /// # use akvs_client::Client;
    /// use std::time::Duration;
    /// assert!(Client::builder().call_timeout(Duration::from_secs(2)).build().is_ok());
    /// ```
    pub fn call_timeout(mut self, timeout: Duration) -> ClientBuilder {
        self.call_timeout = Some(timeout);
        self
    }

    /// Sets how failed calls are repeated; [`RetryPolicy::default`] by default.
    ///
    /// ```
    /// use akvs_client::{Client, RetryPolicy};
    /// assert!(Client::builder().retry(RetryPolicy::disabled()).build().is_ok());
    /// ```
    pub fn retry(mut self, policy: RetryPolicy) -> ClientBuilder {
        self.retry = policy;
        self
    }

    /// Sets the time that a connection may take to be established; 10 seconds by default. It is part of the
    /// [`timeout`](Self::timeout).
    ///
    /// ```
    /// # use akvs_client::Client;
    /// use std::time::Duration;
    /// assert!(Client::builder().connect_timeout(Duration::from_secs(1)).build().is_ok());
    /// ```
    pub fn connect_timeout(mut self, timeout: Duration) -> ClientBuilder {
        self.connect_timeout = Some(timeout);
        self
    }

    /// Configures the HTTP client further, after all other options: proxies, pools, default headers. It must not enable
    /// decompression, or an encoded value would be returned changed.
    ///
    /// ```
    /// # use akvs_client::Client;
    /// let builder = Client::builder().configure_http(|http| http.user_agent("billing/1.0"));
    /// assert!(builder.build().is_ok());
    /// ```
    pub fn configure_http(
        mut self,
        configure: impl Fn(reqwest::ClientBuilder) -> reqwest::ClientBuilder + Send + Sync + 'static,
    ) -> ClientBuilder {
        self.configure = Some(Arc::new(configure));
        self
    }

    /// Uses this HTTP client. It must not decompress answers; options of connections and TLS must be set on it, not
    /// here. [`configure_http`](Self::configure_http) is often enough.
    ///
    /// ```
    /// use akvs_client::{Client, reqwest};
    /// let http = reqwest::Client::builder().user_agent("billing/1.0").build()?;
    /// assert!(Client::builder().http_client(http).build().is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn http_client(mut self, http: reqwest::Client) -> ClientBuilder {
        self.http = Some(http);
        self
    }

    /// Sets the longest value that is read, in bytes; 1 GiB by default. It bounds only the memory of an answer; the
    /// server's `limits.max_value_bytes` bounds what can be stored.
    ///
    /// ```
    /// # use akvs_client::Client;
    /// assert!(Client::builder().max_value_bytes(16 << 20).build().is_ok());
    /// ```
    pub fn max_value_bytes(mut self, bytes: u64) -> ClientBuilder {
        self.max_value_bytes = Some(bytes);
        self
    }

    /// Builds the client. Fails on invalid options and on options that exclude each other. Sends nothing.
    ///
    /// ```
    /// # use akvs_client::Client;
    /// let error = Client::builder().base_url("http://").build().unwrap_err();
    /// assert_eq!(error.to_string(), "invalid_request: invalid base URL: empty host");
    /// ```
    pub fn build(self) -> Result<Client> {
        let address = self.address()?;
        let authorization = self.token.as_deref().map(bearer).transpose()?;
        if authorization.is_some() && address.has_user {
            return Err(invalid(
                "both a token and a user in the base URL are set: expected one of them",
            ));
        }
        let timeout = match &self.http {
            Some(_) => self.timeout,
            None => self.timeout.or(Some(DEFAULT_TIMEOUT)),
        };
        Ok(Client::from_inner(Inner {
            http: self.http(&address)?,
            base_url: address.base_url,
            authorization,
            timeout,
            call_timeout: self.call_timeout.unwrap_or(DEFAULT_CALL_TIMEOUT),
            retry: self.retry,
            budget: Budget::new(),
            max_value_bytes: self.max_value_bytes.unwrap_or(DEFAULT_MAX_VALUE_BYTES),
        }))
    }

    fn address(&self) -> Result<Address> {
        let Some(socket) = &self.socket else {
            return Address::parse(self.base_url.as_deref());
        };
        let Some(url) = &self.base_url else {
            return Ok(Address::socket(socket.clone()));
        };
        let mut address = Address::parse(Some(url))?;
        if address.socket.is_some() || address.is_https {
            return Err(invalid(
                "both a Unix socket and a base URL without http:// are set: expected http://HOST/PATH or none",
            ));
        }
        address.socket = Some(socket.clone());
        Ok(address)
    }

    fn http(&self, address: &Address) -> Result<reqwest::Client> {
        let Some(http) = &self.http else {
            let connect_timeout = self.connect_timeout.unwrap_or(DEFAULT_CONNECT_TIMEOUT);
            let http = default_http().connect_timeout(connect_timeout);
            let http = resolve_localhost(connect_to_socket(http, address)?, address);
            let http = self.tls.apply(http, address.is_https)?;
            let http = match &self.configure {
                Some(configure) => configure(http),
                None => http,
            };
            return Ok(http.build()?);
        };
        let what = if address.socket.is_some() {
            "a Unix socket"
        } else if self.connect_timeout.is_some() {
            "a connect timeout"
        } else if self.configure.is_some() || self.tls.is_chosen() {
            "an option of HTTP or TLS"
        } else {
            return Ok(http.clone());
        };
        Err(invalid(format!(
            "both {what} and an HTTP client are set: configure that client instead"
        )))
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL may contain a password, and the token is a secret.
        f.debug_struct("ClientBuilder")
            .field("timeout", &self.timeout)
            .field("call_timeout", &self.call_timeout)
            .field("retry", &self.retry)
            .field("connect_timeout", &self.connect_timeout)
            .field("max_value_bytes", &self.max_value_bytes)
            .finish_non_exhaustive()
    }
}

/// Returns the header value of a token (RFC 6750, section 2.1), marked as sensitive.
pub(crate) fn bearer(token: &str) -> Result<HeaderValue> {
    let good = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    let field = good.then(|| HeaderValue::try_from(format!("Bearer {token}")));
    let Some(Ok(mut field)) = field else {
        return Err(invalid("invalid token: expected visible ASCII characters"));
    };
    field.set_sensitive(true);
    Ok(field)
}

/// Returns the default HTTP client. It never follows a redirect (a POST would become a GET), and never decompresses,
/// whatever features of the library other crates enable.
fn default_http() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .tcp_nodelay(true)
        .user_agent(concat!("akvs-client/", env!("CARGO_PKG_VERSION")))
}

/// Resolves `localhost` without a resolver: a system without a hosts file cannot.
fn resolve_localhost(http: reqwest::ClientBuilder, address: &Address) -> reqwest::ClientBuilder {
    // The port is the URL's. A server listens on the first address by default.
    let loopback: [SocketAddr; 2] = [
        (Ipv4Addr::LOCALHOST, 0).into(),
        (Ipv6Addr::LOCALHOST, 0).into(),
    ];
    match &address.localhost {
        Some(host) => http.resolve_to_addrs(host, &loopback),
        None => http,
    }
}

/// Connects to the socket, if one is set.
#[cfg(unix)]
fn connect_to_socket(
    http: reqwest::ClientBuilder,
    address: &Address,
) -> Result<reqwest::ClientBuilder> {
    Ok(match &address.socket {
        Some(path) => http.unix_socket(path.as_path()),
        None => http,
    })
}

#[cfg(not(unix))]
fn connect_to_socket(
    http: reqwest::ClientBuilder,
    address: &Address,
) -> Result<reqwest::ClientBuilder> {
    match &address.socket {
        Some(_) => Err(invalid("Unix sockets are not supported on this system")),
        None => Ok(http),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_a_sensitive_field() {
        let field = bearer("abc.DEF-7~+/==").unwrap();
        assert_eq!(field, "Bearer abc.DEF-7~+/==");
        assert!(field.is_sensitive());
        for bad in ["", "a b", "a\n", "a\r\nX: y", "ü", "\0"] {
            let error = bearer(bad).unwrap_err().to_string();
            assert!(
                error.contains("invalid token: expected visible ASCII"),
                "{error}"
            );
        }
    }

    #[test]
    fn no_text_shows_the_token() {
        let builder = Client::builder().token("hidden-token");
        assert!(!format!("{builder:?}").contains("hidden"));
        let client = builder.build().unwrap();
        let request = client.request(reqwest::Method::GET, ["/ping", "", ""]);
        assert!(!format!("{client:?} {request:?}").contains("hidden"));
        let bad = Client::builder().token("hidden token").build().unwrap_err();
        assert!(!format!("{bad} {bad:?}").contains("hidden"));
    }

    #[test]
    fn options_that_exclude_each_other_are_refused() {
        let refused = |builder: ClientBuilder| builder.build().unwrap_err().to_string();
        let two = Client::builder().base_url("http://me:p@h").token("t");
        assert!(refused(two).contains("a user in the base URL"));
        let own = || {
            let tls = ClientBuilder::default().tls;
            let http = tls.apply(default_http(), false).unwrap();
            Client::builder().http_client(http.build().unwrap())
        };
        assert!(own().build().is_ok());
        assert!(refused(own().configure_http(|http| http)).contains("an option of HTTP"));
        assert!(refused(own().unix_socket("/s")).contains("a Unix socket"));
        assert!(refused(own().base_url("unix:/s")).contains("a Unix socket"));
        let timeout = own().connect_timeout(DEFAULT_CONNECT_TIMEOUT);
        assert!(refused(timeout).contains("a connect timeout"));
        let twice = || Client::builder().unix_socket("/s");
        assert!(refused(twice().base_url("unix:/t")).contains("a base URL without http://"));
        assert!(refused(twice().base_url("https://h")).contains("a base URL without http://"));
        assert!(twice().base_url("http://h/path").build().is_ok());
    }
}
