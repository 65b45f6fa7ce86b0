//! What the files say when a server starts.

use std::path::Path;

use akvs_http::{Tls, Tokens};

use super::reload::FileFingerprint;
use super::{certificates, tokens};
use crate::error::CliError;
use crate::settings::Settings;

/// Who may, and by which certificate the server is known.
#[derive(Debug)]
pub(crate) struct Credentials {
    pub(crate) tokens: Tokens,
    pub(crate) tls: Option<Tls>,
    /// What the file of tokens looked like when it was read.
    pub(crate) tokens_fingerprint: FileFingerprint,
}

impl Credentials {
    /// Reads the files that the settings name.
    pub(crate) fn read(settings: &Settings) -> Result<Credentials, CliError> {
        let path = Path::new(&settings.auth.tokens);
        // Before it is read: what changes meanwhile is read again.
        let tokens_fingerprint = FileFingerprint::at(path);
        Ok(Credentials {
            tokens: tokens(path)?,
            tls: certificates(settings)?,
            tokens_fingerprint,
        })
    }

    /// Whether everybody may do everything.
    pub(crate) fn is_open(&self) -> bool {
        self.tokens.is_empty()
    }
}
