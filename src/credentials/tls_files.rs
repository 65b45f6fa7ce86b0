//! The files of TLS.

use std::path::Path;

use akvs_http::{Tls, TlsError};

use crate::bounded;
use crate::error::CliError;
use crate::settings::Settings;

/// Reads the files that the settings name; none if they name none.
pub(crate) fn read(settings: &Settings) -> Result<Option<Tls>, CliError> {
    let tls = &settings.tls;
    if tls.certificate.is_empty() {
        return Ok(None);
    }
    let read = |key: &str, path: &str| {
        let text = bounded::read(Path::new(path), bounded::MAX_BYTES);
        text.map_err(|error| CliError::config(format!("{key}: cannot read {path}: {error}")))
    };
    let certificate = read("tls.certificate", &tls.certificate)?;
    let key = read("tls.key", &tls.key)?;
    let client_ca = match &*tls.client_ca {
        "" => None,
        path => Some(read("tls.client_ca", path)?),
    };
    let made = Tls::new(&certificate, &key, client_ca.as_deref());
    made.map(Some).map_err(|error| {
        let (name, path, why) = match &error {
            TlsError::Certificate(why) => ("tls.certificate", &tls.certificate, why),
            TlsError::Key(why) => ("tls.key", &tls.key, why),
            TlsError::ClientCa(why) => ("tls.client_ca", &tls.client_ca, why),
            error => return CliError::config(error),
        };
        CliError::config(format!("{name}: {path}: {why}"))
    })
}
