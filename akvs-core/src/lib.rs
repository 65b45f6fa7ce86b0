//! The AKVS store: keys and entries, the meaning of writes, and the storage engines.
//!
//! A [`Store`] holds one namespace's keys in a [`Database`], which uses a storage [`engine`]. All calls are synchronous
//! and deterministic: time is an argument, and there are no tasks, no threads of the store and no network.
//!
//! ```
//! use akvs_core::{Database, Key, MemoryEngine, Namespace, Options, Store, Timestamp};
//! use std::sync::Arc;
//!
//! # fn main() -> Result<(), akvs_core::Error> {
//! let database = Database::open(Arc::new(MemoryEngine::new()), Options::default())?;
//! let store = Store::new(&database, Namespace::new("greetings")?)?;
//! let (key, now) = (Key::new("hello")?, Timestamp::from_millis(1_000));
//!
//! store.set(&key, "world", now)?;
//! assert_eq!(store.get(&key, now)?.value, "world");
//!
//! store.del(&key, now)?;
//! assert_eq!(store.get_or(&key, "default".into(), now)?, "default");
//! store.dispose()
//! # }
//! ```

#[cfg(feature = "disk")]
mod backup;
mod commit_group;
#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "disk")]
pub(crate) mod data_dir;
mod database;
mod difference;
pub(crate) mod encoding;
pub mod engine;
pub mod evaluation;
pub(crate) mod gc;
mod op;
pub(crate) mod recovery;
pub(crate) mod snapshot;
mod stats;
mod store;
pub(crate) mod types;
pub(crate) mod varint;
mod verify;
#[cfg(feature = "disk")]
mod verify_folder;

pub use commit_group::{CommitGroup, CommitSummary, ExpiryTask};
pub use database::{Database, NamespaceInfo, Options};
pub use engine::cache::CacheStats;
pub use engine::finding::{Finding, Unchecked, Verified};
pub use engine::memory::MemoryEngine;
pub use engine::report::Report;
pub use gc::GarbageCollector;
pub use op::txn::Txn;
pub use op::{Action, Change, Condition, EntryBuilder, Op, Ttl, apply};
pub use snapshot::changes::{Changes, history_gone};
pub use snapshot::database::{DatabaseReader, DatabaseSnapshot};
pub use snapshot::namespace::{Entries, NamespaceReader, NamespaceSnapshot};
pub use stats::StorageStats;
pub use store::Store;
pub use types::counts::Counts;
pub use types::data_format::{FORMAT, ROWS_FORMAT};
pub use types::duration::{format_duration, format_duration_in_one_unit, parse_duration};
pub use types::entry::{Entry, FieldValue, PeekedEntry, Representation};
pub use types::error::{Code, Error, Result};
pub use types::event::{Event, EventKind};
pub use types::identity::HistoryId;
pub use types::key::Key;
pub use types::namespace::Namespace;
pub use types::outcome::Outcome;
pub use types::progress::Progress;
pub use types::revision::Revision;
pub use types::settings::{Settings, SettingsPatch};
pub use types::stored_entry::{SeparatedValue, StoredEntry};
pub use types::timestamp::Timestamp;

#[cfg(feature = "disk")]
pub use backup::{Backup, BackupError, BackupSummary, RestoreError, restore, verify_backup};
#[cfg(feature = "disk")]
pub use data_dir::lock::{FolderLock, make_folder};
#[cfg(feature = "disk")]
pub use engine::disk::{DiskEngine, DiskOptions, OpenError, folder_format};
#[cfg(feature = "disk")]
pub use verify_folder::verify_folder;
