//! The blocking client: the asynchronous one and the thread that it works on.
//!
//! It owns no choices; the builder is the asynchronous one's. Invariant: all that comes of a client works on its thread.

use super::Namespace;
use super::runtime::Runtime;
use crate::ClientBuilder;
use crate::error::Result;

/// A client of one server, for programs that are not asynchronous. Cheap to clone; all clones share their connections
/// and the thread that serves them, which ends with the last of them and of what was made by them.
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
    /// As [`crate::Client::new`].
    pub fn new(base_url: &str) -> Result<Client> {
        ClientBuilder::default().base_url(base_url).build_blocking()
    }

    /// As [`crate::Client::builder`]; it ends with [`build_blocking`](ClientBuilder::build_blocking).
    ///
    /// ```
    /// let builder = akvs_client::blocking::Client::builder().token("s3cret");
    /// assert!(builder.build_blocking().is_ok());
    /// ```
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// As [`crate::Client::from_env`].
    pub fn from_env() -> Result<Client> {
        ClientBuilder::from_env()?.build_blocking()
    }

    /// As [`crate::Client::namespace`].
    pub fn namespace(&self, name: impl AsRef<str>) -> Result<Namespace> {
        Ok(Namespace::new(&self.runtime, self.client.namespace(name)?))
    }
}

impl ClientBuilder {
    /// The blocking client, with a thread of its own. With the feature `blocking`.
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
