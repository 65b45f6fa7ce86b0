//! `akvs backup`: all data in one file, with or without a running server.

use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};

use akvs_client::reqwest::{Method, Response};
use clap::Args;

use super::DataDirArgs;
use super::atomic_file::AtomicFile;
use super::progress::Bar;
use crate::compose::offline;
use crate::control::{ControlClient, block_on};
use crate::error::CliError;
use crate::output;
use crate::settings::Settings;

#[derive(Args, Debug)]
pub(crate) struct Flags {
    #[command(flatten)]
    data_dir: DataDirArgs,
    /// File to create; - for stdout
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
}

/// Runs `akvs backup`.
pub(crate) fn run(flags: &Flags) -> Result<(), CliError> {
    let settings = flags.data_dir.load()?.settings;
    if flags.file == Path::new("-") {
        if output::is_terminal() {
            let text = "a backup is binary: expected a file, or a pipe as stdout";
            return Err(CliError::usage(text));
        }
        return write_backup(&settings, &mut io::stdout().lock());
    }
    let mut file = AtomicFile::create(&flags.file, flags.force)?;
    write_backup(&settings, &mut file)?;
    // The backup is verified before it gets its name.
    let bar = Bar::for_fraction("checking");
    let read = BufReader::new(file.reader()?);
    let summary = offline::verify_backup(read, &mut |how_far| bar.set(how_far))?;
    file.commit()?;
    drop(bar);
    output::print(&format!(
        "{}: {}, {} bytes\n",
        flags.file.display(),
        offline::summary(&summary),
        summary.file_bytes
    ))
}

/// Writes a backup: from the server if one is running, or else from the data directory.
fn write_backup(settings: &Settings, out: &mut dyn Write) -> Result<(), CliError> {
    let found = block_on(async {
        let Some(server) = ControlClient::find(&settings.data_dir).await? else {
            return Ok(false);
        };
        let mut answer = server.stream(Method::GET, "/admin/backup").await?;
        let bar = Bar::for_bytes("backing up");
        while let Some(part) = next_chunk(&mut answer, "the backup").await? {
            out.write_all(&part)
                .map_err(|error| CliError::failed(format!("cannot write the backup: {error}")))?;
            bar.add(part.len() as u64);
        }
        Ok(true)
    })?;
    if found {
        return Ok(());
    }
    let bar = Bar::for_fraction("backing up");
    offline::backup(settings, out, &mut |how_far| bar.set(how_far))
}

pub(super) async fn next_chunk(
    answer: &mut Response,
    what: &str,
) -> Result<Option<bytes::Bytes>, CliError> {
    let part = answer.chunk().await;
    part.map_err(|_| CliError::failed(format!("{what} was interrupted; see the server's log")))
}
