//! `akvs verify`: reads all data or a backup back, and reports errors.

use std::path::PathBuf;

use akvs_client::reqwest::Method;
use clap::Args;

use super::DataDirArgs;
use super::backup::next_chunk;
use super::progress::Bar;
use super::restore::open;
use crate::compose::{VerifyEvent, offline};
use crate::control::{ControlClient, block_on};
use crate::error::CliError;
use crate::output;
use crate::plural::plural;

#[derive(Args, Debug)]
pub(crate) struct Flags {
    #[command(flatten)]
    data_dir: DataDirArgs,
    /// Backup to check instead of the data; - for stdin
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Runs `akvs verify`.
pub(crate) fn run(flags: &Flags) -> Result<(), CliError> {
    let settings = flags.data_dir.load()?.settings;
    let mut checked = Findings::new();
    if let Some(path) = &flags.file {
        let bar = Bar::for_fraction("checking");
        let summary = offline::verify_backup(open(path)?, &mut |how_far| bar.set(how_far))?;
        drop(bar);
        let shown = path.display();
        return output::print(&format!("{shown}: ok: {}\n", offline::summary(&summary)));
    }
    let found = block_on(async {
        let Some(server) = ControlClient::find(&settings.data_dir).await? else {
            return Ok(false);
        };
        let mut answer = server.stream(Method::POST, "/admin/verify").await?;
        let mut lines = Vec::new();
        while let Some(part) = next_chunk(&mut answer, "the verification").await? {
            lines.extend_from_slice(&part);
            while let Some(end) = lines.iter().position(|byte| *byte == b'\n') {
                let event = serde_json::from_slice(&lines[..end]);
                let event = event.map_err(|error| {
                    CliError::failed(format!("unknown event of the verification: {error}"))
                })?;
                checked.record(event);
                lines.drain(..=end);
            }
        }
        Ok(true)
    })?;
    if !found {
        offline::verify(&settings, &mut |event| checked.record(event))?;
    }
    checked.report(&settings.data_dir)
}

/// The events of a verification.
struct Findings {
    bar: Option<Bar>,
    lines: Vec<String>,
    end: Option<VerifyEvent>,
}

impl Findings {
    /// Maximum number of findings that are printed; the rest is counted.
    const MAX_SHOWN: usize = 1_000;

    fn new() -> Findings {
        Findings {
            bar: Some(Bar::for_fraction("checking")),
            lines: Vec::new(),
            end: None,
        }
    }

    fn record(&mut self, event: VerifyEvent) {
        match event {
            VerifyEvent::Progress(how_far) => {
                if let Some(bar) = &self.bar {
                    bar.set(how_far);
                }
            }
            VerifyEvent::Finding(text) if self.lines.len() < Findings::MAX_SHOWN => {
                self.lines.push(text)
            }
            VerifyEvent::Finding(_) => {}
            VerifyEvent::Verified { .. } | VerifyEvent::Failed(_) => self.end = Some(event),
        }
    }

    fn report(mut self, data_dir: &str) -> Result<(), CliError> {
        self.bar = None;
        for line in &self.lines {
            output::print(&format!("error      {line}\n"))?;
        }
        match self.end {
            Some(VerifyEvent::Verified {
                files,
                bytes,
                rows,
                findings,
                unchecked,
            }) => {
                for part in unchecked {
                    output::print(&format!("unchecked  {part}\n"))?;
                }
                let total = format!(
                    "{data_dir}: {}, {}, {}",
                    plural(files, "file"),
                    plural(bytes, "byte"),
                    plural(rows, "row")
                );
                if findings > 0 {
                    return Err(CliError::failed(format!(
                        "{total}: {} found",
                        plural(findings, "error")
                    )));
                }
                output::print(&format!("{total}: ok\n"))
            }
            Some(VerifyEvent::Failed(why)) => {
                Err(CliError::failed(format!("cannot verify the data: {why}")))
            }
            _ => Err(CliError::failed(
                "the verification was interrupted; see the server's log",
            )),
        }
    }
}
