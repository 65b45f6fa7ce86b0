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
//! | The owner's own | `admin` |
//! | Every layer | `conformance` |
//!
//! What a client sees goes through the client; what depends on bytes goes through a bare socket. `app` is the server of
//! a test, `raw` the socket, `scripted` a server that does what no AKVS does, `stepping`
//! an engine that stops where a test wants.

mod admin;
mod answers;
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
mod page;
mod preconditions;
mod problems;
mod quotas;
mod ranges;
mod revisions;
mod settings;
mod stepping;
mod tls;
mod tokens;
mod transactions;
mod transfer;
mod unix;
mod values;
mod version;
mod watch;
