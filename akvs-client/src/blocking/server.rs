//! What a server says of itself, for programs that are not asynchronous.
//!
//! It owns the names of these calls, each of which is the asynchronous one's. It does not know namespaces.

use super::Client;
use crate::Version;
use crate::error::Result;

impl Client {
    /// As [`crate::Client::ping`].
    pub fn ping(&self) -> Result<()> {
        self.call(|client| async move { client.ping().await })
    }

    /// As [`crate::Client::is_ready`].
    pub fn is_ready(&self) -> Result<bool> {
        self.call(|client| async move { client.is_ready().await })
    }

    /// As [`crate::Client::version`].
    pub fn version(&self) -> Result<Version> {
        self.call(|client| async move { client.version().await })
    }

    /// As [`crate::Client::metrics`].
    pub fn metrics(&self) -> Result<String> {
        self.call(|client| async move { client.metrics().await })
    }

    /// Runs a call of the asynchronous client.
    fn call<T, F>(&self, call: impl FnOnce(crate::Client) -> F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        self.runtime.run(call(self.client.clone()))?
    }
}
