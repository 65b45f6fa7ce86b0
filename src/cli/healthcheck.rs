//! `akvs healthcheck`: checks that the server accepts writes.

use super::DataDirArgs;
use crate::control::{ControlClient, block_on};
use crate::error::CliError;

/// Runs `akvs healthcheck`. It prints nothing on success.
pub(crate) fn run(flags: &DataDirArgs) -> Result<(), CliError> {
    let data_dir = flags.data_dir()?;
    block_on(async { ControlClient::expect(&data_dir).await?.ready().await })?;
    Ok(())
}
