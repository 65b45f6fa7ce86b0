//! Nodes over a real PostgreSQL: conformance, one order over all nodes, watches, expiry, trimming and restarts.

mod common;

mod conformance;
mod sharing;
mod snapshots;
