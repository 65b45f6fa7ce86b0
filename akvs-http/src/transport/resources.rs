//! The state that connections share with the layers above them, without naming those.

use std::sync::Arc;

use actix_http::Request;
use akvs_core::Result;
use akvs_registry::Registry;

use crate::metrics::Connections;
use crate::request::body::BodyMemory;
use crate::response::memory::ResponseMemory;

/// The parts of the server's state that connections use.
pub(crate) struct Resources {
    /// The clock of the `Date` of responses.
    pub(crate) registry: Registry,
    pub(crate) connections: Connections,
    pub(crate) body_memory: Arc<BodyMemory>,
    pub(crate) response_memory: ResponseMemory,
    /// The check of a request with `Expect: 100-continue`.
    pub(crate) expectation: Expectation,
}

/// A check whose error is the reason why the server does not want the content of a request.
pub(crate) type Expectation = Box<dyn Fn(&Request) -> Result<()> + Send + Sync>;
