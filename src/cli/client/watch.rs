//! `akvs watch`.

use std::ffi::OsString;

use akvs_client::{Change, Client, Item, Revision};
use clap::Args;
use serde_json::{Map, Value};

use super::render;
use crate::error::CliError;
use crate::output;

#[derive(Args, Debug)]
pub(crate) struct Watch {
    /// The namespace
    #[arg(value_name = "NAMESPACE")]
    namespace: String,
    /// Only keys that begin so
    #[arg(long, value_name = "PREFIX", conflicts_with = "key")]
    prefix: Option<OsString>,
    /// Only this key
    #[arg(long, value_name = "KEY")]
    key: Option<OsString>,
    /// Begin after this revision
    #[arg(long, value_name = "REVISION", value_parser = render::revision, conflicts_with = "state")]
    since: Option<Revision>,
    /// Tell what there is first
    #[arg(long)]
    state: bool,
    /// Tell the values too
    #[arg(long)]
    values: bool,
    /// Print each change as a JSON document
    #[arg(long)]
    json: bool,
    /// End after so many changes
    #[arg(long, value_name = "NUMBER")]
    limit: Option<usize>,
}

impl Watch {
    pub(super) async fn run(self, client: &Client) -> Result<(), CliError> {
        let mut watch = render::namespace(client, &self.namespace)?.watch();
        // A watch waits for a server that is gone; one that never was there is better told.
        client
            .ping()
            .await
            .map_err(|error| render::failed(&error))?;
        if !namespace_exists(client, &self.namespace).await {
            let name = &self.namespace;
            output::note(&format!(
                "there is no namespace {name:?} yet: waiting for its first key"
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
            let is_open = match self.json {
                true => output::document(&document(&change).into()),
                false => output::write(&plain(&change)),
            };
            if !is_open? {
                break;
            }
        }
        Ok(())
    }
}

/// Whether there is a namespace of this name; true also where that cannot be asked, as it may not be with a token.
async fn namespace_exists(client: &Client, name: &str) -> bool {
    let page = client.namespaces().prefix(name).limit(1).page().await;
    // The name itself comes before all that go on with it.
    page.map_or(true, |page| {
        page.namespaces
            .first()
            .is_some_and(|first| first.name == name)
    })
}

/// What happened, in the contract's word.
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
