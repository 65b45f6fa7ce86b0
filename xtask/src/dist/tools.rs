//! The tools of a static build: the target's standard library, and a C compiler for it.
//!
//! It installs them if it can; otherwise the error names what to install.

use std::path::Path;

use super::TARGET;
use crate::shell::{self, Result, Tool, on_path, program, read, run};

const MUSL: Tool = Tool {
    name: "musl-tools",
    without: "the C parts (zstd, ring, mimalloc) cannot be compiled for a static program",
};

/// Installs the tools that are missing.
pub(super) fn provide() -> Result {
    if !has_target()? {
        let add = || run(&mut program("rustup", &["target", "add", TARGET]));
        if !on_path("rustup") || add().is_err() || !has_target()? {
            return Err(format!(
                "the standard library for {TARGET} is missing: run `rustup target add {TARGET}`"
            )
            .into());
        }
    }
    // The package has another name than the program.
    let has_compiler = || on_path("musl-gcc");
    if !has_compiler() {
        shell::provide(&MUSL);
    }
    if !has_compiler() {
        return Err("musl-gcc is missing: run `apt-get install musl-tools`".into());
    }
    Ok(())
}

fn has_target() -> Result<bool> {
    let print = ["--print", "target-libdir", "--target", TARGET];
    let folder = read(&mut program("rustc", &print))?;
    Ok(Path::new(folder.trim()).is_dir())
}
