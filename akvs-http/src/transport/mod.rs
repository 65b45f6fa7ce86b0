//! Listeners, TLS, and the framing of HTTP/1.1 and HTTP/2 with its limits and timeouts.

pub(crate) mod connection;
pub(crate) mod expect_continue;
pub(crate) mod http2;
pub(crate) mod listener;
pub(crate) mod protocol_error;
pub(crate) mod resources;
pub(crate) mod tls;
