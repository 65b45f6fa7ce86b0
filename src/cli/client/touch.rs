//! `akvs touch`: changes the time to live of a key.

use std::time::Duration;

use akvs_client::Client;
use clap::Args;

use super::key_args::KeyArgs;
use super::render;
use crate::error::CliError;
use crate::output;

#[derive(Args, Debug)]
pub(crate) struct Touch {
    #[command(flatten)]
    key: KeyArgs,
    /// New time to live: 90, 90s, 5m, 2h, 7d; the key never expires if omitted
    #[arg(long, value_name = "TIME", value_parser = render::ttl)]
    ttl: Option<Duration>,
}

impl Touch {
    pub(super) async fn run(self, client: &Client) -> Result<(), CliError> {
        let namespace = render::namespace(client, &self.key.namespace)?;
        let mut touch = namespace.touch(render::key(&self.key.key));
        if let Some(ttl) = self.ttl {
            touch = touch.ttl(ttl);
        }
        match touch.await.map_err(|error| render::failed(&error))? {
            Some(_) => output::print("OK\n"),
            None => Err(self.key.missing()),
        }
    }
}
