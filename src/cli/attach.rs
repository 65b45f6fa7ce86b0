//! `akvs attach`: the prompt on a server that runs.

use super::DataDirArgs;
use super::interpreter::Interpreter;
use crate::error::CliError;
use crate::output;
use crate::repl;

/// `akvs attach`.
pub(crate) fn run(flags: &DataDirArgs) -> Result<(), CliError> {
    let data_dir = flags.data_dir()?;
    let mut interpreter = Interpreter::connect(&data_dir)?;
    let greeting = format!(
        "Attached to the server of {data_dir}. `help` lists what can be typed; Ctrl-D leaves, and the server goes on.\n"
    );
    repl::run_interactive(&mut interpreter, &greeting, |_| {})?;
    match repl::is_terminal() {
        true => output::print("\n"),
        false => Ok(()),
    }
}
