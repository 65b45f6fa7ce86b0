//! The file of this program: for a second process of it, and to find what lies beside it.
//!
//! It does not say what lies there. In a root without `/proc` the kernel's own note of the start has to do.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The path of this program, as it was when it started.
pub(crate) fn path() -> io::Result<PathBuf> {
    std::env::current_exe().or_else(|_| started_as())
}

/// What was started, as the kernel was told; links are followed, as `/proc` does.
fn started_as() -> io::Result<PathBuf> {
    let told = rustix::param::linux_execfn().to_bytes();
    Path::new(OsStr::from_bytes(told)).canonicalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_note_is_the_same_path() {
        assert_eq!(started_as().unwrap(), std::env::current_exe().unwrap());
    }
}
