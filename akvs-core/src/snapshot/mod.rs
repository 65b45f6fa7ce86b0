//! Consistent reads of one namespace, and of the whole database, at one revision.

pub(crate) mod changes;
pub(crate) mod database;
pub(crate) mod namespace;
mod rows;
