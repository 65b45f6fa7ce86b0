//! The paths among the settings: where they are where nothing is chosen, and all of them absolute; `~` is the home
//! folder.

use std::collections::BTreeMap;
use std::path::Path;

use super::home;
use super::schema::Settings;
use super::sources::{Origin, Sources};
use crate::error::CliError;

/// The file of tokens in the data folder.
pub(crate) const TOKENS_FILE: &str = "tokens.toml";

/// Puts the default paths where none is chosen, and makes all of them absolute.
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
        let why = Origin::Default("default, in the data folder");
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
    let absolute = std::path::absolute(path).map_err(|error| {
        let path = path.display();
        CliError::config(format!("{key}: {path} is nowhere: {error}"))
    })?;
    let text = absolute.into_os_string().into_string();
    text.map_err(|path| CliError::config(format!("{key}: {} is not UTF-8", path.display())))
}
