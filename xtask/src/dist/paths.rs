//! The folders of a build: the checkout, the build's output, and the packages.
//!
//! It does not know what is built. The programs that it starts know no other folders.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use cargo_metadata::{Metadata, MetadataCommand};

use super::TARGET;
use crate::shell::{Result, cargo, program, root};

/// A place to build in.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The sources.
    pub(crate) checkout: PathBuf,
    /// What is built.
    pub(crate) target: PathBuf,
    /// Cargo's own folder, with the packages.
    pub(crate) cargo_home: PathBuf,
}

impl Place {
    /// This checkout, with the folders that everything else here uses.
    pub(crate) fn here() -> Result<Place> {
        let checkout = root();
        let metadata = MetadataCommand::new()
            .current_dir(&checkout)
            .no_deps()
            .exec()?;
        let home = env::var_os("CARGO_HOME").map(PathBuf::from);
        let cargo_home = home.or_else(|| env::home_dir().map(|home| home.join(".cargo")));
        Ok(Place {
            checkout,
            target: metadata.target_directory.into(),
            cargo_home: cargo_home.ok_or("neither CARGO_HOME nor a home folder is known")?,
        })
    }

    /// The cargo that started us, at work in this place.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = cargo(arguments);
        command
            .current_dir(&self.checkout)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("CARGO_HOME", &self.cargo_home);
        command
    }

    /// Git, at work in the checkout.
    pub(crate) fn git(&self, arguments: &[&str]) -> Command {
        let mut command = program("git", arguments);
        command.current_dir(&self.checkout);
        command
    }

    /// All packages that what runs on the target could need.
    pub(super) fn metadata(&self) -> Result<Metadata> {
        let options = ["--locked", "--filter-platform", TARGET].map(str::to_owned);
        Ok(MetadataCommand::new()
            .current_dir(&self.checkout)
            .env("CARGO_HOME", &self.cargo_home)
            .other_options(options)
            .exec()?)
    }
}
