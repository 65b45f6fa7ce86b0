//! `akvs backup`, `akvs restore` and `akvs verify`: all data, on a server that runs or without one.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use akvs_client::reqwest::{Method, Response};
use clap::Args;

use super::atomic_file::NewFile;
use super::progress::Bar;
use super::{PlaceFlags, output};
use crate::compose::{Told, offline};
use crate::control::{ControlClient, block_on};
use crate::error::CliError;

#[derive(Args, Debug)]
pub(crate) struct BackupFlags {
    #[command(flatten)]
    place: PlaceFlags,
    /// The file to make; - for stdout
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Replace the file if it is there
    #[arg(long)]
    force: bool,
}

#[derive(Args, Debug)]
pub(crate) struct RestoreFlags {
    #[command(flatten)]
    place: PlaceFlags,
    /// The backup; - for stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct VerifyFlags {
    #[command(flatten)]
    place: PlaceFlags,
    /// A backup to check in place of the data; - for stdin
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

/// `akvs backup`.
pub(crate) fn backup(flags: &BackupFlags) -> Result<(), CliError> {
    let settings = flags.place.load()?.settings;
    if flags.file == Path::new("-") {
        if output::is_terminal() {
            let text = "a backup is not text: name a file for it, or send it on by a pipe";
            return Err(CliError::usage(text));
        }
        return write(&settings, &mut io::stdout().lock());
    }
    let mut file = NewFile::create(&flags.file, flags.force)?;
    write(&settings, &mut file)?;
    // A backup is worth what can be read of it.
    let bar = Bar::of("checking");
    let read = BufReader::new(file.written()?);
    let summary = offline::check_backup(read, &mut |how_far| bar.at(how_far))?;
    file.end()?;
    drop(bar);
    output::print(&format!(
        "{}: {}, {} bytes\n",
        flags.file.display(),
        offline::summary(&summary),
        summary.file_bytes
    ))
}

/// Writes a backup: of the server, where one runs.
fn write(settings: &crate::settings::Settings, out: &mut dyn Write) -> Result<(), CliError> {
    let found = block_on(async {
        let Some(owner) = ControlClient::find(&settings.data_dir).await? else {
            return Ok(false);
        };
        let mut answer = owner.stream(Method::GET, "/admin/backup").await?;
        let bar = Bar::of_bytes("backing up");
        while let Some(part) = next(&mut answer, "the backup").await? {
            out.write_all(&part).map_err(|error| {
                CliError::failed(format!("the backup cannot be written: {error}"))
            })?;
            bar.more(part.len() as u64);
        }
        Ok(true)
    })?;
    if found {
        return Ok(());
    }
    let bar = Bar::of("backing up");
    offline::back_up(settings, out, &mut |how_far| bar.at(how_far))
}

async fn next(answer: &mut Response, what: &str) -> Result<Option<bytes::Bytes>, CliError> {
    let part = answer.chunk().await;
    part.map_err(|_| CliError::failed(format!("{what} was broken off; the server's log says why")))
}

/// `akvs restore`.
pub(crate) fn restore(flags: &RestoreFlags) -> Result<(), CliError> {
    let settings = flags.place.load()?.settings;
    let bar = Bar::of("restoring");
    let read = open(&flags.file)?;
    let summary = offline::bring_back(&settings, read, &mut |how_far| bar.at(how_far))?;
    drop(bar);
    output::print(&format!(
        "{}: {}\n",
        settings.data_dir,
        offline::summary(&summary)
    ))
}

fn open(path: &Path) -> Result<Box<dyn Read>, CliError> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    let file = File::open(path);
    let file = file
        .map_err(|error| CliError::failed(format!("{} cannot be read: {error}", path.display())))?;
    Ok(Box::new(BufReader::with_capacity(256 << 10, file)))
}

/// `akvs verify`.
pub(crate) fn verify(flags: &VerifyFlags) -> Result<(), CliError> {
    let settings = flags.place.load()?.settings;
    let mut checked = Checked::new();
    if let Some(path) = &flags.file {
        let bar = Bar::of("checking");
        let summary = offline::check_backup(open(path)?, &mut |how_far| bar.at(how_far))?;
        drop(bar);
        let shown = path.display();
        return output::print(&format!("{shown}: good: {}\n", offline::summary(&summary)));
    }
    let found = block_on(async {
        let Some(owner) = ControlClient::find(&settings.data_dir).await? else {
            return Ok(false);
        };
        let mut answer = owner.stream(Method::POST, "/admin/verify").await?;
        let mut lines = Vec::new();
        while let Some(part) = next(&mut answer, "the check").await? {
            lines.extend_from_slice(&part);
            while let Some(end) = lines.iter().position(|byte| *byte == b'\n') {
                let told = serde_json::from_slice(&lines[..end]);
                let told = told.map_err(|error| {
                    CliError::failed(format!("the check tells what is not known: {error}"))
                })?;
                checked.hear(told);
                lines.drain(..=end);
            }
        }
        Ok(true)
    })?;
    if !found {
        offline::check(&settings, &mut |told| checked.hear(told))?;
    }
    checked.end(&settings.data_dir)
}

/// What a check has told.
struct Checked {
    bar: Option<Bar>,
    lines: Vec<String>,
    end: Option<Told>,
}

impl Checked {
    /// More findings than these are counted only.
    const SHOWN: usize = 1_000;

    fn new() -> Checked {
        Checked {
            bar: Some(Bar::of("checking")),
            lines: Vec::new(),
            end: None,
        }
    }

    fn hear(&mut self, told: Told) {
        match told {
            Told::Progress(how_far) => {
                if let Some(bar) = &self.bar {
                    bar.at(how_far);
                }
            }
            Told::Finding(text) if self.lines.len() < Checked::SHOWN => self.lines.push(text),
            Told::Finding(_) => {}
            Told::Verified { .. } | Told::Failed(_) => self.end = Some(told),
        }
    }

    fn end(mut self, data_dir: &str) -> Result<(), CliError> {
        self.bar = None;
        for line in &self.lines {
            output::print(&format!("WRONG      {line}\n"))?;
        }
        match self.end {
            Some(Told::Verified {
                files,
                bytes,
                rows,
                findings,
                unchecked,
            }) => {
                for part in unchecked {
                    output::print(&format!("unchecked  {part}\n"))?;
                }
                let what = format!("{data_dir}: {files} files, {bytes} bytes, {rows} rows");
                if findings > 0 {
                    return Err(CliError::failed(format!("{what}: {findings} are wrong")));
                }
                output::print(&format!("{what}: good\n"))
            }
            Some(Told::Failed(why)) => Err(CliError::failed(format!("the check failed: {why}"))),
            _ => Err(CliError::failed("the check was broken off")),
        }
    }
}
