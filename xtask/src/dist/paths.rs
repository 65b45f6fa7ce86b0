//! The directories of a build: the checkout, the target directory, and Cargo's home.
//!
//! It does not know what is built. Invariant: the commands that it returns use no other directories.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use cargo_metadata::{Metadata, MetadataCommand};

use super::TARGET;
use crate::shell::{Result, cargo, program, root};

/// The directories of a build.
#[derive(Clone, Debug)]
pub(crate) struct BuildPaths {
    /// The sources.
    pub(crate) checkout: PathBuf,
    /// The target directory.
    pub(crate) target: PathBuf,
    /// Cargo's home, with the packages.
    pub(crate) cargo_home: PathBuf,
}

impl BuildPaths {
    /// Returns the directories of this checkout.
    pub(crate) fn current() -> Result<BuildPaths> {
        let checkout = root();
        let metadata = MetadataCommand::new()
            .current_dir(&checkout)
            .no_deps()
            .exec()?;
        let home = env::var_os("CARGO_HOME").map(PathBuf::from);
        let cargo_home = home.or_else(|| env::home_dir().map(|home| home.join(".cargo")));
        Ok(BuildPaths {
            checkout,
            target: metadata.target_directory.into(),
            cargo_home: cargo_home.ok_or("no home directory: set CARGO_HOME")?,
        })
    }

    /// Returns a command of cargo in these directories.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = cargo(arguments);
        command
            .current_dir(&self.checkout)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("CARGO_HOME", &self.cargo_home);
        command
    }

    /// Returns a command of git in the checkout.
    pub(crate) fn git(&self, arguments: &[&str]) -> Command {
        let mut command = program("git", arguments);
        command.current_dir(&self.checkout);
        command
    }

    /// Returns the metadata of all packages for the target.
    pub(super) fn metadata(&self) -> Result<Metadata> {
        let options = ["--locked", "--filter-platform", TARGET].map(str::to_owned);
        Ok(MetadataCommand::new()
            .current_dir(&self.checkout)
            .env("CARGO_HOME", &self.cargo_home)
            .other_options(options)
            .exec()?)
    }
}
