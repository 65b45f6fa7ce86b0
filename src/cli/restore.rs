//! `akvs restore`: a backup is restored into an empty data directory.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use clap::Args;

use super::DataDirArgs;
use super::progress::Bar;
use crate::compose::offline;
use crate::error::CliError;
use crate::output;

#[derive(Args, Debug)]
pub(crate) struct Flags {
    #[command(flatten)]
    data_dir: DataDirArgs,
    /// Backup to read; - for stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Runs `akvs restore`.
pub(crate) fn run(flags: &Flags) -> Result<(), CliError> {
    let settings = flags.data_dir.load()?.settings;
    let bar = Bar::for_fraction("restoring");
    let read = open(&flags.file)?;
    let summary = offline::restore(&settings, read, &mut |how_far| bar.set(how_far))?;
    drop(bar);
    output::print(&format!(
        "{}: {}\n",
        settings.data_dir,
        offline::summary(&summary)
    ))
}

pub(super) fn open(path: &Path) -> Result<Box<dyn Read>, CliError> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    let file = File::open(path);
    let file =
        file.map_err(|error| CliError::failed(format!("cannot read {}: {error}", path.display())))?;
    Ok(Box::new(BufReader::with_capacity(256 << 10, file)))
}
