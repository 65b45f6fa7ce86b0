//! The AKVS store itself: what a key is, what a write means, and the engines that keep it.
//!
//! A [`Store`] is one namespace's keys in a [`Database`], which sits on a storage [`engine`]. Everything here is
//! synchronous and deterministic: time comes in as an argument, and there is no task, no thread and no network.
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
//! assert_eq!(store.get_or(&key, "nobody".into(), now)?, "nobody");
//! store.dispose()
//! # }
//! ```

#[cfg(feature = "disk")]
mod backup;
mod census;
#[cfg(feature = "conformance")]
pub mod conformance;
mod counts;
mod database;
mod difference;
mod duration;
pub mod engine;
mod entry;
mod error;
mod event;
mod group;
mod key;
mod namespace;
mod op;
mod progress;
mod revision;
mod settings;
mod store;
mod timestamp;
mod txn;
mod verify;
mod view;
mod views;

pub use census::{CacheStats, Census};
pub use counts::Counts;
pub use database::{Database, NamespaceInfo, Options};
pub use duration::{format_duration, format_duration_in_one_unit, parse_duration};
pub use engine::memory::MemoryEngine;
pub use engine::rows::{FORMAT, HistoryId};
pub use entry::{Entry, FieldValue, Found, Representation};
pub use error::{Code, Error, Result};
pub use event::{Event, EventKind};
pub use group::{Committed, Expiry, Group, Outcome};
pub use key::Key;
pub use namespace::Namespace;
pub use op::{Action, Change, Condition, Draft, Op, Ttl, apply};
pub use progress::Progress;
pub use revision::Revision;
pub use settings::{Settings, SettingsPatch};
pub use store::Store;
pub use timestamp::Timestamp;
pub use txn::Txn;
pub use verify::{Finding, Report, Unchecked, Verified};
pub use view::{Changes, Entries, View};
pub use views::Views;

#[cfg(feature = "disk")]
pub use backup::{Backup, BackupError, BackupSummary, RestoreError, restore, verify_backup};
#[cfg(feature = "disk")]
pub use engine::disk::{DiskEngine, DiskOptions, OpenError, folder_format, verify_folder};
#[cfg(feature = "disk")]
pub use engine::lock::{FolderLock, make_folder};
