//! What the client promises beyond the HTTP contract: typed values, retries, resumed watches, and servers that are not
//! AKVS or that fail.

mod base_urls;
#[cfg(feature = "blocking")]
mod blocking;
mod other_servers;
mod reach;
mod retries;
mod tour;
mod typed;
mod typed_list;
mod typed_namespaces;
mod typed_server;
mod typed_transfer;
mod typed_txn;
mod updates;
mod watch_client;
