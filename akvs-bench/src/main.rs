//! `akvs-bench`: measures a build of AKVS next to other servers. `cargo xtask bench` builds and runs it.
//!
//! It owns the list of commands. It knows AKVS only by its command line and by HTTP.

mod clock;
mod compare;
mod counts;
mod cpu;
mod grow;
mod idle;
mod load;
mod manual;
mod peers;
mod process;
mod reference;
mod report;
mod result;
mod results;
mod run;
mod show;
mod sizing;
mod soak;
mod tail;
mod transfer;
mod watchers;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The allocator of AKVS, so that the reference has no other.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measure AKVS next to other servers
#[derive(Parser)]
#[command(name = "akvs-bench")]
struct Arguments {
    /// The program to measure
    #[arg(long, value_name = "FILE", default_value = "target/release/akvs")]
    program: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Compare AKVS with other servers; print the table of goals
    Run(run::Args),
    /// Print the tables of what was measured, or write them with the pictures
    Report(show::Args),
    /// Run a mixed load for a long time; memory, descriptors and latency must stay flat
    Soak(soak::Args),
    /// Count the instructions of the hot paths and compare them with the expected ones (needs valgrind)
    Counts(counts::Args),
    /// Measure memory, disk space and starts, for the operator's guide
    Sizing(sizing::Args),
    /// Send one load to a server that runs already
    Load(manual::Args),
    /// Serve constant answers by actix-web alone
    #[command(hide = true)]
    Reference(reference::Args),
}

fn main() -> ExitCode {
    let Arguments { program, command } = Arguments::parse();
    let outcome = match command {
        Command::Run(args) => run::run(&program, &args),
        Command::Soak(args) => soak::soak(&program, &args),
        Command::Counts(args) => counts::counts(&program, &args),
        Command::Sizing(args) => sizing::sizing(&program, &args),
        Command::Report(args) => show::show(&args),
        Command::Load(args) => manual::load(&args),
        Command::Reference(args) => reference::reference(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("akvs-bench: {error}");
            ExitCode::FAILURE
        }
    }
}
