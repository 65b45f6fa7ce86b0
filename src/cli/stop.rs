//! `akvs stop`: the end of a server that runs in the background, or anywhere.

use std::time::Duration;

use clap::Args;

use super::{DataDirArgs, time};
use crate::control::{ControlClient, block_on};
use crate::error::CliError;
use crate::output;

/// How long a server may take to end, where nothing else is said.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(120);

#[derive(Args, Debug)]
pub(crate) struct Flags {
    #[command(flatten)]
    data_dir: DataDirArgs,
    #[command(flatten)]
    timeout: TimeoutArgs,
}

#[derive(Args, Debug)]
pub(super) struct TimeoutArgs {
    /// How long to wait for the end: 90, 90s, 5m [default: 2m]
    #[arg(long, value_name = "TIME", value_parser = time::timeout)]
    pub(super) timeout: Option<Duration>,
}

/// `akvs stop`.
pub(crate) fn run(flags: &Flags) -> Result<(), CliError> {
    let data_dir = flags.data_dir.data_dir()?;
    block_on(async {
        let server = ControlClient::expect(&data_dir).await?;
        server.stop(flags.timeout.timeout.unwrap_or(TIMEOUT)).await
    })?;
    output::print("stopped\n")
}
