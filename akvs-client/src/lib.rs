//! The typed client of AKVS, the key-value store that you can curl.
//!
//! Values are anything that serde can write as JSON, or plain bytes; keys are any bytes. A [`Client`] is cheap to
//! clone and speaks to one server; a [`Namespace`] is where keys live; every call has the one [`Error`].
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
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
//! # Ok(())
//! # }
//! ```
//!
//! What failed is [tried again](RetryPolicy) where that is safe; of a write that may have been applied it is
//! [said](Error::is_unknown_outcome).
//!
//! | feature | |
//! | --- | --- |
//! | `rustls` (default) | `https://`, without OpenSSL and C++ |
//! | `blocking` | the client for programs that are not asynchronous |
//!
//! There is no storage engine in here: of the store itself only the words are shared ([`Code`], [`Revision`]).

mod address;
#[cfg(feature = "blocking")]
pub mod blocking;
mod builder;
mod client;
mod codec;
mod del;
mod entry;
mod env;
mod error;
mod item;
mod lines;
mod list;
mod many;
mod namespace;
mod namespaces;
mod ops;
mod peek;
mod problem;
mod query;
mod read;
mod retry;
mod server;
mod set;
mod settings;
mod streams;
#[cfg(feature = "rustls")]
mod tls;
#[cfg(not(feature = "rustls"))]
#[path = "no_tls.rs"]
mod tls;
mod told;
mod transfer;
mod txn;
mod update;
mod watch;
mod wire;
mod write;

pub use builder::ClientBuilder;
pub use client::Client;
pub use codec::{Codec, CodecError, Json, Raw, Text};
pub use del::Del;
pub use entry::{Entry, IfChanged, Part, Written};
pub use error::{Error, Problem, Result};
pub use item::Item;
pub use list::{Grouped, Items, List, Listed, ListedItems, Page, Snapshot};
pub use namespace::Namespace;
pub use namespaces::{NamespaceInfo, NamespaceInfos, Namespaces, NamespacesPage};
pub use ops::{Add, Append, Touch};
pub use retry::RetryPolicy;
pub use server::{Limits, Version};
pub use set::Set;
pub use settings::Settings;
pub use transfer::{
    Encoding, Export, ExportBytes, ExportParts, Exported, Import, ImportMode, Imported, LineError,
    Record, Records, Section,
};
pub use txn::{FailedCheck, OpResult, Put, Txn, TxnResult};
pub use update::Update;
pub use watch::{Change, Changes, Watch};

pub use akvs_core::{Code, Revision};
/// The HTTP library, in the version that [`ClientBuilder::http_client`] takes.
pub use reqwest;
