//! The choice of the server: the named one, or the one of the data directory.

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

/// The server to use.
#[derive(Args, Debug, Default)]
pub(crate) struct Target {
    /// Server: HOST:PORT, http://, https:// or unix:PATH [default: the server of the data directory] [env: AKVS_URL]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// File with the token in its first line [env: AKVS_TOKEN_FILE, or AKVS_TOKEN for the token itself]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Maximum time for an answer: 90, 1500ms, 5m [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = time::timeout)]
    timeout: Option<Duration>,
    #[command(flatten)]
    data_dir: DataDirArgs,
}

/// A client, and the connection that keeps the path of its socket valid.
pub(crate) struct Connected {
    pub(crate) client: Client,
    _control: Option<ControlClient>,
}

impl Target {
    /// Creates a client. Nothing is sent to a named server yet.
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
        let server = if self.url.is_some() || is_named {
            None
        } else {
            Some(self.server().await?)
        };
        if let Some(server) = &server {
            builder = builder.unix_socket(server.path());
        }
        Ok(Connected {
            client: builder.build().map_err(CliError::config)?,
            _control: server,
        })
    }

    async fn server(&self) -> Result<ControlClient, CliError> {
        let data_dir = self.data_dir.data_dir()?;
        let found = ControlClient::find(&data_dir).await?;
        found.ok_or_else(|| {
            let not_running = control::not_running(&data_dir);
            CliError::unreachable(format!(
                "{not_running}; start one with `akvs start`, or name one with --url"
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
        CliError::config(format!("--token-file: cannot read {file}: {error}"))
    })?;
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}
