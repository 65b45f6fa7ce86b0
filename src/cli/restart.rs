//! `akvs restart`: what runs is stopped, and then started with the flags that are given.

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

/// `akvs restart`: what runs is stopped, and then started with these flags.
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
