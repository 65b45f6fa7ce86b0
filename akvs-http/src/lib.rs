//! The HTTP API of AKVS, on actix-web.
//!
//! Only this crate knows HTTP. It names no storage engine and decides nothing about data: it turns a request into a call
//! of the [`Registry`](akvs_registry::Registry), and the result into a response.
//!
//! ```
//! use akvs_core::{Database, MemoryEngine};
//! use akvs_server::{Committer, SystemClock};
//! use std::sync::Arc;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let database = Database::open(Arc::new(MemoryEngine::new()), Default::default())?;
//! let committer = Committer::start(database, Default::default(), Arc::new(SystemClock::new()))?;
//! let registry = akvs_registry::Registry::new(committer);
//!
//! actix_web::rt::System::new().block_on(async {
//!     let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
//!     let running = akvs_http::start(vec![listener], registry, &akvs_http::Options::default())?;
//!     let handle = running.handle();
//!     // Elsewhere, to stop it:
//!     actix_web::rt::spawn(async move { handle.stop(true).await });
//!     running.await
//! })?;
//! # Ok(())
//! # }
//! ```

mod admin;
mod auth;
mod build_info;
mod context;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod handlers;
mod health;
mod http_date;
mod metrics;
pub(crate) mod middleware;
mod openapi;
mod options;
pub(crate) mod request;
pub(crate) mod response;
mod route;
mod router;
mod server;
mod service;
mod state;
mod transfer;
pub(crate) mod transport;
pub(crate) mod ui;

pub use admin::{AdminApi, ByteChunks};
pub use auth::{Right, Token, TokenError, Tokens};
pub use build_info::BuildInfo;
pub use options::Options;
pub use server::{Server, ServerHandle, start};
pub use transport::listener::Listener;
pub use transport::tls::{Tls, TlsError};

/// The page on embedding, whose examples are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../docs/embedding.md")]
mod embedding {}
