//! What a running server reads again: tokens as soon as their file changes, and on SIGHUP all that can be changed
//! without a restart.
//!
//! Invariant: what cannot be read changes nothing. A file of tokens that is gone does not take the tokens away.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use akvs_http::ServerHandle;

use super::{certificates, tokens};
use crate::error::CliError;
use crate::logging;
use crate::settings::Settings;

/// What a file looked like: another one, or another text, looks different. None where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileFingerprint(Option<(u64, u64, i64, i64)>);

impl FileFingerprint {
    /// What it looks like now; to be taken before it is read.
    pub(crate) fn at(path: &Path) -> FileFingerprint {
        let found = std::fs::metadata(path).ok();
        FileFingerprint(
            found.map(|found| (found.ino(), found.len(), found.mtime(), found.mtime_nsec())),
        )
    }
}

/// What reads the settings again.
pub(crate) type LoadSettings = dyn Fn() -> Result<Settings, CliError> + Send;

/// The way to renew a server.
pub(crate) struct Reloader {
    load: Box<LoadSettings>,
    settings: Settings,
    handle: ServerHandle,
    tokens: PathBuf,
    fingerprint: FileFingerprint,
}

impl Reloader {
    /// Of a server that was started with these settings, and the tokens of a file that looked so.
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

    /// Heeds the tokens, if their file has changed.
    pub(crate) fn reload_tokens(&mut self) {
        let new = FileFingerprint::at(&self.tokens);
        if new != self.fingerprint {
            self.fingerprint = new;
            // What is wrong is in the log.
            let _ = self.read_tokens();
        }
    }

    fn read_tokens(&self) -> Result<(), String> {
        let path = self.tokens.display();
        if self.fingerprint.0.is_none() {
            log::warn!(
                "{path} is not there; tokens that were read from it hold until the server is started anew"
            );
            return Ok(());
        }
        match tokens(&self.tokens) {
            Ok(found) => {
                let many = found.len();
                self.handle.replace_tokens(found);
                log::info!("{many} tokens from {path}");
                if many == 0 {
                    log::warn!(
                        "where there were tokens, nobody is let in until there are some again"
                    );
                }
            }
            Err(error) => return Err(failed("the tokens stay as they are", &error)),
        }
        Ok(())
    }

    /// Reads again all that can be changed without a restart; an error says what stays as it was.
    pub(crate) fn reload_all(&mut self) -> Result<(), String> {
        log::info!("SIGHUP: reading tokens, certificates and the log's filter again");
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
        match failed.is_empty() {
            true => Ok(()),
            false => Err(failed.join("; ")),
        }
    }

    fn read_others(&self) -> Result<(), String> {
        let settings = match (self.load)() {
            Ok(settings) => settings,
            Err(error) => return Err(failed("the settings stay as they are", &error)),
        };
        logging::apply(&settings);
        let reloaded = match certificates(&settings) {
            Ok(Some(tls)) => {
                self.handle.replace_tls(tls);
                log::info!("certificates renewed");
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(error) => Err(failed("the certificates stay as they are", &error)),
        };
        if !self.needs_no_restart(&settings) {
            log::warn!("some settings have changed that hold from the next start on only");
        }
        reloaded
    }

    /// Whether no setting has changed that needs a restart.
    fn needs_no_restart(&self, new: &Settings) -> bool {
        let mut old = self.settings.clone();
        old.log.filter = new.log.filter.clone();
        // From none to some, or back, is another listener.
        if old.tls.certificate.is_empty() == new.tls.certificate.is_empty() {
            old.tls = new.tls.clone();
        }
        old == *new
    }
}

/// What is to be said of what cannot be read; it is in the log then.
fn failed(what: &str, error: &CliError) -> String {
    let text = format!("{what}: {error}");
    log::error!("{text}");
    text
}
