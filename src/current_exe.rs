//! The path of the running program.
//!
//! Without `/proc`, the path that the kernel recorded at the start is used.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Returns the path of this program.
pub(crate) fn path() -> io::Result<PathBuf> {
    std::env::current_exe().or_else(|_| started_as())
}

/// Returns the path that was executed; links are followed, as in `/proc`.
fn started_as() -> io::Result<PathBuf> {
    let told = rustix::param::linux_execfn().to_bytes();
    Path::new(OsStr::from_bytes(told)).canonicalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_the_kernel_is_equal() {
        assert_eq!(started_as().unwrap(), std::env::current_exe().unwrap());
    }
}
