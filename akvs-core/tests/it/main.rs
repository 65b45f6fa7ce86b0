//! The store over each engine: its guarantees to callers, damage, crashes and bounds.

mod common;
#[cfg(feature = "disk")]
mod sample_data;
#[cfg(feature = "disk")]
mod wrapped_engine;

mod atomic_commits;
#[cfg(feature = "disk")]
mod backup;
#[cfg(feature = "disk")]
mod cache_consistency;
#[cfg(all(feature = "conformance", feature = "disk"))]
mod conformance;
#[cfg(feature = "disk")]
mod crafted_backups;
#[cfg(feature = "disk")]
mod damaged_files;
#[cfg(feature = "disk")]
mod dropped_namespaces;
mod evaluation;
#[cfg(feature = "disk")]
mod expiry;
#[cfg(feature = "disk")]
mod history;
#[cfg(feature = "disk")]
mod history_trimming;
#[cfg(feature = "disk")]
mod killed_process;
#[cfg(feature = "disk")]
mod large_values;
#[cfg(feature = "disk")]
mod lost_commits;
#[cfg(feature = "disk")]
mod one_core;
mod op_model;
#[cfg(feature = "disk")]
mod planted_values;
#[cfg(feature = "disk")]
mod properties;
#[cfg(feature = "disk")]
mod purged_drops;
#[cfg(feature = "disk")]
mod quotas;
#[cfg(feature = "disk")]
mod refused_operations;
#[cfg(feature = "disk")]
mod reopening;
#[cfg(feature = "disk")]
mod restore;
#[cfg(feature = "disk")]
mod revisions_never_repeat;
#[cfg(feature = "disk")]
mod snapshots;
mod stats;
#[cfg(feature = "disk")]
mod transactions;
#[cfg(feature = "disk")]
mod unusable_data_dir;
#[cfg(feature = "disk")]
mod verify;
