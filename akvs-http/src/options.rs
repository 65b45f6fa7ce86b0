//! What can be chosen for the HTTP server.

use std::sync::Arc;
use std::time::Duration;

use crate::{AdminApi, BuildInfo, Tls, Tokens};

/// What can be chosen for the HTTP server.
///
/// ```
/// let options = akvs_http::Options { max_value_bytes: 1 << 20, ..Default::default() };
/// assert!(options.max_connections > 0);
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    /// The names under which the server may be asked where there are no tokens, besides IP addresses, `localhost` and
    /// names without dots. Over a TCP socket a request to any other name is refused with 421: a page of another site
    /// could come in by it.
    pub hosts: Vec<String>,
    /// The longest value, in bytes; a longer one is refused with 413.
    pub max_value_bytes: usize,
    /// The most connections at once; one more waits until another is closed. The owner's listener has 256 of its own.
    pub max_connections: usize,
    /// The most memory for bodies that are being received, in bytes; what would need more is refused with 503.
    pub max_body_memory_bytes: usize,
    /// The most memory for answers that are under way, in bytes; what would need more is refused with 503.
    pub max_response_memory_bytes: usize,
    /// How long a client may take to send the head of a request.
    pub header_timeout: Duration,
    /// How long a client may take to send a body.
    pub request_timeout: Duration,
    /// How long a connection may be idle between two requests.
    pub keep_alive: Duration,
    /// How long a client may take nothing of what is sent to it, before it is cut off.
    pub stall_timeout: Duration,
    /// How often those who watch hear that they are up to date.
    pub heartbeat: Duration,
    /// How long requests in flight may take to end when the server stops.
    pub drain_timeout: Duration,
    /// How many threads serve connections. By default one fewer than there are cores: committing takes one too, and
    /// workers that have to share it answer a fifth less, with four times the 99th percentile.
    pub workers: usize,
    /// What the server says of itself.
    pub build_info: BuildInfo,
    /// Who is let in. Where there are none, everybody may do everything.
    pub tokens: Tokens,
    /// The certificate to show; without one there is no TLS.
    pub tls: Option<Tls>,
    /// What the owner of the data may have done, over a [`Listener::Admin`](crate::Listener::Admin); without one there
    /// is nothing to ask there beyond the contract.
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
