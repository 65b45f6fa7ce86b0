//! The handlers of the routes, one file per endpoint or group of endpoints.

pub(crate) mod admin;
pub(crate) mod export;
pub(crate) mod get_many;
pub(crate) mod health;
pub(crate) mod import;
pub(crate) mod index;
pub(crate) mod kv;
pub(crate) mod list;
mod long_poll;
pub(crate) mod metrics;
pub(crate) mod namespaces;
pub(crate) mod ndjson;
pub(crate) mod readyz;
pub(crate) mod settings;
pub(crate) mod txn;
pub(crate) mod version;
pub(crate) mod watch;
pub(crate) mod whoami;
