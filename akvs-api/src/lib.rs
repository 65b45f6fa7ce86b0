//! The wire format of AKVS: what servers and clients spell the same way, defined once.
//!
//! It owns names, spellings and documents. It knows no HTTP library, no clock and no storage, and decides nothing: the
//! server and the client give the documents their meaning.

pub mod base64url;
pub mod event;
pub mod export;
pub mod get_many;
pub mod header;
mod import_report;
mod item;
pub mod json;
mod list;
pub mod media_type;
pub mod param;
pub mod path;
pub mod problem;
pub mod route;
mod settings;
pub mod strict;
pub mod text;
pub mod ttl;
pub mod txn;
mod version;

pub use import_report::{ImportReport, LineError};
pub use item::{DeletedItem, Item, Prefix};
pub use list::{Deleted, KeyList, NamespaceInfo, NamespaceList};
pub use problem::Problem;
pub use settings::{NamespaceSettings, Settings, StoredSettings};
pub use text::{TextOrBase64, ValueForm};
pub use version::{Limits, Version};
