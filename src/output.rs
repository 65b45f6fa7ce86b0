//! What the verbs print: answers on stdout, all that is said about them on stderr.
//!
//! Invariant: a terminal gets no control character of what is stored or of what a server says; a file or a pipe gets the
//! bytes as they are.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::process::ExitCode;

use serde_json::Value;

use crate::error::CliError;
use crate::escape;

/// Prints an answer.
pub(crate) fn print(text: &str) -> Result<(), CliError> {
    // `akvs config show | head -1` has what it wanted.
    write(text.as_bytes()).map(drop)
}

/// Prints bytes as they are, and on a terminal escaped, with the last line ended where they do not end it.
pub(crate) fn value(value: &[u8]) -> Result<(), CliError> {
    let is_ended = value.ends_with(b"\n") || !is_terminal();
    write(value)?;
    if !is_ended {
        write(b"\n")?;
    }
    Ok(())
}

/// Prints a part of a long answer; false where nobody reads any more.
pub(crate) fn write(part: &[u8]) -> Result<bool, CliError> {
    match is_terminal() {
        true => write_stdout(escape::lines(part).as_bytes()),
        false => write_stdout(part),
    }
}

/// Prints a JSON document on a line of its own; false where nobody reads any more.
pub(crate) fn document(document: &Value) -> Result<bool, CliError> {
    let line = format!("{document}\n");
    match is_terminal() {
        true => write_stdout(escape::json(&line).as_bytes()),
        false => write_stdout(line.as_bytes()),
    }
}

/// Bytes as they stand in a line: as they are, but on a terminal without what would end or change the line.
pub(crate) fn in_line(bytes: &[u8]) -> Vec<u8> {
    match is_terminal() {
        true => escape::line(bytes).into_bytes(),
        false => bytes.to_vec(),
    }
}

/// Whether answers go to a terminal.
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

/// Says something about it; whether anybody hears that does not matter.
pub(crate) fn note(text: &str) {
    let mut out = io::stderr().lock();
    let _ = match out.is_terminal() {
        true => writeln!(out, "akvs: {}", escape::text(text)),
        false => writeln!(out, "akvs: {text}"),
    };
}

/// Prints an error on stderr, and returns the exit code of the process.
pub(crate) fn failure(error: &CliError) -> ExitCode {
    note(&error.to_string());
    ExitCode::from(error.code())
}
