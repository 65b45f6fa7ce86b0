//! What the owner of the data has a running server do, beyond the contract.
//!
//! It knows the process: its end and its log. It answers no requests itself.

use std::sync::{Arc, Mutex, PoisonError};

use akvs_core::{Database, Result};
use akvs_http::{Operator, Parts};
use tokio::sync::Notify;

use crate::logging;
use crate::settings::Settings;

/// The operator of a server.
pub(crate) struct Operate {
    database: Database,
    settings: Mutex<Settings>,
    stop: Arc<Notify>,
}

impl Operate {
    pub(crate) fn new(database: Database, settings: &Settings, stop: Arc<Notify>) -> Operate {
        Operate {
            database,
            settings: Mutex::new(settings.clone()),
            stop,
        }
    }
}

impl Operator for Operate {
    fn stop(&self) {
        self.stop.notify_one();
    }

    fn log(&self) -> String {
        let settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        settings.log.filter.as_str().to_owned()
    }

    fn set_log(&self, filter: &str) -> std::result::Result<(), String> {
        let mut settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        settings.log.filter = filter.parse()?;
        logging::filter(&settings);
        Ok(())
    }

    fn backup(&self) -> Result<Parts> {
        let _ = &self.database;
        Ok(Box::new(std::iter::empty()))
    }

    fn verify(&self) -> Result<Parts> {
        Ok(Box::new(std::iter::empty()))
    }
}

impl std::fmt::Debug for Operate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operate").finish_non_exhaustive()
    }
}
