//! `akvs eval`: one line of the prompt's language.

use clap::Args;

use super::DataDirArgs;
use super::interpreter::Interpreter;
use crate::error::CliError;
use crate::repl::Interpreter as _;

#[derive(Args, Debug)]
pub(crate) struct Flags {
    #[command(flatten)]
    data_dir: DataDirArgs,
    /// The line; several words are one line too. --data-dir and --config may follow it; -- ends the flags
    #[arg(value_name = "LINE", required = true, num_args = 1.., trailing_var_arg = true)]
    line: Vec<String>,
}

/// `akvs eval`.
pub(crate) fn run(flags: &Flags) -> Result<(), CliError> {
    let line = match &flags.line[..] {
        [line] => line.clone(),
        [line, more, ..] if line.contains(char::is_whitespace) => {
            return Err(CliError::usage(format!(
                "unexpected argument {more:?} after the line {line:?}"
            )));
        }
        words => shlex::try_join(words.iter().map(String::as_str))
            .map_err(|error| CliError::usage(format!("the line cannot be read: {error}")))?,
    };
    let mut interpreter = Interpreter::connect(&flags.data_dir.data_dir()?)?;
    interpreter.execute(&line).map(drop)
}
