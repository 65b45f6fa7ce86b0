//! What the verbs print: answers on stdout, all that is said about them on stderr.

use std::io::{self, ErrorKind, Write};

use crate::failure::Failure;

/// Prints an answer.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // `akvs config show | head -1` has what it wanted.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::failed(format!("cannot write to stdout: {error}")))
        }
        _ => Ok(()),
    }
}

/// Says something about it; whether anybody hears that does not matter.
pub(super) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "akvs: {text}");
}
