//! The typed client of AKVS, the key-value store that you can curl.
//!
//! Values are JSON by serde, or bytes; keys are any bytes. A [`Client`] connects to one server and is cheap to clone; a
//! [`Namespace`] has the keys; all calls have the same [`Error`].
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let url = &serve();
//! use akvs_client::Client;
//!
//! let primes = Client::new(url)?.namespace("primes")?;
//!
//! primes.set("small", &[2, 3, 5]).await?;
//! let entry = primes.get::<Vec<u32>>("small").await?.expect("it was just stored");
//! assert_eq!(entry.value, [2, 3, 5]);
//! assert_eq!(entry.content_type, "application/json");
//!
//! primes.set_bytes(b"any \xff bytes", "hello world").content_type("text/plain").await?;
//! assert_eq!(primes.get_bytes_or(b"any \xff bytes", "").await?, "hello world");
//!
//! assert!(primes.del("small").await?);
//! assert!(primes.get::<Vec<u32>>("small").await?.is_none());
//! # Ok(()) }
//! ```
//!
//! # Overview
//!
//! | | |
//! | --- | --- |
//! | connect | [`Client::new`], [`from_env`](Client::from_env), [`builder`](Client::builder): URL or Unix socket, token, timeouts, TLS |
//! | read | [`get`](Namespace::get), [`get_bytes`](Namespace::get_bytes), [`get_range`](Namespace::get_range), [`get_many`](Namespace::get_many), [`head`](Namespace::head), [`exists`](Namespace::exists), [`get_if_changed`](Namespace::get_if_changed) |
//! | write | [`set`](Namespace::set), [`set_bytes`](Namespace::set_bytes), [`delete`](Namespace::del), [`touch`](Namespace::touch), [`add`](Namespace::add), [`append`](Namespace::append), with a time to live |
//! | write with conditions | [`if_absent`](Set::if_absent), [`if_exists`](Set::if_exists), [`if_revision`](Set::if_revision) |
//! | update | [`update`](Namespace::update): read, compute, write if unchanged, else repeat |
//! | formats other than JSON | [`get_with`](Namespace::get_with), [`set_with`](Namespace::set_with) and a [`Codec`] |
//! | list | [`list`](Namespace::list), [`namespaces`](Client::namespaces): page by page, grouped, or as a snapshot |
//! | transact | [`txn`](Namespace::txn) |
//! | watch | [`watch`](Namespace::watch), across broken connections and restarts; one key: [`wait_for_change`](Namespace::wait_for_change) |
//! | export and import | [`export`](Namespace::export), [`import`](Namespace::import), of a namespace or [all](Client::export) |
//! | manage namespaces | [`configure`](Namespace::configure), [`change_settings`](Namespace::change_settings), [`settings`](Namespace::settings), [`delete_prefix`](Namespace::delete_prefix), [`drop_namespace`](Namespace::drop_namespace) |
//! | monitor | [`ping`](Client::ping), [`is_ready`](Client::is_ready), [`version`](Client::version), [`metrics`](Client::metrics) |
//! | without `async` | all of these in `akvs_client::blocking` |
//!
//! # Retries
//!
//! - Reads, deletions of a key, and writes with `if_absent` or `if_revision` are repeated when the network or the server
//!   fails.
//! - All other writes are repeated only if the server was not reached, or reports that it did nothing.
//! - If it is unknown whether a write was applied, the error [reports it](Error::is_unknown_outcome), also if its
//!   condition may have failed because of its own earlier try.
//! - The backoff is exponential, with jitter; `Retry-After` is honoured; the
//!   [`call_timeout`](ClientBuilder::call_timeout) bounds all tries.
//! - All clones share a retry budget. See [`RetryPolicy`].
//!
//! # Errors
//!
//! All calls have the same [`Error`]. Its [`code`](Error::code) is the server's; most programs need only
//! [`is_precondition_failed`](Error::is_precondition_failed), [`is_not_found`](Error::is_not_found),
//! [`is_unknown_outcome`](Error::is_unknown_outcome) and [`is_retryable`](Error::is_retryable). A missing key is not an
//! error. No text of an error shows a token or a URL; its cause is its source.
//!
//! # Features
//!
//! | feature | purpose |
//! | --- | --- |
//! | `rustls` (default) | `https://`, without OpenSSL and C++ |
//! | `blocking` | the blocking client |
//!
//! Neither changes other uses of reqwest: a `reqwest::Client::new()` of the program is built as before. TLS is rustls
//! with ring. A program that lets rustls select its cryptography (`ClientConfig::builder()`), and has aws-lc by another
//! dependency, must install one of the two providers first.
//!
//! The crate contains no storage engine; it shares only types with the store ([`Code`], [`Revision`]).

mod address;
#[cfg(feature = "blocking")]
pub mod blocking;
mod builder;
#[cfg(feature = "rustls")]
mod certificates;
mod client;
mod codec;
mod env;
mod error;
mod item;
mod namespace;
mod namespaces;
mod ndjson;
mod pagination;
mod problem;
mod retry;
mod server;
#[cfg(feature = "rustls")]
mod tls;
#[cfg(not(feature = "rustls"))]
#[path = "tls/disabled.rs"]
mod tls;
#[cfg(feature = "rustls")]
mod tls_error;
#[cfg(not(feature = "rustls"))]
#[path = "tls_error/disabled.rs"]
mod tls_error;
mod transfer;
mod watch;
mod wire;

pub use builder::ClientBuilder;
pub use client::Client;
pub use codec::{Codec, CodecError, Json, Raw, Text};
pub use error::{Error, Problem, Result};
pub use item::Item;
pub use namespace::Namespace;
pub use namespace::configure::{Configured, SettingsPatch};
pub use namespace::entry::{Entry, IfChanged, Part, Written};
pub use namespace::list::{GroupedList, Items, List, ListEntry, ListedItems, Page, Snapshot};
pub use namespace::settings::Settings;
pub use namespace::txn::{FailedCheck, OpResult, Put, Txn, TxnResult};
pub use namespace::update::Update;
pub use namespace::write::add::Add;
pub use namespace::write::append::Append;
pub use namespace::write::delete::Delete;
pub use namespace::write::set::Set;
pub use namespace::write::touch::Touch;
pub use namespaces::{NamespaceInfo, NamespaceInfos, Namespaces, NamespacesPage};
pub use retry::RetryPolicy;
pub use server::{Limits, Version};
pub use transfer::{
    Encoding, Export, ExportBytes, ExportItem, ExportSections, Import, ImportMode, ImportReport,
    LineError, Record, Records, Section,
};
pub use watch::{Change, Watch, WatchStream};

pub use akvs_core::{Code, Revision, format_duration, format_duration_in_one_unit, parse_duration};
/// The HTTP library, in the version that [`ClientBuilder::http_client`] takes.
pub use reqwest;
