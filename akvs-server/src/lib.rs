//! The server of a namespace: an async handle whose single writer puts all changes into one order.
//!
//! Reads go to the store and never wait for the writer. Writes that wait at the same time, of any namespace, share one
//! commit and one sync, which the [`Committer`] makes. A write is answered when it is as durable as configured, and
//! every later read returns it.
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
mod command;
mod committer;
mod completion;
mod executor;
mod maintenance;
mod metrics;
mod options;
mod queue_limits;
mod resources;
mod server;
mod shared;
mod thread_pool;
mod watch;
mod writer;

pub use clock::{Clock, SystemClock};
pub use command::{Command, CommandOutput};
pub use committer::Committer;
pub use completion::CompletionQueue;
pub use executor::Executor;
pub use metrics::{Buckets, Histogram, NANOS, Stats};
pub use options::{CommitDurability, CommitterOptions};
pub use server::{Server, SubmitError};
pub use shared::{Attempt, Backend, Committed, LostCommit, SharedExecutor, SharedOptions};
pub use watch::{
    Filter, RenderCell, Rendered, SharedEvent, Start, ValueLoader, Watch, WatchEvent, WatchOptions,
};
