//! The arguments that set settings, shared by all verbs that use them.
//!
//! It owns their names and help. `settings` parses and checks the values.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;
use config::ValueKind;

use crate::error::CliError;
use crate::settings::{Durability, EngineKind, Flag, InstallDir, Loaded, LogFormat, Sources, load};

/// The settings of a command line.
#[derive(Args, Clone, Debug)]
pub(crate) struct SettingsArgs {
    /// Config file [env: AKVS_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address to listen on; may be repeated [default: 127.0.0.1:8080] [env: AKVS_HTTP__LISTEN]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Vec<String>,
    /// Data directory [default: data next to the program's bin, else ./akvs-data] [env: AKVS_DATA_DIR]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// Storage engine; memory loses all data when the server stops [default: disk] [env: AKVS_ENGINE__KIND]
    #[arg(long, value_parser = PossibleValuesParser::new(EngineKind::WORDS))]
    engine: Option<String>,
    /// Sync a write before its answer, or at an interval [default: fsync] [env: AKVS_ENGINE__DURABILITY]
    #[arg(long, value_parser = PossibleValuesParser::new(Durability::WORDS))]
    durability: Option<String>,
    /// Log filter, such as debug or info,akvs_http=debug [default: info] [env: AKVS_LOG, RUST_LOG]
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// Log format; auto is text on a terminal, else JSON [default: auto] [env: AKVS_LOG__FORMAT]
    #[arg(long, value_parser = PossibleValuesParser::new(LogFormat::WORDS))]
    log_format: Option<String>,
    /// Log file [default: stderr; for `start`, akvs.log in the data directory] [env: AKVS_LOG__FILE]
    #[arg(long, value_name = "FILE")]
    log_file: Option<String>,
    /// Allow addresses that other machines can reach although there are no tokens
    #[arg(long)]
    unauthenticated: bool,
}

impl SettingsArgs {
    /// Loads the settings with these arguments.
    pub(crate) fn load(&self) -> Result<Loaded, CliError> {
        load(&Sources {
            config: self.config.clone(),
            environment: std::env::vars_os().collect(),
            flags: self.given(),
            install_dir: InstallDir::current(),
        })
    }

    /// Returns the arguments for another process of this program.
    pub(crate) fn to_args(&self) -> Vec<OsString> {
        let mut to_args: Vec<OsString> = Vec::new();
        if let Some(config) = &self.config {
            to_args.extend(["--config".into(), config.into()]);
        }
        for Flag { name, value, .. } in self.given() {
            for value in words(value) {
                to_args.extend([name.into(), value.into()]);
            }
        }
        if self.unauthenticated {
            to_args.push("--unauthenticated".into());
        }
        to_args
    }

    /// Adds a log file, which a setting overrides.
    pub(crate) fn or_log_file(&self, file: &str) -> SettingsArgs {
        SettingsArgs {
            log_file: self.log_file.clone().or_else(|| Some(file.to_owned())),
            ..self.clone()
        }
    }

    /// Returns true for `--unauthenticated`.
    pub(crate) fn is_unauthenticated(&self) -> bool {
        self.unauthenticated
    }

    fn given(&self) -> Vec<Flag> {
        let one = |name, key, value: &Option<String>| {
            let value = value.as_deref()?.into();
            Some(Flag { name, key, value })
        };
        let listen = (!self.listen.is_empty()).then(|| Flag {
            name: "--listen",
            key: "http.listen",
            value: self.listen.clone().into(),
        });
        let others = [
            one("--data-dir", "data_dir", &self.data_dir),
            one("--engine", "engine.kind", &self.engine),
            one("--durability", "engine.durability", &self.durability),
            one("--log", "log.filter", &self.log),
            one("--log-format", "log.format", &self.log_format),
            one("--log-file", "log.file", &self.log_file),
        ];
        listen
            .into_iter()
            .chain(others.into_iter().flatten())
            .collect()
    }
}

/// Returns a value as arguments; a list as several.
fn words(value: ValueKind) -> Vec<String> {
    if let ValueKind::Array(list) = value {
        return list.into_iter().map(|one| one.to_string()).collect();
    }
    vec![value.to_string()]
}
