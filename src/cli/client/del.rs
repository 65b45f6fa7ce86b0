//! `akvs del`: deletes keys.

use std::ffi::OsString;

use akvs_client::{Client, Revision};
use clap::Args;

use super::render;
use crate::error::CliError;
use crate::output;

#[derive(Args, Debug)]
pub(crate) struct Del {
    /// Namespace
    #[arg(value_name = "NAMESPACE")]
    namespace: String,
    /// Key: any bytes
    #[arg(value_name = "KEY", required_unless_present = "prefix")]
    key: Option<OsString>,
    /// Delete all keys with this prefix, and print their number
    #[arg(long, value_name = "PREFIX", conflicts_with_all = ["key", "if_revision"])]
    prefix: Option<OsString>,
    /// Delete only if the key has this revision
    #[arg(long, value_name = "REVISION", value_parser = render::revision)]
    if_revision: Option<Revision>,
}

impl Del {
    pub(super) async fn run(self, client: &Client) -> Result<(), CliError> {
        let namespace = render::namespace(client, &self.namespace)?;
        if let Some(prefix) = &self.prefix {
            if prefix.is_empty() {
                return Err(CliError::usage(
                    "invalid --prefix \"\": expected at least one byte; use `ns drop` to delete all keys",
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
        // A missing key is no error, as over HTTP.
        output::print(if written.existed || written.write_only {
            "OK\n"
        } else {
            "OK, no such key\n"
        })
    }
}
