//! The values that callers pass in and get back; they know no engine.

pub(crate) mod counters;
pub(crate) mod counts;
pub(crate) mod data_format;
pub(crate) mod duration;
pub(crate) mod entry;
pub(crate) mod error;
pub(crate) mod event;
pub(crate) mod identity;
pub(crate) mod key;
pub(crate) mod namespace;
pub(crate) mod outcome;
pub(crate) mod progress;
pub(crate) mod revision;
pub(crate) mod settings;
pub(crate) mod stored_entry;
pub(crate) mod timestamp;
