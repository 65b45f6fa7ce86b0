//! The program as a whole: the real binary, started, asked over plain sockets, signalled and killed.
//!
//! One test binary, so that all parts share `common` and run side by side.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod background;
mod backup;
mod common;
mod config;
mod console;
mod crash;
mod daemon;
mod doctor;
mod dropping;
mod escape;
mod eval;
mod folder;
mod full_disk;
mod history;
mod linearizable;
mod listen;
mod listing;
mod log;
mod manager;
mod owner;
mod pages;
mod prompt;
mod settings;
mod shell;
mod signals;
mod stale;
mod target;
mod terminal;
mod threads;
mod tls;
mod tokens;
mod transfer;
mod upgrade;
mod usage;
mod variables;
mod verbs;
mod version;
mod watch;
