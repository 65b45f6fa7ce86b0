//! The whole program: the real binary, used over sockets and terminals, signalled and killed.
//!
//! One test binary, so that all parts share `common` and run side by side.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access_log;
mod background;
mod backup;
mod common;
mod completions;
mod config;
mod console;
mod control;
mod crash;
mod daemon;
mod data_dir;
mod doctor;
mod drop_namespace;
mod escape;
mod eval;
mod full_disk;
mod history;
mod key_verbs;
mod linearizable;
mod list_verbs;
mod listen;
mod log;
mod namespace_settings;
mod pages;
mod repl;
mod service_manager;
mod signals;
mod stale_files;
mod target;
mod terminal;
mod threads;
mod tls;
mod tokens;
mod transfer;
mod upgrade;
mod usage;
mod variables;
mod version;
mod watch;
