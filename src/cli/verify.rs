//! `akvs verify`: all data read back, or a backup.

use std::path::PathBuf;

use akvs_client::reqwest::Method;
use clap::Args;

use super::PlaceFlags;
use super::backup::next;
use super::progress::Bar;
use super::restore::open;
use crate::compose::{Told, offline};
use crate::control::{ControlClient, block_on};
use crate::error::CliError;
use crate::output;

#[derive(Args, Debug)]
pub(crate) struct Flags {
    #[command(flatten)]
    place: PlaceFlags,
    /// A backup to check in place of the data; - for stdin
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

/// `akvs verify`.
pub(crate) fn run(flags: &Flags) -> Result<(), CliError> {
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
