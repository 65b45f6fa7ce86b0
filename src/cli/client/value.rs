//! The source of a value: the command line, a file or stdin.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use crate::bounded;
use crate::error::CliError;

/// The greatest possible `limits.max_value_bytes`.
const MAX_BYTES: u64 = 1 << 30;

/// Reads the bytes of `TEXT`, `@FILE` or `-`.
pub(super) fn read(given: OsString) -> Result<Vec<u8>, CliError> {
    if given == "-" {
        let read = bounded::read_from(io::stdin().lock(), MAX_BYTES);
        return read.map_err(|error| CliError::failed(format!("cannot read stdin: {error}")));
    }
    match given.as_bytes().strip_prefix(b"@") {
        Some(file) => {
            let file = Path::new(std::ffi::OsStr::from_bytes(file));
            bounded::read(file, MAX_BYTES).map_err(|error| {
                CliError::failed(format!("cannot read {}: {error}", file.display()))
            })
        }
        None => Ok(given.into_vec()),
    }
}
