//! The `akvs` program. This file owns the way from the command line to the exit code, and nothing else.

mod access;
mod cli;
mod clock;
mod compose;
mod descriptors;
mod failure;
mod listeners;
mod logging;
mod owner;
mod program;
mod prompt;
mod settings;
mod signals;
mod socket;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::parse().and_then(cli::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
