//! What the verbs print: answers on stdout, all that is said about them on stderr.

use std::io::{self, ErrorKind, IsTerminal, Write};

use crate::failure::Failure;

/// Prints an answer.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    // `akvs config show | head -1` has what it wanted.
    go_on(text.as_bytes()).map(drop)
}

/// Prints bytes as they are; on a terminal the line is ended where they do not end it.
pub(crate) fn value(value: &[u8]) -> Result<(), Failure> {
    let is_ended = value.ends_with(b"\n") || !io::stdout().is_terminal();
    go_on(value)?;
    if !is_ended {
        go_on(b"\n")?;
    }
    Ok(())
}

/// Prints a part of a long answer; false where nobody reads any more.
pub(crate) fn go_on(part: &[u8]) -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(part).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::failed(format!("cannot write to stdout: {error}"))),
    }
}

/// Says something about it; whether anybody hears that does not matter.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "akvs: {text}");
}
