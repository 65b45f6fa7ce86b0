//! The typed client of AKVS, the key-value store that you can curl.
//!
//! Values are anything that serde can write as JSON, or plain bytes; keys are any bytes. A [`Client`] is cheap to
//! clone and speaks to one server; a [`Namespace`] is where keys live; every call has the one [`Error`].
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
//! # What there is
//!
//! | | |
//! | --- | --- |
//! | reach a server | [`Client::new`], [`from_env`](Client::from_env), [`builder`](Client::builder): URL or Unix socket, token, timeouts, TLS |
//! | read | [`get`](Namespace::get), [`get_bytes`](Namespace::get_bytes), [`get_range`](Namespace::get_range), [`get_many`](Namespace::get_many), [`head`](Namespace::head), [`exists`](Namespace::exists), [`get_if_changed`](Namespace::get_if_changed) |
//! | write | [`set`](Namespace::set), [`set_bytes`](Namespace::set_bytes), [`delete`](Namespace::del), [`touch`](Namespace::touch), [`add`](Namespace::add), [`append`](Namespace::append), each with a time to live where it can have one |
//! | on conditions | [`if_absent`](Set::if_absent), [`if_exists`](Set::if_exists), [`if_revision`](Set::if_revision) of all of these |
//! | read, change, write | [`update`](Namespace::update): again until nobody was faster |
//! | in other forms than JSON | [`get_with`](Namespace::get_with), [`set_with`](Namespace::set_with) and a [`Codec`] |
//! | list | [`list`](Namespace::list), [`namespaces`](Client::namespaces): page by page, grouped, or of one moment |
//! | all or nothing | [`txn`](Namespace::txn) |
//! | what changes | [`watch`](Namespace::watch), over broken connections and restarts; of one key [`wait_for_change`](Namespace::wait_for_change) |
//! | out and in | [`export`](Namespace::export), [`import`](Namespace::import), of a namespace or [all](Client::export) |
//! | a namespace as a whole | [`configure`](Namespace::configure), [`change_settings`](Namespace::change_settings), [`settings`](Namespace::settings), [`delete_prefix`](Namespace::delete_prefix), [`drop_namespace`](Namespace::drop_namespace) |
//! | the server | [`ping`](Client::ping), [`is_ready`](Client::is_ready), [`version`](Client::version), [`metrics`](Client::metrics) |
//! | without `async` | all of it in `akvs_client::blocking` |
//!
//! # What is tried again
//!
//! - Reads, removals of a key, and writes on `if_absent` or `if_revision`: when the network or the server fails.
//! - All other writes: only where the server was not reached, or says that it did nothing.
//! - Where it is not known whether a write was applied, the error [says so](Error::is_unknown_outcome), also where its
//!   condition failed only because of its own earlier try.
//! - Waits double, with jitter; a `Retry-After` is heeded; the [`call_timeout`](ClientBuilder::call_timeout) ends it.
//! - All clones share a budget, so that a server that is down is not kept down. [`RetryPolicy`] has the rest.
//!
//! # Errors
//!
//! There is one [`Error`]. Its [`code`](Error::code) is the server's, and most programs ask no more than
//! [`is_precondition_failed`](Error::is_precondition_failed), [`is_not_found`](Error::is_not_found),
//! [`is_unknown_outcome`](Error::is_unknown_outcome) and [`is_retryable`](Error::is_retryable). A missing key is none.
//! No text of it shows a token or a URL; what caused it is its source.
//!
//! # Features
//!
//! | feature | |
//! | --- | --- |
//! | `rustls` (default) | `https://`, without OpenSSL and C++ |
//! | `blocking` | the client for programs that are not asynchronous |
//!
//! Neither changes what else a program does with reqwest: a `reqwest::Client::new()` of its own is made as before. TLS is
//! rustls with ring; a program that has rustls choose its cryptography by itself (`ClientConfig::builder()`), and has
//! aws-lc by another dependency, must install one of the two first, as with any two providers.
//!
//! There is no storage engine in here: of the store itself only the words are shared ([`Code`], [`Revision`]).

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
