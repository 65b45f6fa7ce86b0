//! The contract of the HTTP API (its sections 1 and 2), sentence by sentence, against a server in this process.
//!
//! What a client sees goes through the client; what depends on bytes goes through a bare socket.

mod app;
mod raw;

mod conformance;
mod connections;
mod framing;
mod keys;
mod namespaces;
mod original;
mod other_servers;
mod problems;
mod typed;
mod values;
