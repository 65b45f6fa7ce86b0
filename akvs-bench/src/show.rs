//! `akvs-bench report`: what was measured, as text or as files.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use crate::report;
use crate::result::Result;
use crate::results::Results;
use crate::run::RESULTS;

/// Arguments of `akvs-bench report`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// The file that keeps what was measured
    #[arg(long, value_name = "FILE", default_value = RESULTS)]
    results: PathBuf,
    /// Write the tables and pictures into this folder, such as docs
    #[arg(long, value_name = "FOLDER")]
    write: Option<PathBuf>,
}

/// Prints or writes.
pub(crate) fn show(args: &Args) -> Result {
    let results = Results::read(&args.results);
    match &args.write {
        Some(folder) => report::write(&results, folder),
        None => {
            println!("{}", report::markdown(&results));
            Ok(())
        }
    }
}
