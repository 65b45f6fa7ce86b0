//! `akvs pid`: prints the server's process id.

use super::DataDirArgs;
use crate::control::{ControlClient, block_on};
use crate::error::CliError;
use crate::output;

/// Runs `akvs pid`.
pub(crate) fn run(flags: &DataDirArgs) -> Result<(), CliError> {
    let data_dir = flags.data_dir()?;
    let pid = block_on(async {
        let server = ControlClient::expect(&data_dir).await?;
        match server.pid() {
            Some(pid) => Ok(pid.as_raw_nonzero().get().unsigned_abs()),
            None => Ok(server.status().await?.pid),
        }
    })?;
    output::print(&format!("{pid}\n"))
}
