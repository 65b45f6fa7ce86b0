//! The blocking calls for the state of a server.
//!
//! It delegates each call to the asynchronous client. It does not know namespaces.

use super::Client;
use crate::Version;
use crate::error::Result;

impl Client {
    /// Calls [`crate::Client::ping`].
    pub fn ping(&self) -> Result<()> {
        self.call(|client| async move { client.ping().await })
    }

    /// Calls [`crate::Client::is_ready`].
    pub fn is_ready(&self) -> Result<bool> {
        self.call(|client| async move { client.is_ready().await })
    }

    /// Calls [`crate::Client::version`].
    pub fn version(&self) -> Result<Version> {
        self.call(|client| async move { client.version().await })
    }

    /// Calls [`crate::Client::metrics`].
    pub fn metrics(&self) -> Result<String> {
        self.call(|client| async move { client.metrics().await })
    }

    /// Runs a call of the asynchronous client, and waits for it.
    fn call<T, F>(&self, call: impl FnOnce(crate::Client) -> F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        self.runtime.run(call(self.client.clone()))?
    }
}
