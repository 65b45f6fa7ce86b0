//! Where a value comes from: the command line, a file or stdin.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use crate::failure::Failure;

/// The bytes of `TEXT`, `@FILE` or `-`.
pub(super) fn read(given: OsString) -> Result<Vec<u8>, Failure> {
    if given == "-" {
        let mut value = Vec::new();
        let read = io::stdin().lock().read_to_end(&mut value);
        read.map_err(|error| Failure::failed(format!("stdin cannot be read: {error}")))?;
        return Ok(value);
    }
    match given.as_bytes().strip_prefix(b"@") {
        Some(file) => {
            let file = Path::new(std::ffi::OsStr::from_bytes(file));
            fs::read(file).map_err(|error| {
                Failure::failed(format!("{} cannot be read: {error}", file.display()))
            })
        }
        None => Ok(given.into_vec()),
    }
}
