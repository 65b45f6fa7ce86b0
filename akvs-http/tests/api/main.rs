//! The contract of the HTTP API (`docs/http-api.md`), tested against a server in this process.
//!
//! | section | modules |
//! | --- | --- |
//! | 1.5 Header fields of every answer | `caches` |
//! | 2. Namespaces, keys and values | `keys`, `values`, `namespaces` |
//! | 3. One key | `basics`, `ranges` |
//! | 4. Revisions and preconditions | `revisions`, `conditions`, `preconditions` |
//! | 5. Expiry | `expiry` |
//! | 6. Add, append, touch | `operations` |
//! | 7. Waiting for a change | `long_poll` |
//! | 8. Lists of keys | `listing`, `ndjson` |
//! | 9. Namespaces and settings | `namespaces`, `settings`, `quotas` |
//! | 10. Reading many keys | `multi_get` |
//! | 11. Transactions | `transactions` |
//! | 12. Watching | `watch` |
//! | 13. Export and import | `transfer` |
//! | 14. Access control | `hosts`, `tokens`, `tls`, `admin` |
//! | 15. Health, metrics, version | `metrics`, `version`, `openapi` |
//! | 16. Errors | `problems` |
//! | 17. Limits | `answers`, `http`, `transfer` |
//! | 18. HTTP versions and connections | `http`, `connections`, `framing`, `unix` |
//! | the admin page | `page` |
//!
//! `conformance` has the cases of all layers. `stepping` is an engine that pauses within a commit. Tests use the typed
//! client for what a client sees, and a bare socket (`akvs_testing::raw`) where bytes matter.

mod admin;
mod answers;
mod basics;
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
