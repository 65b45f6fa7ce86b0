//! `akvs config`: the effective settings, without a server.
//!
//! `show` prints TOML, which can be used as a config file.

use clap::Subcommand;
use serde_json::Value;

use super::SettingsArgs;
use crate::credentials::Credentials;
use crate::error::CliError;
use crate::listeners::ListenTargets;
use crate::output;
use crate::settings::{Loaded, Settings};

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Print each key with its value and source
    Show(SettingsArgs),
    /// Check that a server would accept these settings
    Check(SettingsArgs),
}

pub(crate) fn run(verb: &Verb) -> Result<(), CliError> {
    let (Verb::Show(flags) | Verb::Check(flags)) = verb;
    let loaded = flags.load()?;
    for warning in loaded.warnings() {
        output::note(&warning);
    }
    let text = match verb {
        Verb::Show(_) => show(&loaded)?,
        Verb::Check(_) => {
            let addresses = ListenTargets::from_settings(&loaded.settings.http.listen)?;
            let credentials = Credentials::read(&loaded.settings)?;
            addresses.check_exposure(!credentials.is_open() || flags.is_unauthenticated())?;
            match &loaded.file {
                Some(file) => format!("the settings are valid; config file {}\n", file.display()),
                None => "the settings are valid; no config file\n".into(),
            }
        }
    };
    output::print(&text)
}

fn show(loaded: &Loaded) -> Result<String, CliError> {
    let lines: Vec<(String, String)> = loaded
        .origins
        .iter()
        .map(|(key, origin)| {
            let value = value(&loaded.settings, key)?;
            Ok((format!("{key} = {value}"), origin.to_string()))
        })
        .collect::<Result<_, CliError>>()?;
    let width = lines
        .iter()
        .map(|(line, _)| line.chars().count())
        .max()
        .unwrap_or_default();
    Ok(lines
        .iter()
        .map(|(line, origin)| format!("{line:width$}  # {}\n", origin.escape_debug()))
        .collect())
}

/// Returns a value as TOML: strings, numbers and lists look as in JSON.
fn value(settings: &Settings, key: &str) -> Result<Value, CliError> {
    let all = serde_json::to_value(settings).map_err(CliError::failed)?;
    let value = key.split('.').try_fold(&all, |table, name| table.get(name));
    Ok(value.cloned().unwrap_or_default())
}
