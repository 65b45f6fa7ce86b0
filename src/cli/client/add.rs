//! `akvs add`: a counter.

use akvs_client::Client;
use clap::Args;

use super::key_args::KeyArgs;
use super::render;
use crate::error::CliError;
use crate::output;

#[derive(Args, Debug)]
pub(crate) struct Add {
    #[command(flatten)]
    key: KeyArgs,
    /// Number to add; may be negative
    #[arg(
        value_name = "NUMBER",
        default_value_t = 1,
        allow_negative_numbers = true
    )]
    by: i64,
}

impl Add {
    pub(super) async fn run(self, client: &Client) -> Result<(), CliError> {
        let namespace = render::namespace(client, &self.key.namespace)?;
        let added = namespace.add(render::key(&self.key.key), self.by).await;
        let added = added.map_err(|error| render::failed(&error))?;
        output::print(&format!("{added}\n"))
    }
}
