//! What a static build needs besides the Rust toolchain: the target's standard library, and a C compiler for it.
//!
//! Installs them where it can; where it cannot, the error says what to install.

use std::path::Path;

use super::TARGET;
use crate::shell::{self, Result, Tool, on_path, program, read, run};

const MUSL: Tool = Tool {
    name: "musl-tools",
    without: "the C parts (zstd, ring, mimalloc) cannot be compiled for a static program",
};

/// Sees to it that both are there.
pub(super) fn provide() -> Result {
    if !has_target()? {
        let add = || run(&mut program("rustup", &["target", "add", TARGET]));
        if !on_path("rustup") || add().is_err() || !has_target()? {
            let what = format!("the standard library for {TARGET} is missing");
            return Err(format!("{what}: rustup target add {TARGET}").into());
        }
    }
    // The package is not called like its program.
    let has_compiler = || on_path("musl-gcc");
    if !has_compiler() {
        shell::provide(&MUSL);
    }
    if !has_compiler() {
        return Err("musl-gcc is missing: apt-get install musl-tools".into());
    }
    Ok(())
}

fn has_target() -> Result<bool> {
    let print = ["--print", "target-libdir", "--target", TARGET];
    let folder = read(&mut program("rustc", &print))?;
    Ok(Path::new(folder.trim()).is_dir())
}
