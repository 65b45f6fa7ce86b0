//! `get`, `set`, `del`, `add`, `touch`: one key.

use std::ffi::OsString;
use std::time::Duration;

use akvs_client::{Client, Revision};
use clap::Args;
use serde_json::{Value, json};

use super::{render, value};
use crate::cli::output;
use crate::error::CliError;

/// Which key.
#[derive(Args, Debug)]
struct Place {
    /// The namespace
    #[arg(value_name = "NAMESPACE")]
    namespace: String,
    /// The key: any bytes
    #[arg(value_name = "KEY")]
    key: OsString,
}

impl Place {
    fn shown(&self) -> String {
        let key = render::text(render::key(&self.key));
        format!("{key:?} in {:?}", self.namespace)
    }

    fn missing(&self) -> CliError {
        CliError::failed(format!("there is no key {}", self.shown()))
    }
}

#[derive(Args, Debug)]
pub(crate) struct Get {
    #[command(flatten)]
    place: Place,
    /// Print one JSON document: the value and what is known of it
    #[arg(long)]
    json: bool,
}

impl Get {
    pub(super) async fn run(self, client: &Client) -> Result<(), CliError> {
        let namespace = render::namespace(client, &self.place.namespace)?;
        let key = render::key(&self.place.key);
        let entry = namespace.get_bytes(key).await;
        let entry = entry.map_err(|error| render::failed(&error))?;
        let entry = entry.ok_or_else(|| self.place.missing())?;
        match self.json {
            true => output::document(&Value::from(render::entry(key, &entry))).map(drop),
            false => output::value(&entry.value),
        }
    }
}

#[derive(Args, Debug)]
pub(crate) struct Set {
    #[command(flatten)]
    place: Place,
    /// The value: TEXT, @FILE, or - for stdin
    #[arg(value_name = "VALUE", allow_hyphen_values = true)]
    value: OsString,
    /// How long it lives: 90, 90s, 5m, 2h, 7d; `keep` keeps the deadline that there is
    #[arg(long, value_name = "TIME")]
    ttl: Option<String>,
    /// What it is, such as application/json
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// Only if there is no such key
    #[arg(long, conflicts_with_all = ["if_exists", "if_revision"])]
    if_absent: bool,
    /// Only if there is such a key
    #[arg(long, conflicts_with = "if_revision")]
    if_exists: bool,
    /// Only if this is its revision
    #[arg(long, value_name = "REVISION", value_parser = render::revision)]
    if_revision: Option<Revision>,
    /// Take VALUE as it is, also if it begins with @ or is -
    #[arg(long)]
    literal: bool,
    /// Print one JSON document: the revision, and whether the key was there
    #[arg(long)]
    json: bool,
}

impl Set {
    pub(super) async fn run(self, client: &Client) -> Result<(), CliError> {
        let namespace = render::namespace(client, &self.place.namespace)?;
        let ttl = self.ttl.as_deref().filter(|ttl| *ttl != "keep");
        let ttl = ttl.map(render::ttl).transpose();
        let ttl = ttl.map_err(|why| CliError::usage(format!("--ttl: {why}")))?;
        let value = match self.literal {
            true => render::key(&self.value).to_vec(),
            false => value::read(self.value)?,
        };
        let mut set = namespace.set_bytes(render::key(&self.place.key), value);
        if let Some(ttl) = ttl {
            set = set.ttl(ttl);
        } else if self.ttl.is_some() {
            set = set.keep_ttl();
        }
        if let Some(content_type) = &self.content_type {
            set = set.content_type(content_type);
        }
        if self.if_absent {
            set = set.if_absent();
        }
        if self.if_exists {
            set = set.if_exists();
        }
        if let Some(revision) = self.if_revision {
            set = set.if_revision(revision);
        }
        let written = set.await.map_err(|error| render::failed(&error))?;
        if !self.json {
            return output::print("OK\n");
        }
        let document = json!({
            "revision": written.revision.map(Revision::get),
            "existed": (!written.write_only).then_some(written.existed),
            "expires": render::time(written.expires),
        });
        output::document(&document).map(drop)
    }
}

#[derive(Args, Debug)]
pub(crate) struct Del {
    /// The namespace
    #[arg(value_name = "NAMESPACE")]
    namespace: String,
    /// The key: any bytes
    #[arg(value_name = "KEY", required_unless_present = "prefix")]
    key: Option<OsString>,
    /// Delete all keys that begin so, and print how many those were
    #[arg(long, value_name = "PREFIX", conflicts_with_all = ["key", "if_revision"])]
    prefix: Option<OsString>,
    /// Only if this is its revision
    #[arg(long, value_name = "REVISION", value_parser = render::revision)]
    if_revision: Option<Revision>,
}

impl Del {
    pub(super) async fn run(self, client: &Client) -> Result<(), CliError> {
        let namespace = render::namespace(client, &self.namespace)?;
        if let Some(prefix) = &self.prefix {
            if prefix.is_empty() {
                return Err(CliError::usage(
                    "an empty prefix would be all keys: `ns drop` drops the namespace",
                ));
            }
            let deleted = namespace.delete_prefix(render::key(prefix)).await;
            let deleted = deleted.map_err(|error| render::failed(&error))?;
            return output::print(&format!("{deleted}\n"));
        }
        let key = self.key.unwrap_or_default();
        let mut del = namespace.del(render::key(&key));
        if let Some(revision) = self.if_revision {
            del = del.if_revision(revision);
        }
        let written = del
            .written()
            .await
            .map_err(|error| render::failed(&error))?;
        // As over HTTP: that there was none is no failure.
        output::print(if written.existed || written.write_only {
            "OK\n"
        } else {
            "OK, there was none\n"
        })
    }
}

#[derive(Args, Debug)]
pub(crate) struct Add {
    #[command(flatten)]
    place: Place,
    /// How much; may be negative
    #[arg(
        value_name = "NUMBER",
        default_value_t = 1,
        allow_negative_numbers = true
    )]
    by: i64,
}

impl Add {
    pub(super) async fn run(self, client: &Client) -> Result<(), CliError> {
        let namespace = render::namespace(client, &self.place.namespace)?;
        let added = namespace.add(render::key(&self.place.key), self.by).await;
        let added = added.map_err(|error| render::failed(&error))?;
        output::print(&format!("{added}\n"))
    }
}

#[derive(Args, Debug)]
pub(crate) struct Touch {
    #[command(flatten)]
    place: Place,
    /// How long it lives from now on: 90, 90s, 5m, 2h, 7d; without this for ever
    #[arg(long, value_name = "TIME", value_parser = render::ttl)]
    ttl: Option<Duration>,
}

impl Touch {
    pub(super) async fn run(self, client: &Client) -> Result<(), CliError> {
        let namespace = render::namespace(client, &self.place.namespace)?;
        let mut touch = namespace.touch(render::key(&self.place.key));
        if let Some(ttl) = self.ttl {
            touch = touch.ttl(ttl);
        }
        match touch.await.map_err(|error| render::failed(&error))? {
            Some(_) => output::print("OK\n"),
            None => Err(self.place.missing()),
        }
    }
}
