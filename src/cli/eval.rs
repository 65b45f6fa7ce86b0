//! `akvs eval`: one line of the prompt.

use clap::Args;

use super::DataDirArgs;
use super::interpreter::Interpreter;
use crate::error::CliError;
use crate::repl::Interpreter as _;

#[derive(Args, Debug)]
pub(crate) struct Flags {
    #[command(flatten)]
    data_dir: DataDirArgs,
    /// Line to execute, in one or several words; --data-dir and --config may follow it, -- ends the flags
    #[arg(value_name = "LINE", required = true, num_args = 1.., trailing_var_arg = true)]
    line: Vec<String>,
}

/// Runs `akvs eval`.
pub(crate) fn run(flags: &Flags) -> Result<(), CliError> {
    let line = match &flags.line[..] {
        [line] => line.clone(),
        [line, more, ..] if line.contains(char::is_whitespace) => {
            return Err(CliError::usage(format!(
                "unexpected argument {more:?} after the line {line:?}"
            )));
        }
        words => shlex::try_join(words.iter().map(String::as_str))
            .map_err(|error| CliError::usage(format!("invalid line: {error}")))?,
    };
    let mut interpreter = Interpreter::connect(&flags.data_dir.data_dir()?)?;
    interpreter.execute(&line).map(drop)
}
