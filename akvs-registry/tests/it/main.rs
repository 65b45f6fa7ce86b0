//! The registry: a namespace is opened at first use, exactly once.

mod common;

mod conformance;
mod dropping;
mod first_use;
mod many_namespaces;
mod slow_reads;
