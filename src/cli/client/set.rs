//! `akvs set`.

use std::ffi::OsString;

use akvs_client::{Client, Revision};
use clap::Args;
use serde_json::json;

use super::key_args::KeyArgs;
use super::{render, value};
use crate::error::CliError;
use crate::output;

#[derive(Args, Debug)]
pub(crate) struct Set {
    #[command(flatten)]
    key: KeyArgs,
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
        let namespace = render::namespace(client, &self.key.namespace)?;
        let ttl = self.ttl.as_deref().filter(|ttl| *ttl != "keep");
        let ttl = ttl.map(render::ttl).transpose();
        let ttl = ttl.map_err(|why| CliError::usage(format!("--ttl: {why}")))?;
        let value = match self.literal {
            true => render::key(&self.value).to_vec(),
            false => value::read(self.value)?,
        };
        let mut set = namespace.set_bytes(render::key(&self.key.key), value);
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
