//! The `akvs` program. This file owns the way from the command line to the exit code, and nothing else.

mod bounded;
mod cli;
mod clock;
mod compose;
mod control;
mod credentials;
mod current_exe;
mod error;
mod escape;
mod files;
mod listeners;
mod logging;
mod output;
mod repl;
mod rlimit;
mod service_manager;
mod settings;
mod signals;
mod socket;
mod threads;

use std::process::ExitCode;

/// That of musl has one lock for all threads, and glibc's keeps large values that were freed between small ones.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match cli::parse().and_then(cli::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => output::failure(&error),
    }
}
