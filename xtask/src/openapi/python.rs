//! A Python environment with the packages that the checks need, in pinned versions.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::shell::{self, Result, Tool, on_path, program, root, run};

/// All packages, including indirect ones.
const REQUIREMENTS: &str = "xtask/openapi/requirements.txt";
const VENV: Tool = Tool {
    name: "python3-venv",
    without: "the document of the API will not be checked",
};

/// A folder with Python and the packages.
pub(super) struct Python(PathBuf);

impl Python {
    /// Provides the environment, up to date; returns none and prints a note if it cannot.
    pub(super) fn provide() -> Result<Option<Python>> {
        let folder = root().join("target/openapi/python");
        let wanted = fs::read_to_string(root().join(REQUIREMENTS))?;
        // Written last, so that an interrupted installation is repeated.
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
        // Some systems have Python without the module that creates environments.
        if make().is_err() {
            shell::provide(&VENV);
            make()?;
        }
        let mut install = program(folder.join("bin/python"), &["-m", "pip", "install"]);
        install.args(["--quiet", "--disable-pip-version-check", "--no-input"]);
        run(install.args(["--requirement", REQUIREMENTS]))
    }

    /// Returns the command of a program of the packages.
    pub(super) fn tool(&self, name: &str) -> Command {
        let mut command = program(self.0.join("bin").join(name), &[]);
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }
}
