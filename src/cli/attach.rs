//! `akvs attach`: the prompt on a running server.

use super::DataDirArgs;
use super::interpreter::Interpreter;
use crate::error::CliError;
use crate::output;
use crate::repl;

/// Runs `akvs attach`.
pub(crate) fn run(flags: &DataDirArgs) -> Result<(), CliError> {
    let data_dir = flags.data_dir()?;
    let mut interpreter = Interpreter::connect(&data_dir)?;
    let greeting = format!(
        "Attached to the server of {data_dir}. Type `help` for the commands; Ctrl-D leaves the prompt, not the server.\n"
    );
    repl::run_interactive(&mut interpreter, &greeting, |_| {})?;
    if repl::is_terminal() {
        output::print("\n")
    } else {
        Ok(())
    }
}
