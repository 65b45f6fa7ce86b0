//! `akvs get`: reads a value.

use akvs_client::Client;
use clap::Args;
use serde_json::Value;

use super::key_args::KeyArgs;
use super::render;
use crate::error::CliError;
use crate::output;

#[derive(Args, Debug)]
pub(crate) struct Get {
    #[command(flatten)]
    key: KeyArgs,
    /// Print a JSON document with the value and its metadata
    #[arg(long)]
    json: bool,
}

impl Get {
    pub(super) async fn run(self, client: &Client) -> Result<(), CliError> {
        let namespace = render::namespace(client, &self.key.namespace)?;
        let key = render::key(&self.key.key);
        let entry = namespace.get_bytes(key).await;
        let entry = entry.map_err(|error| render::failed(&error))?;
        let entry = entry.ok_or_else(|| self.key.missing())?;
        if self.json {
            output::document(&Value::from(render::entry(key, &entry))).map(drop)
        } else {
            output::value(&entry.value)
        }
    }
}
