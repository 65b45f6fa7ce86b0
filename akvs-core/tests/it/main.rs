//! The store over each engine: its guarantees to callers, damage, crashes and bounds.

mod common;
#[cfg(feature = "disk")]
mod filled;
#[cfg(feature = "disk")]
mod wrapped;

#[cfg(feature = "disk")]
mod backup;
#[cfg(feature = "disk")]
mod bad_folder;
#[cfg(feature = "disk")]
mod cache_never_stale;
#[cfg(all(feature = "conformance", feature = "disk"))]
mod conformance;
#[cfg(feature = "disk")]
mod crafted;
#[cfg(feature = "disk")]
mod damaged;
#[cfg(feature = "disk")]
mod dropped_namespaces;
#[cfg(feature = "disk")]
mod expiry;
#[cfg(feature = "disk")]
mod forgotten_drops;
#[cfg(feature = "disk")]
mod group_refusals;
#[cfg(feature = "disk")]
mod history;
#[cfg(feature = "disk")]
mod history_is_trimmed;
#[cfg(feature = "disk")]
mod killed;
#[cfg(feature = "disk")]
mod large_values;
#[cfg(feature = "disk")]
mod lost_commits;
#[cfg(feature = "disk")]
mod never_again;
#[cfg(feature = "disk")]
mod one_core;
mod op_model;
#[cfg(feature = "disk")]
mod planted;
#[cfg(feature = "disk")]
mod properties;
#[cfg(feature = "disk")]
mod quotas;
#[cfg(feature = "disk")]
mod reopening;
#[cfg(feature = "disk")]
mod restoring;
mod stats;
#[cfg(feature = "disk")]
mod transactions;
#[cfg(feature = "disk")]
mod verifying;
#[cfg(feature = "disk")]
mod views;
mod whole_commits;
