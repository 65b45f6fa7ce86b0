//! What the tests of several crates share: a server in this process, a bare connection to it, and a server that follows
//! a script. Nothing that is shipped depends on it.

pub mod raw;
pub mod scripted;
pub mod server;
