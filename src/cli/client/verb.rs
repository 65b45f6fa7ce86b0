//! The client's verbs and their help.

use akvs_client::Client;
use clap::Subcommand;

use super::{add, del, export, get, import, ls, ns, set, touch, txn, watch};
use crate::error::CliError;

/// A verb of the client.
#[derive(Debug, Subcommand)]
pub(crate) enum ClientVerb {
    /// Print the value of a key
    Get(get::Get),
    /// Store a value
    #[command(visible_alias = "put")]
    Set(set::Set),
    /// Delete a key, or all keys with a prefix
    #[command(visible_aliases = ["rm", "delete"])]
    Del(del::Del),
    /// Add to a counter, and print its new value
    #[command(visible_alias = "incr")]
    Add(add::Add),
    /// Set or remove the time to live of a key
    Touch(touch::Touch),
    /// List keys, or the namespaces
    #[command(visible_aliases = ["keys", "list"])]
    Ls(ls::Ls),
    /// Stream changes as they happen; Ctrl-C ends it
    Watch(watch::Watch),
    /// Run several operations, all or nothing
    Txn(txn::Txn),
    /// List, create, configure and drop namespaces
    #[command(subcommand)]
    Ns(ns::Ns),
    /// Write namespaces as lines of JSON
    Export(export::Export),
    /// Read lines of JSON that `export` wrote
    Import(import::Import),
}

impl ClientVerb {
    /// Returns the verb that lists the namespaces.
    pub(crate) fn namespaces() -> ClientVerb {
        ClientVerb::Ns(ns::Ns::Ls { json: false })
    }
}

/// Runs a verb.
pub(crate) async fn run(verb: ClientVerb, client: &Client) -> Result<(), CliError> {
    match verb {
        ClientVerb::Get(get) => get.run(client).await,
        ClientVerb::Set(set) => set.run(client).await,
        ClientVerb::Del(del) => del.run(client).await,
        ClientVerb::Add(add) => add.run(client).await,
        ClientVerb::Touch(touch) => touch.run(client).await,
        ClientVerb::Ls(ls) => ls.run(client).await,
        ClientVerb::Watch(watch) => watch.run(client).await,
        ClientVerb::Txn(txn) => txn.run(client).await,
        ClientVerb::Ns(ns) => ns.run(client).await,
        ClientVerb::Export(export) => export.run(client).await,
        ClientVerb::Import(import) => import.run(client).await,
    }
}
