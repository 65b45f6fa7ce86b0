//! Helpers that the tests of several crates share: a server in this process, a bare HTTP connection, and a server that
//! follows a script. No released program depends on it.

pub mod raw;
pub mod scripted;
pub mod server;
