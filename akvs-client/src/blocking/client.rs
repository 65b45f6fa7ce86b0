//! The blocking client: the asynchronous one, and the thread that it runs on.
//!
//! It owns no options: the builder is that of the asynchronous client. Invariant: all calls of a client run on its
//! thread.

use super::Namespace;
use super::runtime::Runtime;
use crate::ClientBuilder;
use crate::error::Result;

/// A blocking client of one server. Cheap to clone; all clones share their connections and a thread, which ends with
/// the last of them and of their namespaces and requests.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let url = &serve();
/// let client = akvs_client::blocking::Client::new(url)?;
/// assert_eq!(client.namespace("foo")?.get_or("bar", 7)?, 7);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    pub(super) client: crate::Client,
    pub(super) runtime: Runtime,
}

impl Client {
    /// Calls [`crate::Client::new`].
    pub fn new(base_url: &str) -> Result<Client> {
        ClientBuilder::default().base_url(base_url).build_blocking()
    }

    /// Calls [`crate::Client::builder`]; [`build_blocking`](ClientBuilder::build_blocking) builds the client.
    ///
    /// ```
    /// let builder = akvs_client::blocking::Client::builder().token("s3cret");
    /// assert!(builder.build_blocking().is_ok());
    /// ```
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// Calls [`crate::Client::from_env`].
    pub fn from_env() -> Result<Client> {
        ClientBuilder::from_env()?.build_blocking()
    }

    /// Calls [`crate::Client::namespace`].
    pub fn namespace(&self, name: impl AsRef<str>) -> Result<Namespace> {
        Ok(Namespace::new(&self.runtime, self.client.namespace(name)?))
    }
}

impl ClientBuilder {
    /// Builds a blocking client, with its own thread. Requires the feature `blocking`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use akvs_client::ClientBuilder;
    /// let client = ClientBuilder::default().timeout(Duration::from_secs(5)).build_blocking()?;
    /// # Ok::<(), akvs_client::Error>(())
    /// ```
    pub fn build_blocking(self) -> Result<Client> {
        Ok(Client {
            client: self.build()?,
            runtime: Runtime::start()?,
        })
    }
}
