//! A Python of our own, with the packages that the checks need in the versions that are pinned.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::shell::{self, Result, Tool, on_path, program, root, run};

/// All packages, those that others bring along too.
const REQUIREMENTS: &str = "xtask/openapi/requirements.txt";
const VENV: Tool = Tool {
    name: "python3-venv",
    without: "the document of the API will not be checked",
};

/// A folder with Python and the packages.
pub(super) struct Python(PathBuf);

impl Python {
    /// Sees to it that it is there, and up to date; none where it cannot be had, which is told.
    pub(super) fn provide() -> Result<Option<Python>> {
        let folder = root().join("target/openapi/python");
        let wanted = fs::read_to_string(root().join(REQUIREMENTS))?;
        // Written last, so that what was broken off is begun again.
        let mark = folder.join("requirements.txt");
        if fs::read_to_string(&mark).is_ok_and(|found| found == wanted) {
            return Ok(Some(Python(folder)));
        }
        match Python::make(&folder) {
            Ok(()) => {
                fs::write(mark, wanted)?;
                Ok(Some(Python(folder)))
            }
            Err(error) => {
                eprintln!("could not run: the check of the API's document: {error}");
                Ok(None)
            }
        }
    }

    fn make(folder: &PathBuf) -> Result {
        if !on_path("python3") {
            shell::provide(&VENV);
        }
        let _ = fs::remove_dir_all(folder);
        let make = || run(program("python3", &["-m", "venv"]).arg(folder));
        // Some systems have Python without what it takes to make an environment.
        if make().is_err() {
            shell::provide(&VENV);
            make()?;
        }
        let mut install = program(folder.join("bin/python"), &["-m", "pip", "install"]);
        install.args(["--quiet", "--disable-pip-version-check", "--no-input"]);
        run(install.args(["--requirement", REQUIREMENTS]))
    }

    /// A program of one of the packages.
    pub(super) fn tool(&self, name: &str) -> Command {
        let mut command = program(self.0.join("bin").join(name), &[]);
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }
}
