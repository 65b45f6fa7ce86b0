//! What the connections of a server share with the layers above them, which none of them names.

use std::sync::Arc;

use actix_http::Request;
use akvs_core::Result;
use akvs_registry::Registry;

use crate::metrics::Connections;
use crate::request::body::BodyMemory;
use crate::response::memory::ResponseMemory;

/// What connections need of the server that they belong to.
pub(crate) struct Resources {
    /// The clock of the dates of responses.
    pub(crate) registry: Registry,
    pub(crate) connections: Connections,
    pub(crate) body_memory: Arc<BodyMemory>,
    pub(crate) response_memory: ResponseMemory,
    /// Decides whether the content of a request with `Expect: 100-continue` is wanted.
    pub(crate) expectation: Expectation,
}

/// An error says why the content of a request is not wanted.
pub(crate) type Expectation = Box<dyn Fn(&Request) -> Result<()> + Send + Sync>;
