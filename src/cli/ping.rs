//! `akvs ping`: checks that the server answers.

use super::DataDirArgs;
use crate::control::{ControlClient, block_on};
use crate::error::CliError;
use crate::output;

/// Runs `akvs ping`.
pub(crate) fn run(flags: &DataDirArgs) -> Result<(), CliError> {
    let data_dir = flags.data_dir()?;
    let pong = block_on(async { ControlClient::expect(&data_dir).await?.ping().await })?;
    output::print(&format!("{pong}\n"))
}
