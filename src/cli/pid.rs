//! `akvs pid`: the process of the server.

use super::PlaceFlags;
use crate::control::{ControlClient, block_on};
use crate::error::CliError;
use crate::output;

/// `akvs pid`: the process that listens.
pub(crate) fn run(flags: &PlaceFlags) -> Result<(), CliError> {
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
