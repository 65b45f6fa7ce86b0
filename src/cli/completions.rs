//! `akvs completions SHELL`: what completes the verbs in a shell, from the verbs as they are.

use clap::Args;
use clap_complete::Shell;

use super::command;
use crate::error::CliError;
use crate::output;

#[derive(Args, Debug)]
pub(crate) struct Flags {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// `akvs completions SHELL`.
pub(crate) fn run(flags: &Flags) -> Result<(), CliError> {
    let mut text = Vec::new();
    clap_complete::generate(flags.shell, &mut command::command(), "akvs", &mut text);
    output::write(&text).map(drop)
}
