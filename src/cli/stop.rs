//! `akvs stop`: the end of a server that runs in the background, or anywhere.

use std::time::Duration;

use clap::Args;

use super::{PlaceFlags, time};
use crate::control::{ControlClient, block_on};
use crate::error::CliError;
use crate::output;

/// How long a server may take to end, where nothing else is said.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Args, Debug)]
pub(crate) struct Flags {
    #[command(flatten)]
    place: PlaceFlags,
    #[command(flatten)]
    patience: Patience,
}

#[derive(Args, Debug)]
pub(super) struct Patience {
    /// How long to wait for the end: 90, 90s, 5m [default: 2m]
    #[arg(long, value_name = "TIME", value_parser = time::timeout)]
    pub(super) timeout: Option<Duration>,
}

/// `akvs stop`.
pub(crate) fn run(flags: &Flags) -> Result<(), CliError> {
    let data_dir = flags.place.data_dir()?;
    block_on(async {
        let owner = ControlClient::expect(&data_dir).await?;
        owner.stop(flags.patience.timeout.unwrap_or(PATIENCE)).await
    })?;
    output::print("stopped\n")
}
