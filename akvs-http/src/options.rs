//! Options of the HTTP server.

use std::sync::Arc;
use std::time::Duration;

use crate::{AdminApi, BuildInfo, Tls, Tokens};

/// Options of the HTTP server.
///
/// ```
/// let options = akvs_http::Options { max_value_bytes: 1 << 20, ..Default::default() };
/// assert!(options.max_connections > 0);
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    /// The host names that the server answers to where there are no tokens, in addition to IP addresses, `localhost` and
    /// names without dots. A request over TCP to any other name gets 421, because a page of another site could have sent
    /// it (DNS rebinding).
    pub hosts: Vec<String>,
    /// The maximum length of a value, in bytes; a longer one gets 413.
    pub max_value_bytes: usize,
    /// The maximum number of open connections; further ones wait until one is closed. The admin listener has another 256.
    pub max_connections: usize,
    /// The maximum memory for request bodies in transit, in bytes; a request that needs more gets 503.
    pub max_body_memory_bytes: usize,
    /// The maximum memory for responses in transit, in bytes; a request whose response needs more gets 503.
    pub max_response_memory_bytes: usize,
    /// The time that a client has to send the head of a request.
    pub header_timeout: Duration,
    /// The time that a client has to send a body.
    pub request_timeout: Duration,
    /// The time that a connection may be idle between two requests.
    pub keep_alive: Duration,
    /// The time after which a connection is closed whose client reads nothing of a response.
    pub stall_timeout: Duration,
    /// The interval of the comments that tell a watcher that its connection works and that it is up to date.
    pub heartbeat: Duration,
    /// The time that requests in flight have to end when the server stops.
    pub drain_timeout: Duration,
    /// The number of threads that serve connections. The default leaves one core to the committer: with a worker on each
    /// core, throughput is a fifth lower and the 99th percentile four times as high.
    pub workers: usize,
    /// The version and the engine that the server reports.
    pub build_info: BuildInfo,
    /// The tokens that the server accepts. Without any, every client has all rights.
    pub tokens: Tokens,
    /// The certificate of the server; without one it does not use TLS.
    pub tls: Option<Tls>,
    /// The operations of `/admin/…` on a [`Listener::Admin`](crate::Listener::Admin); without them only `/admin/status`
    /// exists.
    pub admin: Option<Arc<dyn AdminApi>>,
}

/// The defaults of the limits.
impl Options {
    /// The default of `max_value_bytes`.
    pub const DEFAULT_MAX_VALUE_BYTES: usize = 16 << 20;
    /// The default of `max_connections`.
    pub const DEFAULT_MAX_CONNECTIONS: usize = 10_000;
    /// The default of `max_body_memory_bytes`.
    pub const DEFAULT_MAX_BODY_MEMORY_BYTES: usize = 512 << 20;
    /// The default of `max_response_memory_bytes`.
    pub const DEFAULT_MAX_RESPONSE_MEMORY_BYTES: usize = 512 << 20;
    /// The default of `header_timeout`.
    pub const DEFAULT_HEADER_TIMEOUT: Duration = Duration::from_secs(5);
    /// The default of `request_timeout`.
    pub const DEFAULT_REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
    /// The default of `drain_timeout`.
    pub const DEFAULT_DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
}

impl Default for Options {
    fn default() -> Options {
        Options {
            hosts: Vec::new(),
            max_value_bytes: Options::DEFAULT_MAX_VALUE_BYTES,
            max_connections: Options::DEFAULT_MAX_CONNECTIONS,
            max_body_memory_bytes: Options::DEFAULT_MAX_BODY_MEMORY_BYTES,
            max_response_memory_bytes: Options::DEFAULT_MAX_RESPONSE_MEMORY_BYTES,
            header_timeout: Options::DEFAULT_HEADER_TIMEOUT,
            request_timeout: Options::DEFAULT_REQUEST_TIMEOUT,
            keep_alive: Duration::from_secs(75),
            stall_timeout: Duration::from_secs(60),
            heartbeat: Duration::from_secs(15),
            drain_timeout: Options::DEFAULT_DRAIN_TIMEOUT,
            workers: std::thread::available_parallelism()
                .map_or(1, |cores| usize::from(cores).saturating_sub(1).max(1)),
            build_info: BuildInfo::default(),
            tokens: Tokens::default(),
            tls: None,
            admin: None,
        }
    }
}
