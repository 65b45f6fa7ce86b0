//! `akvs attach`: the prompt on a server that runs.

use super::PlaceFlags;
use crate::error::CliError;
use crate::output;
use crate::repl;
use crate::repl::Session;

/// `akvs attach`.
pub(crate) fn run(flags: &PlaceFlags) -> Result<(), CliError> {
    let data_dir = flags.data_dir()?;
    let mut session = Session::open(&data_dir)?;
    session.talk(&format!(
        "Attached to the server of {data_dir}. `help` lists what can be typed; Ctrl-D leaves, and the server goes on.\n"
    ))?;
    match repl::is_terminal() {
        true => output::print("\n"),
        false => Ok(()),
    }
}
