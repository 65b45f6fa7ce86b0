//! Which server is meant: the one that is named, else the one of the data folder.

use std::path::{Path, PathBuf};
use std::time::Duration;

use akvs_client::{Client, ClientBuilder};
use clap::Args;

use crate::bounded;
use crate::cli::{DataDirArgs, time};
use crate::control;
use crate::control::ControlClient;
use crate::error::CliError;
use crate::settings::expand_home;

/// Which server is meant.
#[derive(Args, Debug, Default)]
pub(crate) struct Target {
    /// The server: HOST:PORT, http://, https:// or unix:PATH [default: the one of the data folder, by its socket] [env: AKVS_URL]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// A file with the token, which is on its first line [env: AKVS_TOKEN with the token itself, AKVS_TOKEN_FILE]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// How long an answer may take: 90, 1500ms, 5m [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = time::timeout)]
    timeout: Option<Duration>,
    #[command(flatten)]
    data_dir: DataDirArgs,
}

/// A client, and what keeps the way to its server open.
pub(crate) struct Connected {
    pub(crate) client: Client,
    _owner: Option<ControlClient>,
}

impl Target {
    /// A client of it. Nothing is sent yet to a server that is named.
    pub(crate) async fn connect(&self) -> Result<Connected, CliError> {
        let mut builder = ClientBuilder::from_env().map_err(CliError::config)?;
        if let Some(url) = &self.url {
            builder = builder.base_url(url);
        }
        if let Some(file) = &self.token_file {
            builder = builder.token(token(file)?);
        }
        if let Some(timeout) = self.timeout {
            builder = builder.timeout(timeout);
        }
        let is_named = std::env::var_os("AKVS_URL").is_some_and(|url| !url.is_empty());
        let server = match self.url.is_some() || is_named {
            true => None,
            false => Some(self.server().await?),
        };
        if let Some(server) = &server {
            builder = builder.unix_socket(server.path());
        }
        Ok(Connected {
            client: builder.build().map_err(CliError::config)?,
            _owner: server,
        })
    }

    async fn server(&self) -> Result<ControlClient, CliError> {
        let data_dir = self.data_dir.data_dir()?;
        let found = ControlClient::find(&data_dir).await?;
        found.ok_or_else(|| {
            let nobody = control::not_running(&data_dir);
            CliError::unreachable(format!(
                "{nobody}; start one with `akvs start`, or name one with --url"
            ))
        })
    }
}

fn token(file: &Path) -> Result<String, CliError> {
    let file = &expand_home(file);
    let file = file.as_ref();
    let file = file.map_err(|why| CliError::config(format!("--token-file: {why}")))?;
    let text = bounded::read_text(file).map_err(|error| {
        let file = file.display();
        CliError::config(format!("--token-file: {file} cannot be read: {error}"))
    })?;
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}
