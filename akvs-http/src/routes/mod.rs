//! The handlers, one file for what belongs together.

pub(crate) mod kv;
pub(crate) mod meta;
