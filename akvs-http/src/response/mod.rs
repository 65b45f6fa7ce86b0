//! Building of responses: headers, documents, streams, problems, and the memory that they hold.

pub(crate) mod chunks;
pub(crate) mod fields;
pub(crate) mod headers;
pub(crate) mod item;
pub(crate) mod memory;
pub(crate) mod problem;
pub(crate) mod rendering;
pub(crate) mod sse;
