//! `akvs watch`: streams changes.

use std::ffi::OsString;

use akvs_client::{Change, Client, Item, Revision};
use clap::Args;
use serde_json::{Map, Value};

use super::render;
use crate::error::CliError;
use crate::output;

#[derive(Args, Debug)]
pub(crate) struct Watch {
    /// Namespace
    #[arg(value_name = "NAMESPACE")]
    namespace: String,
    /// Watch only keys with this prefix
    #[arg(long, value_name = "PREFIX", conflicts_with = "key")]
    prefix: Option<OsString>,
    /// Watch only this key
    #[arg(long, value_name = "KEY")]
    key: Option<OsString>,
    /// Start after this revision
    #[arg(long, value_name = "REVISION", value_parser = render::revision, conflicts_with = "state")]
    since: Option<Revision>,
    /// Print the current entries first
    #[arg(long)]
    state: bool,
    /// Print the values too
    #[arg(long)]
    values: bool,
    /// Print each change as a JSON document
    #[arg(long)]
    json: bool,
    /// End after this number of changes
    #[arg(long, value_name = "NUMBER")]
    limit: Option<usize>,
}

impl Watch {
    pub(super) async fn run(self, client: &Client) -> Result<(), CliError> {
        let mut watch = render::namespace(client, &self.namespace)?.watch();
        // A watch waits for a server that restarts; a server that was never reached is an error.
        client
            .ping()
            .await
            .map_err(|error| render::failed(&error))?;
        if !namespace_exists(client, &self.namespace).await {
            let name = &self.namespace;
            output::note(&format!(
                "namespace {name:?} does not exist yet; waiting for its first key"
            ));
        }
        if let Some(prefix) = &self.prefix {
            watch = watch.prefix(render::key(prefix));
        }
        if let Some(key) = &self.key {
            watch = watch.key(render::key(key));
        }
        if let Some(since) = self.since {
            watch = watch.since(since);
        }
        if self.state {
            watch = watch.from_state();
        }
        if self.values {
            watch = watch.values();
        }
        let mut changes = watch.stream();
        for _ in 0..self.limit.unwrap_or(usize::MAX) {
            let Some(change) = changes.next().await else {
                break;
            };
            let change = change.map_err(|error| render::failed(&error))?;
            let is_open = if self.json {
                output::document(&document(&change).into())
            } else {
                output::write(&plain(&change))
            };
            if !is_open? {
                break;
            }
        }
        Ok(())
    }
}

/// Returns true if the namespace exists, or if the token does not allow to find out.
async fn namespace_exists(client: &Client, name: &str) -> bool {
    let page = client.namespaces().prefix(name).limit(1).page().await;
    // The name itself is listed before longer names.
    page.map_or(true, |page| {
        page.namespaces
            .first()
            .is_some_and(|first| first.name == name)
    })
}

/// Returns the name of the event in the HTTP contract.
fn event(change: &Change) -> &'static str {
    match change {
        Change::Set(_) => "set",
        Change::Deleted { .. } => "delete",
        Change::Expired { .. } => "expire",
        Change::Dropped { .. } => "drop",
        Change::Synced { .. } => "synced",
        Change::Reset => "reset",
        _ => "other",
    }
}

fn document(change: &Change) -> Map<String, Value> {
    let mut document = Map::new();
    if let Change::Set(item) = change {
        document = render::item(item);
    } else {
        if let Some(key) = change.key() {
            render::bytes(&mut document, "key", key);
        }
        if let Some(revision) = change.revision() {
            document.insert("revision".into(), revision.get().into());
        }
    }
    document.insert("event".into(), event(change).into());
    document
}

fn plain(change: &Change) -> Vec<u8> {
    let revision = change.revision().map(|revision| revision.to_string());
    let mut line = format!("{} {}", revision.unwrap_or_default(), event(change));
    if let Some(key) = change.key() {
        line = format!("{line} {}", render::text(key));
    }
    let mut line = line.into_bytes();
    if let Change::Set(Item {
        value: Some(value), ..
    }) = change
    {
        line.push(b' ');
        line.extend_from_slice(&output::in_line(value));
    }
    line.push(b'\n');
    line
}
