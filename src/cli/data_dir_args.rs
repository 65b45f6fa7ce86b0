//! The arguments that name a data directory, shared by the verbs that look for its server.

use std::path::PathBuf;

use clap::Args;

use crate::error::CliError;
use crate::settings::{Flag, InstallDir, Loaded, Sources, load};

/// The data directory of a server.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct DataDirArgs {
    /// Config file [env: AKVS_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Data directory of the server [default: data next to the program's bin, else ./akvs-data] [env: AKVS_DATA_DIR]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
}

impl DataDirArgs {
    /// Returns the data directory as an absolute path.
    pub(crate) fn data_dir(&self) -> Result<String, CliError> {
        Ok(self.load()?.settings.data_dir)
    }

    /// Loads the settings with these arguments.
    pub(crate) fn load(&self) -> Result<Loaded, CliError> {
        let data_dir = self.data_dir.as_deref().map(|value| Flag {
            name: "--data-dir",
            key: "data_dir",
            value: value.into(),
        });
        load(&Sources {
            config: self.config.clone(),
            environment: std::env::vars_os().collect(),
            flags: data_dir.into_iter().collect(),
            install_dir: InstallDir::current(),
        })
    }
}
