//! The contract of the HTTP API, sentence by sentence, against a server in this process.
//!
//! | section | modules |
//! | --- | --- |
//! | 1. The original surface | `original` |
//! | 2. Names, keys, values | `keys`, `values` |
//! | 3. Revisions and conditions | `revisions`, `conditions`, `preconditions`, `ranges`, `long_poll` |
//! | 4. Expiry, arithmetic | `expiry`, `operations` |
//! | 5. Namespaces and keys | `namespaces`, `settings`, `listing`, `ndjson`, `quotas` |
//! | 6. Many at once | `transactions`, `multi_get`, `transfer` |
//! | 7. Watching | `watch` |
//! | 8. Who may | `tokens`, `tls`, `hosts` |
//! | 9. Problems | `problems` |
//! | 10. The rest | `metrics`, `version`, `openapi`, `page` |
//! | HTTP itself | `http`, `connections`, `framing`, `unix`, `caches`, `answers` |
//! | The owner's own | `owner` |
//! | What the client adds | `typed`, `typed_list`, `typed_namespaces`, `typed_txn`, `updates`, `reach`, `blocking`, `conformance`, `retries`, `other_servers`, `base_urls`, `watch_client`, `typed_transfer`, `typed_server` |
//! | What it withstands | `conformance`, `other_servers`, `watch_client` |
//!
//! What a client sees goes through the client; what depends on bytes goes through a bare socket. `app` is the server of
//! a test, `raw` the socket, `scripted` a server that does what no AKVS does, `stepping`
//! an engine that stops where a test wants.

mod app;
mod raw;
mod scripted;
mod stepping;

mod answers;
mod base_urls;
#[cfg(feature = "blocking")]
mod blocking;
mod caches;
mod conditions;
mod conformance;
mod connections;
mod expiry;
mod framing;
mod hosts;
mod http;
mod keys;
mod listing;
mod long_poll;
mod metrics;
mod multi_get;
mod namespaces;
mod ndjson;
mod openapi;
mod operations;
mod original;
mod other_servers;
mod owner;
mod page;
mod preconditions;
mod problems;
mod quotas;
mod ranges;
mod reach;
mod retries;
mod revisions;
mod settings;
#[cfg(feature = "rustls")]
mod tls;
mod tokens;
mod transactions;
mod transfer;
mod typed;
mod typed_list;
mod typed_namespaces;
mod typed_server;
mod typed_transfer;
mod typed_txn;
mod unix;
mod updates;
mod values;
mod version;
mod watch;
mod watch_client;
