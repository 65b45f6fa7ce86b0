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
//! There is no storage engine in here: of the store itself only the words are shared ([`Code`], [`Revision`]).

mod client;
mod del;
mod entry;
mod error;
mod item;
mod lines;
mod list;
mod many;
mod namespace;
mod namespaces;
mod ops;
mod query;
mod read;
mod server;
mod set;
mod settings;
mod streams;
mod told;
mod transfer;
mod txn;
mod watch;
mod wire;
mod write;

pub use client::{Client, ClientBuilder};
pub use del::Del;
pub use entry::{Entry, IfChanged, Part, Written};
pub use error::{Error, Problem, Result};
pub use item::Item;
pub use list::{Grouped, Items, List, Listed, ListedItems, Page, Snapshot};
pub use namespace::Namespace;
pub use namespaces::{NamespaceInfo, NamespaceInfos, Namespaces, NamespacesPage};
pub use ops::{Add, Append, Touch};
pub use server::{Limits, Version};
pub use set::Set;
pub use settings::Settings;
pub use transfer::{
    Encoding, Export, ExportBytes, ExportParts, Exported, Import, ImportMode, Imported, LineError,
    Record, Records, Section,
};
pub use txn::{FailedCheck, OpResult, Put, Txn, TxnResult};
pub use watch::{Change, Changes, Watch};

pub use akvs_core::{Code, Revision};
/// The HTTP library, in the version that [`ClientBuilder::http_client`] takes.
pub use reqwest;
