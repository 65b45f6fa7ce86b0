//! One namespace's server: an async handle whose one writer puts all changes into one order.
//!
//! Reads go to the store beside the writer and never wait for it. Writes that are waiting at the same moment, of any
//! namespace, share one commit and one sync: the [`Committer`] gathers them. An answered write is as durable as was
//! configured, and every later read sees it.
//!
//! ```
//! use akvs_core::{Database, Key, MemoryEngine, Namespace, Options};
//! use akvs_server::{Committer, CommitterOptions, Server, SystemClock};
//! use std::sync::Arc;
//!
//! # fn main() -> Result<(), akvs_core::Error> {
//! let database = Database::open(Arc::new(MemoryEngine::new()), Options::default())?;
//! let committer = Committer::start(database, CommitterOptions::default(), Arc::new(SystemClock::new()))?;
//! # pollster::block_on(async {
//! let server = Server::start(&committer, Namespace::new("greetings")?)?;
//! server.set(Key::new("hello")?, "world").await?;
//! assert_eq!(server.get(b"hello").await?.value, "world");
//! server.stop().await?;
//! # Ok(())
//! # })
//! # }
//! ```

mod clock;
mod committer;
mod completion;
mod maintenance;
mod metrics;
mod options;
mod resources;
mod server;
mod thread_pool;
mod watch;
mod writer;

pub use clock::{Clock, SystemClock};
pub use committer::Committer;
pub use completion::CompletionQueue;
pub use metrics::{Buckets, Histogram, NANOS, Stats};
pub use options::{CommitDurability, CommitterOptions};
pub use server::Server;
pub use watch::{
    Filter, RenderCell, Rendered, SharedEvent, Start, ValueLoader, Watch, WatchEvent, WatchOptions,
};
