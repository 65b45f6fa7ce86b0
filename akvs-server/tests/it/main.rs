//! The server of a namespace: one order of changes, group commits, watches, failures and bounds.

mod common;

mod bounds;
mod conformance;
mod expiring;
mod failures;
mod group_commit;
mod interval;
mod one_order;
mod shared;
mod sharing;
mod stopping;
mod watching;
