//! The program as a whole: the real binary, started, asked over plain sockets, signalled and killed.
//!
//! One test binary, so that all parts share `common` and run side by side.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod backup;
mod common;
mod config;
mod crash;
mod doctor;
mod dropping;
mod folder;
mod full_disk;
mod history;
mod linearizable;
mod listen;
mod log;
mod signals;
mod tls;
mod tokens;
mod transfer;
mod watch;
