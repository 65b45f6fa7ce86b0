//! The operations of `/admin/…`: stopping the server, its log filter, backups and checks.
//!
//! The routes exist only on a [`Listener::Admin`](crate::Listener::Admin); on every other listener they are unknown
//! paths, whatever the token. The program implements the operations: this crate knows neither the process nor its
//! files.

use std::fmt;

use akvs_core::Result;
use bytes::Bytes;

/// A response in chunks, each of which is made after the chunk before it was sent.
pub type ByteChunks = Box<dyn Iterator<Item = Result<Bytes>> + Send>;

/// The operations of the admin API. The methods may block.
///
/// ```
/// use akvs_http::{AdminApi, ByteChunks};
/// #[derive(Debug)]
/// struct NoAdmin;
/// impl AdminApi for NoAdmin {
///     fn stop(&self) {}
///     fn log(&self) -> String {
///         "off".into()
///     }
///     fn set_log(&self, filter: &str) -> Result<(), String> {
///         Err(format!("unknown filter {filter:?}: expected off"))
///     }
///     fn backup(&self) -> akvs_core::Result<ByteChunks> {
///         Ok(Box::new(std::iter::empty()))
///     }
///     fn verify(&self) -> akvs_core::Result<ByteChunks> {
///         Ok(Box::new(std::iter::empty()))
///     }
/// }
/// let options = akvs_http::Options {
///     admin: Some(std::sync::Arc::new(NoAdmin)),
///     ..Default::default()
/// };
/// assert_eq!(options.admin.map(|admin| admin.log()).as_deref(), Some("off"));
/// ```
pub trait AdminApi: fmt::Debug + Send + Sync {
    /// Begins to stop the server, as SIGTERM does, without waiting for the end.
    fn stop(&self);

    /// Returns the log filter.
    fn log(&self) -> String;

    /// Replaces the log filter; the error says what is wrong with the new one.
    fn set_log(&self, filter: &str) -> std::result::Result<(), String>;

    /// Makes a backup of the whole store at its present revision.
    fn backup(&self) -> Result<ByteChunks>;

    /// Verifies the stored data, and reports progress and findings as one JSON document per line.
    fn verify(&self) -> Result<ByteChunks>;
}
