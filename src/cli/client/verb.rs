//! What can be typed, and which file does which.

use akvs_client::Client;
use clap::Subcommand;

use super::{add, del, export, get, import, ls, ns, set, touch, txn, watch};
use crate::error::CliError;

/// A verb that a client does.
#[derive(Debug, Subcommand)]
pub(crate) enum ClientVerb {
    /// Print the value of a key, to the byte
    Get(get::Get),
    /// Store a value
    #[command(visible_alias = "put")]
    Set(set::Set),
    /// Delete a key, or all keys that begin so
    #[command(visible_aliases = ["rm", "delete"])]
    Del(del::Del),
    /// Add to a number, and print what it is then
    #[command(visible_alias = "incr")]
    Add(add::Add),
    /// Give a key a new time to live, or none
    Touch(touch::Touch),
    /// List the keys of a namespace, or the namespaces
    #[command(visible_aliases = ["keys", "list"])]
    Ls(ls::Ls),
    /// Tell what changes, as it changes; Ctrl-C ends it
    Watch(watch::Watch),
    /// Do several things at once, all or nothing
    Txn(txn::Txn),
    /// List, make, set up and drop namespaces
    #[command(subcommand)]
    Ns(ns::Ns),
    /// Write a namespace, or all of them, as lines of JSON
    Export(export::Export),
    /// Read what `export` has written
    Import(import::Import),
}

impl ClientVerb {
    /// What lists the namespaces.
    pub(crate) fn namespaces() -> ClientVerb {
        ClientVerb::Ns(ns::Ns::Ls { json: false })
    }
}

/// Does it.
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
