//! `akvs set`: stores a value.

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
    /// Value: TEXT, @FILE, or - for stdin
    #[arg(value_name = "VALUE", allow_hyphen_values = true)]
    value: OsString,
    /// Time to live: 90, 90s, 5m, 2h, 7d; keep leaves the current expiry
    #[arg(long, value_name = "TIME")]
    ttl: Option<String>,
    /// Content type, such as application/json
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// Store only if the key does not exist
    #[arg(long, conflicts_with_all = ["if_exists", "if_revision"])]
    if_absent: bool,
    /// Store only if the key exists
    #[arg(long, conflicts_with = "if_revision")]
    if_exists: bool,
    /// Store only if the key has this revision
    #[arg(long, value_name = "REVISION", value_parser = render::revision)]
    if_revision: Option<Revision>,
    /// Use VALUE as it is, even if it is - or begins with @
    #[arg(long)]
    literal: bool,
    /// Print a JSON document with the revision, and whether the key existed
    #[arg(long)]
    json: bool,
}

impl Set {
    pub(super) async fn run(self, client: &Client) -> Result<(), CliError> {
        let namespace = render::namespace(client, &self.key.namespace)?;
        let ttl = self.ttl.as_deref().filter(|ttl| *ttl != "keep");
        let ttl = ttl.map(render::ttl).transpose();
        let ttl = ttl.map_err(|why| CliError::usage(format!("--ttl: {why}")))?;
        let value = if self.literal {
            render::key(&self.value).to_vec()
        } else {
            value::read(self.value)?
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
