//! The flags that say which data folder is meant, shared by all verbs that look for its server.

use std::path::PathBuf;

use clap::Args;

use crate::error::CliError;
use crate::settings::{Flag, InstallDir, Loaded, Sources, load};

/// Which data folder is meant.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct DataDirArgs {
    /// The config file [env: AKVS_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data folder of the server [default: data beside the program's bin, else ./akvs-data] [env: AKVS_DATA_DIR]
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<String>,
}

impl DataDirArgs {
    /// The data folder, absolute.
    pub(crate) fn data_dir(&self) -> Result<String, CliError> {
        Ok(self.load()?.settings.data_dir)
    }

    /// The settings that hold with these flags.
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
