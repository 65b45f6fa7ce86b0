//! `akvs import`: the namespaces of a file.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};

use akvs_client::{Client, Encoding, ImportMode, ImportReport};
use bytes::Bytes;
use clap::{Args, ValueEnum};
use futures_util::stream;

use super::compression::Compression;
use super::render;
use crate::cli::progress::Bar;
use crate::error::CliError;
use crate::output;

/// What is read of a file at once.
const PART_BYTES: usize = 128 << 10;

/// How a backup and compressed files begin.
const BACKUP: &[u8] = b"akvs-bak";
const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// What becomes of what is there.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Mode {
    /// Keys of the file replace those that there are; others stay
    #[default]
    Merge,
    /// Keys that there are stay as they are
    Create,
    /// Keys that are not in the file are deleted
    Replace,
}

#[derive(Args, Debug)]
pub(crate) struct Import {
    /// The file; - for stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The namespace to fill; without one those that the file names
    #[arg(long, value_name = "NAMESPACE")]
    into: Option<String>,
    /// What becomes of what is there
    #[arg(long, value_enum, default_value_t)]
    mode: Mode,
    /// How it is compressed [default: as the file's name says, .gz or .zst; else not]
    #[arg(long, value_enum)]
    compress: Option<Compression>,
}

impl Import {
    pub(super) async fn run(self, client: &Client) -> Result<(), CliError> {
        let import = match &self.into {
            Some(name) => render::namespace(client, name)?.import(),
            None => client.import(),
        };
        let mode = match self.mode {
            Mode::Merge => ImportMode::Merge,
            Mode::Create => ImportMode::Create,
            Mode::Replace => ImportMode::Replace,
        };
        let encoding = Compression::encoding(self.compress, Some(&self.file));
        let (mut source, length) = self.open()?;
        let start = self.start(&mut source)?;
        check_format(&self.name(), &start, encoding)?;
        let bar = match length {
            Some(_) => Bar::for_fraction("importing"),
            None => Bar::for_bytes("importing"),
        };
        let parts = stream::unfold(
            (Cursor::new(start).chain(source), bar, 0),
            move |(mut source, bar, done)| async move {
                let mut part = vec![0; PART_BYTES];
                match source.read(&mut part) {
                    Ok(0) => None,
                    Ok(read) => {
                        part.truncate(read);
                        let done = done + read as u64;
                        match length {
                            Some(length) => bar.set(Some(done as f64 / length.max(1) as f64)),
                            None => bar.add(read as u64),
                        }
                        Some((Ok(Bytes::from(part)), (source, bar, done)))
                    }
                    Err(error) => Some((Err(error), (source, bar, done))),
                }
            },
        );
        let done = import.mode(mode).encoding(encoding).stream(parts).await;
        let done = done.map_err(|error| {
            if let Some(done) = error.imported() {
                print_bad_lines(&done);
            }
            render::failed(&error)
        })?;
        print_bad_lines(&done);
        let deleted = done.deleted.map(|deleted| format!(", deleted {deleted}"));
        output::print(&format!(
            "imported {}, left out {}{}\n",
            done.imported,
            done.skipped,
            deleted.unwrap_or_default()
        ))?;
        match done.errors.len() as u64 + done.more_errors {
            0 => Ok(()),
            1 => Err(CliError::failed("one line is wrong")),
            many => Err(CliError::failed(format!("{many} lines are wrong"))),
        }
    }

    fn open(&self) -> Result<(Box<dyn Read + Send>, Option<u64>), CliError> {
        if self.file == Path::new("-") {
            return Ok((Box::new(io::stdin()), None));
        }
        let file = File::open(&self.file).map_err(|error| self.read_error(&error))?;
        let length = file
            .metadata()
            .map_err(|error| self.read_error(&error))?
            .len();
        Ok((Box::new(file), Some(length)))
    }

    /// As much of the file as says what it is.
    fn start(&self, source: &mut impl Read) -> Result<Vec<u8>, CliError> {
        let mut start = Vec::with_capacity(BACKUP.len());
        let read = source.take(BACKUP.len() as u64).read_to_end(&mut start);
        read.map_err(|error| self.read_error(&error))?;
        Ok(start)
    }

    fn name(&self) -> String {
        match self.file == Path::new("-") {
            true => "stdin".to_owned(),
            false => self.file.display().to_string(),
        }
    }

    fn read_error(&self, error: &io::Error) -> CliError {
        CliError::failed(format!("{} cannot be read: {error}", self.name()))
    }
}

/// Refuses a file that begins otherwise than it is said to be: the server could not name the flag. What it may be is
/// left to the server.
fn check_format(file: &str, start: &[u8], encoding: Encoding) -> Result<(), CliError> {
    let begins = |mark: &[u8]| start.starts_with(mark);
    if begins(BACKUP) {
        let text = format!("{file} is a backup: expected an export; `akvs restore` takes backups");
        return Err(CliError::failed(text));
    }
    let kinds = [
        (Encoding::Gzip, GZIP, "compressed with gzip", "gzip"),
        (Encoding::Zstd, ZSTD, "compressed with zstd", "zstd"),
        (Encoding::Identity, b"{", "not compressed", "none"),
    ];
    match kinds.into_iter().find(|(_, mark, _, _)| begins(mark)) {
        Some((found, _, text, flag)) if found != encoding => {
            let text = format!("{file} is {text}: expected --compress {flag}");
            Err(CliError::failed(text))
        }
        _ => Ok(()),
    }
}

/// Says which lines were not imported, and why.
fn print_bad_lines(done: &ImportReport) {
    for bad in &done.errors {
        output::note(&format!("line {}: {}", bad.line, bad.detail));
    }
}
