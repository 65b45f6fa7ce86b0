//! The handlers, one file for what belongs together.

pub(crate) mod get;
pub(crate) mod kv;
mod list;
mod long_poll;
pub(crate) mod meta;
mod namespaces;
mod ndjson;
pub(crate) mod txn;
pub(crate) mod watch;
