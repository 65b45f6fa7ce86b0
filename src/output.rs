//! The output of verbs: answers on stdout, messages about them on stderr.
//!
//! Invariant: a terminal receives no control characters of stored data or of a server's answers; a file or a pipe
//! receives the bytes unchanged.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::process::ExitCode;

use serde_json::Value;

use crate::error::CliError;
use crate::escape;

/// Prints an answer.
pub(crate) fn print(text: &str) -> Result<(), CliError> {
    // `akvs config show | head -1` closes the pipe early, which is no error.
    write(text.as_bytes()).map(drop)
}

/// Prints a value: unchanged to a file or pipe, escaped and with a line end to a terminal.
pub(crate) fn value(value: &[u8]) -> Result<(), CliError> {
    let is_ended = value.ends_with(b"\n") || !is_terminal();
    write(value)?;
    if !is_ended {
        write(b"\n")?;
    }
    Ok(())
}

/// Prints a part of a long answer. Returns false if the reader has closed the pipe.
pub(crate) fn write(part: &[u8]) -> Result<bool, CliError> {
    if is_terminal() {
        write_stdout(escape::lines(part).as_bytes())
    } else {
        write_stdout(part)
    }
}

/// Prints a JSON document on one line. Returns false if the reader has closed the pipe.
pub(crate) fn document(document: &Value) -> Result<bool, CliError> {
    let line = format!("{document}\n");
    if is_terminal() {
        write_stdout(escape::json(&line).as_bytes())
    } else {
        write_stdout(line.as_bytes())
    }
}

/// Returns bytes for use within a line: unchanged, or escaped for a terminal.
pub(crate) fn in_line(bytes: &[u8]) -> Vec<u8> {
    if is_terminal() {
        escape::line(bytes).into_bytes()
    } else {
        bytes.to_vec()
    }
}

/// Returns true if stdout is a terminal.
pub(crate) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

fn write_stdout(part: &[u8]) -> Result<bool, CliError> {
    let mut out = io::stdout().lock();
    match out.write_all(part).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(CliError::failed(format!("cannot write to stdout: {error}"))),
    }
}

/// Prints a message on stderr. A closed stderr is ignored.
pub(crate) fn note(text: &str) {
    let mut out = io::stderr().lock();
    let _ = if out.is_terminal() {
        writeln!(out, "akvs: {}", escape::text(text))
    } else {
        writeln!(out, "akvs: {text}")
    };
}

/// Prints an error on stderr, and returns the exit code of the process.
pub(crate) fn failure(error: &CliError) -> ExitCode {
    note(&error.to_string());
    ExitCode::from(error.code())
}
