//! The reload of a running server: tokens when their file changes, and on SIGHUP everything that can change without a
//! restart.
//!
//! Invariant: a file that cannot be read changes nothing. A deleted token file does not delete the tokens.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use akvs_http::ServerHandle;

use super::{certificates, tokens};
use crate::error::CliError;
use crate::logging;
use crate::plural::plural;
use crate::settings::Settings;

/// Identity and modification time of a file; none if it does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileFingerprint(Option<(u64, u64, i64, i64)>);

impl FileFingerprint {
    /// Takes the fingerprint of a file; must be called before the file is read.
    pub(crate) fn at(path: &Path) -> FileFingerprint {
        let found = std::fs::metadata(path).ok();
        FileFingerprint(
            found.map(|found| (found.ino(), found.len(), found.mtime(), found.mtime_nsec())),
        )
    }
}

/// A function that loads the settings again.
pub(crate) type LoadSettings = dyn Fn() -> Result<Settings, CliError> + Send;

/// The reload of one server.
pub(crate) struct Reloader {
    load: Box<LoadSettings>,
    settings: Settings,
    handle: ServerHandle,
    tokens: PathBuf,
    fingerprint: FileFingerprint,
}

impl Reloader {
    /// Creates the reload of a server with these settings, whose tokens were read from a file with this fingerprint.
    pub(crate) fn new(
        load: Box<LoadSettings>,
        settings: &Settings,
        fingerprint: FileFingerprint,
        handle: ServerHandle,
    ) -> Reloader {
        let tokens = PathBuf::from(&settings.auth.tokens);
        Reloader {
            load,
            settings: settings.clone(),
            handle,
            tokens,
            fingerprint,
        }
    }

    /// Reloads the tokens if their file has changed.
    pub(crate) fn reload_tokens(&mut self) {
        let new = FileFingerprint::at(&self.tokens);
        if new != self.fingerprint {
            self.fingerprint = new;
            // The error is in the log.
            let _ = self.read_tokens();
        }
    }

    fn read_tokens(&self) -> Result<(), String> {
        let path = self.tokens.display();
        if self.fingerprint.0.is_none() {
            log::warn!(
                "token file {path} does not exist; its tokens stay valid until the server is restarted"
            );
            return Ok(());
        }
        match tokens(&self.tokens) {
            Ok(found) => {
                let count = found.len();
                self.handle.replace_tokens(found);
                log::info!("loaded {} from {path}", plural(count as u64, "token"));
                if count == 0 {
                    log::warn!(
                        "the token file has no tokens any more; all requests are refused until it has one or the server \
                         is restarted"
                    );
                }
            }
            Err(error) => return Err(failed("tokens not reloaded", &error)),
        }
        Ok(())
    }

    /// Reloads everything that can change without a restart. The error says what was not reloaded.
    pub(crate) fn reload_all(&mut self) -> Result<(), String> {
        log::info!("SIGHUP: reloading tokens, certificates and the log filter");
        self.fingerprint = FileFingerprint::at(&self.tokens);
        let tokens = match self.fingerprint.0 {
            Some(_) => self.read_tokens(),
            None => Ok(()),
        };
        let others = self.read_others();
        let failed: Vec<String> = [tokens, others]
            .into_iter()
            .filter_map(Result::err)
            .collect();
        if failed.is_empty() {
            Ok(())
        } else {
            Err(failed.join("; "))
        }
    }

    fn read_others(&self) -> Result<(), String> {
        let settings = match (self.load)() {
            Ok(settings) => settings,
            Err(error) => return Err(failed("settings not reloaded", &error)),
        };
        logging::apply(&settings);
        let reloaded = match certificates(&settings) {
            Ok(Some(tls)) => {
                self.handle.replace_tls(tls);
                log::info!("certificates reloaded");
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(error) => Err(failed("certificates not reloaded", &error)),
        };
        if !self.needs_no_restart(&settings) {
            log::warn!("some changed settings take effect only after a restart");
        }
        reloaded
    }

    /// Returns true if no setting has changed that needs a restart.
    fn needs_no_restart(&self, new: &Settings) -> bool {
        let mut old = self.settings.clone();
        old.log.filter = new.log.filter.clone();
        // Turning TLS on or off needs another listener.
        if old.tls.certificate.is_empty() == new.tls.certificate.is_empty() {
            old.tls = new.tls.clone();
        }
        old == *new
    }
}

/// Logs and returns the text of an error.
fn failed(what: &str, error: &CliError) -> String {
    let text = format!("{what}: {error}");
    log::error!("{text}");
    text
}
