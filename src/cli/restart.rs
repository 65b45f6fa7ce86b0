//! `akvs restart`: stops the server, and starts it with the given flags.

use clap::Args;

use super::stop::{TIMEOUT, TimeoutArgs};
use super::{SettingsArgs, start};
use crate::control::{ControlClient, block_on};
use crate::error::CliError;
use crate::output;

#[derive(Args, Debug)]
pub(crate) struct Flags {
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(flatten)]
    timeout: TimeoutArgs,
}

/// Runs `akvs restart`.
pub(crate) fn run(flags: &Flags) -> Result<(), CliError> {
    let data_dir = flags.settings.load()?.settings.data_dir;
    block_on(async {
        match ControlClient::find(&data_dir).await? {
            Some(server) => server.stop(flags.timeout.timeout.unwrap_or(TIMEOUT)).await,
            None => {
                output::note("no server was running");
                Ok(())
            }
        }
    })?;
    start::run(&flags.settings)
}
