//! The credentials of a server at its start.

use std::path::Path;

use akvs_http::{Tls, Tokens};

use super::reload::FileFingerprint;
use super::{certificates, tokens};
use crate::error::CliError;
use crate::settings::Settings;

/// The tokens that clients must present, and the certificate of the server.
#[derive(Debug)]
pub(crate) struct Credentials {
    pub(crate) tokens: Tokens,
    pub(crate) tls: Option<Tls>,
    /// The state of the token file when it was read.
    pub(crate) tokens_fingerprint: FileFingerprint,
}

impl Credentials {
    /// Reads the files that the settings name.
    pub(crate) fn read(settings: &Settings) -> Result<Credentials, CliError> {
        let path = Path::new(&settings.auth.tokens);
        // Taken before the file is read: a later change is then noticed.
        let tokens_fingerprint = FileFingerprint::at(path);
        Ok(Credentials {
            tokens: tokens(path)?,
            tls: certificates(settings)?,
            tokens_fingerprint,
        })
    }

    /// Returns true if there are no tokens, so that clients need none.
    pub(crate) fn is_open(&self) -> bool {
        self.tokens.is_empty()
    }
}
