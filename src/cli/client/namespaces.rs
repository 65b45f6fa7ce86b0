//! `ns`: namespaces as a whole.

use std::time::Duration;

use akvs_client::{Client, NamespaceInfo, Revision, Settings};
use clap::{Args, Subcommand};
use serde_json::json;

use super::shown;
use crate::cli::output;
use crate::failure::Failure;

#[derive(Debug, Subcommand)]
pub(crate) enum Ns {
    /// List the namespaces, each with its keys and bytes
    Ls {
        /// Print each as a JSON document
        #[arg(long)]
        json: bool,
    },
    /// Make a namespace, or replace the settings of the one that there is
    Set(Set),
    /// Drop a namespace with all that it holds
    Drop {
        /// The namespace
        #[arg(value_name = "NAMESPACE")]
        namespace: String,
        /// Its name once more, because nothing brings it back
        #[arg(long, value_name = "NAMESPACE")]
        confirm: String,
    },
}

#[derive(Args, Debug)]
pub(crate) struct Set {
    /// The namespace
    #[arg(value_name = "NAMESPACE")]
    namespace: String,
    /// How long keys live that say nothing else: 90, 90s, 5m, 2h, 7d
    #[arg(long, value_name = "TIME", value_parser = shown::ttl)]
    ttl: Option<Duration>,
    /// The longest value
    #[arg(long, value_name = "BYTES")]
    max_value_bytes: Option<u64>,
    /// The most keys
    #[arg(long, value_name = "NUMBER")]
    max_keys: Option<u64>,
    /// The most bytes of keys and values
    #[arg(long, value_name = "BYTES")]
    max_bytes: Option<u64>,
}

impl Ns {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        match self {
            Ns::Ls { json } => list(client, json).await,
            Ns::Set(set) => set.run(client).await,
            Ns::Drop { namespace, confirm } if namespace == confirm => {
                let dropped = shown::namespace(client, &namespace)?.drop_all().await;
                match dropped.map_err(|error| shown::failed(&error))? {
                    true => output::print("OK\n"),
                    false => Err(Failure::failed(format!(
                        "there is no namespace {namespace:?}"
                    ))),
                }
            }
            Ns::Drop { namespace, confirm } => Err(Failure::usage(format!(
                "--confirm {confirm} is not the name of the namespace, {namespace:?}; nothing was dropped"
            ))),
        }
    }
}

impl Set {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let mut settings = Settings::default();
        settings.ttl = self.ttl;
        settings.max_value_bytes = self.max_value_bytes;
        settings.max_keys = self.max_keys;
        settings.max_bytes = self.max_bytes;
        let namespace = shown::namespace(client, &self.namespace)?;
        let is_new = namespace.configure(&settings).await;
        match is_new.map_err(|error| shown::failed(&error))? {
            true => output::print("OK, made\n"),
            false => output::print("OK, settings replaced\n"),
        }
    }
}

/// A namespace as a line; its name alone where no more is told.
fn shown_line(namespace: &NamespaceInfo) -> String {
    let name = shown::text(namespace.name.as_bytes());
    match (namespace.keys, namespace.bytes) {
        (Some(keys), Some(bytes)) => format!("{name}  {keys} keys, {bytes} bytes"),
        _ => name.into_owned(),
    }
}

/// Lists them.
pub(super) async fn list(client: &Client, is_json: bool) -> Result<(), Failure> {
    let mut listed = client.namespaces().stream();
    while let Some(namespace) = listed.next().await {
        let namespace = namespace.map_err(|error| shown::failed(&error))?;
        let line = match is_json {
            true => json!({
                "name": namespace.name,
                "keys": namespace.keys,
                "bytes": namespace.bytes,
                "revision": namespace.revision.map(Revision::get),
                "created": shown::time(namespace.created),
            })
            .to_string(),
            false => shown_line(&namespace),
        };
        if !output::go_on(format!("{line}\n").as_bytes())? {
            break;
        }
    }
    Ok(())
}
