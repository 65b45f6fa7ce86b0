//! `akvs completions`: shell completions, generated from the verbs.

use clap::Args;
use clap_complete::Shell;

use super::command;
use crate::error::CliError;
use crate::output;

#[derive(Args, Debug)]
pub(crate) struct Flags {
    /// Shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Runs `akvs completions`.
pub(crate) fn run(flags: &Flags) -> Result<(), CliError> {
    let mut text = Vec::new();
    clap_complete::generate(flags.shell, &mut command::command(), "akvs", &mut text);
    output::write(&text).map(drop)
}
