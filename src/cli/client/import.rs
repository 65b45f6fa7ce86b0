//! `akvs import`: the entries of an export.

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
use crate::plural::plural;

/// Size of one read of the file.
const PART_BYTES: usize = 128 << 10;

/// The first bytes of a backup and of compressed files.
const BACKUP: &[u8] = b"akvs-bak";
const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const BZIP2: &[u8] = b"BZh";

/// The treatment of existing keys.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Mode {
    /// Replace existing keys, and keep all others
    #[default]
    Merge,
    /// Keep existing keys unchanged
    Create,
    /// Replace existing keys, and delete those that are not in the file
    Replace,
}

#[derive(Args, Debug)]
pub(crate) struct Import {
    /// File to read; - for stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Namespace to import into [default: the namespaces that the file names]
    #[arg(long, value_name = "NAMESPACE")]
    into: Option<String>,
    /// Treatment of existing keys
    #[arg(long, value_enum, default_value_t)]
    mode: Mode,
    /// Compression [default: by the suffix of the file, .gz or .zst; else none]
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
            "imported {}, skipped {}{}\n",
            done.imported,
            done.skipped,
            deleted.unwrap_or_default()
        ))?;
        match done.errors.len() as u64 + done.more_errors {
            0 => Ok(()),
            invalid => Err(CliError::failed(plural(invalid, "invalid line"))),
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

    /// Reads the first bytes of the file, which tell its format.
    fn start(&self, source: &mut impl Read) -> Result<Vec<u8>, CliError> {
        let mut start = Vec::with_capacity(BACKUP.len());
        let read = source.take(BACKUP.len() as u64).read_to_end(&mut start);
        read.map_err(|error| self.read_error(&error))?;
        Ok(start)
    }

    fn name(&self) -> String {
        if self.file == Path::new("-") {
            "stdin".to_owned()
        } else {
            self.file.display().to_string()
        }
    }

    fn read_error(&self, error: &io::Error) -> CliError {
        CliError::failed(format!("cannot read {}: {error}", self.name()))
    }
}

/// Fails if the file is compressed in another way than the flags say: the server could not name the flag. The server
/// checks everything else.
fn check_format(file: &str, start: &[u8], encoding: Encoding) -> Result<(), CliError> {
    let begins = |mark: &[u8]| start.starts_with(mark);
    if begins(BACKUP) {
        let text =
            format!("{file} is a backup: expected an export; use `akvs restore` for backups");
        return Err(CliError::failed(text));
    }
    if start.is_empty() && encoding != Encoding::Identity {
        let text = format!("{file} is not compressed but empty: expected an export");
        return Err(CliError::failed(text));
    }
    let kinds = [
        (Encoding::Gzip, begins(GZIP), "compressed with gzip", "gzip"),
        (Encoding::Zstd, begins(ZSTD), "compressed with zstd", "zstd"),
        (Encoding::Identity, is_text(start), "not compressed", "none"),
    ];
    match kinds.into_iter().find(|(_, is_found, _, _)| *is_found) {
        Some((found, _, text, flag)) if found != encoding => {
            let text = format!("{file} is {text}: expected --compress {flag}");
            Err(CliError::failed(text))
        }
        _ => Ok(()),
    }
}

/// Returns whether these first bytes of a file are text, with or without a byte order mark.
fn is_text(start: &[u8]) -> bool {
    let is_utf8 = match std::str::from_utf8(start) {
        Ok(_) => true,
        // The bytes may end within a character.
        Err(error) => error.error_len().is_none(),
    };
    let is_control = |byte: &u8| byte.is_ascii_control() && !byte.is_ascii_whitespace();
    is_utf8 && !start.starts_with(BZIP2) && !start.iter().any(is_control)
}

/// Prints the lines that were not imported, each with its error.
fn print_bad_lines(done: &ImportReport) {
    for bad in &done.errors {
        output::note(&format!("line {}: {}", bad.line, bad.detail));
    }
}
