//! The `akvs` program: from the command line to the exit code.

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
mod plural;
mod repl;
mod rlimit;
mod service_manager;
mod settings;
mod signals;
mod socket;
mod threads;

use std::process::ExitCode;

/// musl's allocator has one lock for all threads, and glibc's keeps large freed values between small live ones.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match cli::parse().and_then(cli::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => output::failure(&error),
    }
}
