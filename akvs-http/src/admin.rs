//! What only who owns the data may ask: how the server is, what it logs, a backup, a check, its end.
//!
//! These routes are there on a [`Listener::Admin`](crate::Listener::Admin) alone; on every other listener they are
//! paths that there are not, whatever the token. What is done, an [`AdminApi`] knows: this crate knows neither the
//! process nor the files.

use std::fmt;

use akvs_core::Result;
use bytes::Bytes;

/// Parts of a long answer, each made when the one before it was sent.
pub type ByteChunks = Box<dyn Iterator<Item = Result<Bytes>> + Send>;

/// Does what the owner of the data asks for. Its methods may block.
///
/// ```
/// use akvs_http::{AdminApi, ByteChunks};
/// #[derive(Debug)]
/// struct Quiet;
/// impl AdminApi for Quiet {
///     fn stop(&self) {}
///     fn log(&self) -> String {
///         "off".into()
///     }
///     fn set_log(&self, filter: &str) -> Result<(), String> {
///         Err(format!("{filter} would be too loud"))
///     }
///     fn backup(&self) -> akvs_core::Result<ByteChunks> {
///         Ok(Box::new(std::iter::empty()))
///     }
///     fn verify(&self) -> akvs_core::Result<ByteChunks> {
///         Ok(Box::new(std::iter::empty()))
///     }
/// }
/// let options = akvs_http::Options {
///     admin: Some(std::sync::Arc::new(Quiet)),
///     ..Default::default()
/// };
/// assert_eq!(options.admin.map(|admin| admin.log()).as_deref(), Some("off"));
/// ```
pub trait AdminApi: fmt::Debug + Send + Sync {
    /// Has the server stop, as by SIGTERM; does not wait for it.
    fn stop(&self);

    /// What is logged.
    fn log(&self) -> String;

    /// From here on this is logged; an error says why not.
    fn set_log(&self, filter: &str) -> std::result::Result<(), String>;

    /// A backup of the whole store as it stands now.
    fn backup(&self) -> Result<ByteChunks>;

    /// Reads everything back and tells, a JSON document a line, how far it is and what is wrong.
    fn verify(&self) -> Result<ByteChunks>;
}
