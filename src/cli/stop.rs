//! `akvs stop`: stops a server that runs in the background or anywhere else.

use std::time::Duration;

use clap::Args;

use super::{DataDirArgs, time};
use crate::control::{ControlClient, block_on};
use crate::error::CliError;
use crate::output;

/// Default of `--timeout`.
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
    /// Maximum time to wait: 90, 90s, 5m [default: 2m]
    #[arg(long, value_name = "TIME", value_parser = time::timeout)]
    pub(super) timeout: Option<Duration>,
}

/// Runs `akvs stop`.
pub(crate) fn run(flags: &Flags) -> Result<(), CliError> {
    let data_dir = flags.data_dir.data_dir()?;
    block_on(async {
        let server = ControlClient::expect(&data_dir).await?;
        server.stop(flags.timeout.timeout.unwrap_or(TIMEOUT)).await
    })?;
    output::print("stopped\n")
}
