//! The handlers, one file for what belongs together.

pub(crate) mod kv;
mod long_poll;
pub(crate) mod meta;
pub(crate) mod watch;
