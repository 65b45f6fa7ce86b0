//! The paths among the settings: their defaults, and their expansion to absolute paths; `~` is the home directory.

use std::collections::BTreeMap;
use std::path::Path;

use super::home;
use super::schema::Settings;
use super::sources::{Origin, Sources};
use crate::error::CliError;

/// The token file in the data directory.
pub(crate) const TOKENS_FILE: &str = "tokens.toml";

/// Sets the default paths, and makes all paths absolute.
pub(super) fn resolve(
    settings: &mut Settings,
    origins: &mut BTreeMap<String, Origin>,
    sources: &Sources,
) -> Result<(), CliError> {
    let listen = settings.http.listen.expand_home();
    listen.map_err(|why| CliError::config(format!("http.listen: unix:{why}")))?;
    if settings.data_dir.is_empty() {
        let (path, why) = sources.install_dir.data_dir();
        origins.insert("data_dir".into(), Origin::Default(why));
        settings.data_dir = absolute("data_dir", &path)?;
    }
    settings.data_dir = absolute("data_dir", Path::new(&settings.data_dir))?;
    if settings.auth.tokens.is_empty() {
        let path = Path::new(&settings.data_dir).join(TOKENS_FILE);
        settings.auth.tokens = absolute("auth.tokens", &path)?;
        let why = Origin::Default("default, in the data directory");
        origins.insert("auth.tokens".into(), why);
    }
    for (key, path) in [
        ("auth.tokens", &mut settings.auth.tokens),
        ("tls.certificate", &mut settings.tls.certificate),
        ("tls.key", &mut settings.tls.key),
        ("tls.client_ca", &mut settings.tls.client_ca),
        ("log.file", &mut settings.log.file),
    ] {
        if !path.is_empty() {
            *path = absolute(key, Path::new(path))?;
        }
    }
    Ok(())
}

fn absolute(key: &str, path: &Path) -> Result<String, CliError> {
    let path = &home::expand(path).map_err(|why| CliError::config(format!("{key}: {why}")))?;
    let absolute = std::path::absolute(path)
        .map_err(|error| CliError::config(format!("invalid {key} {path:?}: {error}")))?;
    let text = absolute.into_os_string().into_string();
    text.map_err(|path| CliError::config(format!("invalid {key} {path:?}: expected UTF-8")))
}
