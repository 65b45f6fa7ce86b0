//! The namespaces of a database: each is opened at first use, exactly once, also by concurrent callers.
//!
//! Reading a namespace that does not exist opens nothing. Unused servers are closed again, so that an idle namespace
//! costs nothing but its rows.
//!
//! ```
//! use akvs_core::{Database, Key, MemoryEngine, Namespace, Op, Options};
//! use akvs_registry::Registry;
//! use akvs_server::{Committer, CommitterOptions, SystemClock};
//! use std::sync::Arc;
//!
//! # fn main() -> Result<(), akvs_core::Error> {
//! let database = Database::open(Arc::new(MemoryEngine::new()), Options::default())?;
//! let committer = Committer::start(database, CommitterOptions::default(), Arc::new(SystemClock::new()))?;
//! let registry = Registry::new(committer);
//! # pollster::block_on(async {
//! assert!(registry.find("greetings", b"hello").await?.is_none());
//! registry.submit(&Namespace::new("greetings")?, Key::new("hello")?, Op::set("world")).await?;
//! assert_eq!(registry.get("greetings", b"hello").await?.value, "world");
//! assert_eq!(registry.list(None, 10)?[0].name.as_str(), "greetings");
//! assert!(registry.drop_namespace("greetings").await?);
//! # Ok(())
//! # })
//! # }
//! ```

mod registry;
mod slot;

pub use registry::Registry;
