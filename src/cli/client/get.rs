//! `akvs get`.

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
    /// Print one JSON document: the value and what is known of it
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
        match self.json {
            true => output::document(&Value::from(render::entry(key, &entry))).map(drop),
            false => output::value(&entry.value),
        }
    }
}
