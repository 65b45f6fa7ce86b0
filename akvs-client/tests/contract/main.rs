//! The contract of the HTTP API (its sections 1 to 7), sentence by sentence, against a server in this process.
//!
//! What a client sees goes through the client; what depends on bytes goes through a bare socket.

mod app;
mod raw;

mod conditions;
mod conformance;
mod connections;
mod expiry;
mod framing;
mod keys;
mod listing;
mod long_poll;
mod multi_get;
mod namespaces;
mod ndjson;
mod operations;
mod original;
mod other_servers;
mod problems;
mod quotas;
mod ranges;
mod revisions;
mod transactions;
mod typed;
mod values;
mod watch;
mod watch_client;
