//! `akvs healthcheck`: whether the server takes writes.

use super::DataDirArgs;
use crate::control::{ControlClient, block_on};
use crate::error::CliError;

/// `akvs healthcheck`: whether writes are taken; silent where they are.
pub(crate) fn run(flags: &DataDirArgs) -> Result<(), CliError> {
    let data_dir = flags.data_dir()?;
    block_on(async { ControlClient::expect(&data_dir).await?.ready().await })?;
    Ok(())
}
