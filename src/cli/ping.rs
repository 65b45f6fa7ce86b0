//! `akvs ping`, `akvs pid` and `akvs healthcheck`: whether a server is there, and well.

use super::{PlaceFlags, output};
use crate::control::{ControlClient, block_on};
use crate::error::CliError;

/// `akvs ping`: `pong`.
pub(crate) fn run(flags: &PlaceFlags) -> Result<(), CliError> {
    let data_dir = flags.data_dir()?;
    let pong = block_on(async { ControlClient::expect(&data_dir).await?.ping().await })?;
    output::print(&format!("{pong}\n"))
}

/// `akvs pid`: the process that listens.
pub(crate) fn pid(flags: &PlaceFlags) -> Result<(), CliError> {
    let data_dir = flags.data_dir()?;
    let pid = block_on(async {
        let owner = ControlClient::expect(&data_dir).await?;
        match owner.pid() {
            Some(pid) => Ok(pid.as_raw_nonzero().get().unsigned_abs()),
            None => Ok(owner.status().await?.pid),
        }
    })?;
    output::print(&format!("{pid}\n"))
}

/// `akvs healthcheck`: whether writes are taken; silent where they are.
pub(crate) fn health(flags: &PlaceFlags) -> Result<(), CliError> {
    let data_dir = flags.data_dir()?;
    block_on(async { ControlClient::expect(&data_dir).await?.ready().await })?;
    Ok(())
}
