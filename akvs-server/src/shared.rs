//! The executor of a database that several nodes share: what every such database needs on a node, over [`Backend`].
//!
//! `lanes` queues and joins writes, `tail` follows the changes of all nodes for the watches of this one.

mod backend;
mod executor;
mod lanes;
mod options;
mod tail;

pub use backend::{Attempt, Backend, Committed, LostCommit};
pub use executor::SharedExecutor;
pub(crate) use lanes::Lane;
pub use options::SharedOptions;
