//! The administration of a running server, beyond the HTTP contract: its stop, its log, backups and checks of its data.
//!
//! It does not answer requests itself; `akvs-http` calls it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use akvs_core::{Backup, Code, Database, Error, Result, Timestamp, Unchecked, Verified};
use akvs_http::{AdminApi, ByteChunks};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::settings::Settings;
use crate::{clock, logging};

/// Maximum number of events of a check that its reader has not received yet.
const MAX_QUEUED_EVENTS: usize = 64;
/// Maximum number of unchecked parts that one line names.
const MAX_NAMED_PARTS: usize = 3;

/// The administration of one server.
pub(super) struct ServerAdmin {
    database: Database,
    settings: Mutex<Settings>,
    stop: Arc<Notify>,
    is_verifying: Arc<AtomicBool>,
}

impl ServerAdmin {
    pub(super) fn new(database: Database, settings: &Settings, stop: Arc<Notify>) -> ServerAdmin {
        ServerAdmin {
            database,
            settings: Mutex::new(settings.clone()),
            stop,
            is_verifying: Arc::default(),
        }
    }
}

impl AdminApi for ServerAdmin {
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
        logging::apply(&settings);
        Ok(())
    }

    fn backup(&self) -> Result<ByteChunks> {
        Ok(Box::new(backup(&self.database)?))
    }

    fn verify(&self) -> Result<ByteChunks> {
        if self.is_verifying.swap(true, Ordering::AcqRel) {
            let text = "another verification is running";
            return Err(Error::new(Code::Overloaded, text).with("retry_after_s", 5));
        }
        let (events, received) = sync_channel(MAX_QUEUED_EVENTS);
        let (database, is_verifying) = (self.database.clone(), Arc::clone(&self.is_verifying));
        let work = move || {
            verify(&database, &events);
            is_verifying.store(false, Ordering::Release);
        };
        let thread = std::thread::Builder::new().name("verify".into());
        if let Err(error) = thread.spawn(work) {
            self.is_verifying.store(false, Ordering::Release);
            return Err(Error::new(
                Code::Unavailable,
                "cannot start a thread for the verification",
            )
            .because(error));
        }
        Ok(Box::new(Lines(received)))
    }
}

impl std::fmt::Debug for ServerAdmin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerAdmin").finish_non_exhaustive()
    }
}

/// Starts a backup of the current state.
pub(super) fn backup(database: &Database) -> Result<Backup> {
    let now = Timestamp::from_millis(clock::now_millis());
    database.backup(now, env!("CARGO_PKG_VERSION"))
}

/// One line of the output of a verification.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum VerifyEvent {
    /// Fraction that is done.
    Progress(Option<f64>),
    /// An error that was found.
    Finding(String),
    /// The end, with the totals.
    Verified {
        files: u64,
        bytes: u64,
        rows: u64,
        findings: u64,
        unchecked: Vec<String>,
    },
    /// The reason why the verification failed.
    Failed(String),
}

/// Converts the result of a verification.
pub(super) fn verified(verified: &Verified) -> VerifyEvent {
    VerifyEvent::Verified {
        files: verified.files,
        bytes: verified.bytes,
        rows: verified.rows,
        findings: verified.findings,
        unchecked: unchecked(&verified.unchecked),
    }
}

/// Lists the parts that were not checked, a line per reason: one reason may apply to many files.
fn unchecked(parts: &[Unchecked]) -> Vec<String> {
    let mut lines: Vec<(&str, Vec<String>)> = Vec::new();
    for part in parts {
        let what = match (part.start, part.end) {
            (0, None) => part.path.display().to_string(),
            (start, None) => format!("{} from byte {start}", part.path.display()),
            (start, Some(end)) => {
                format!("{} bytes {start} to {}", part.path.display(), end - 1)
            }
        };
        match lines.iter_mut().find(|(why, _)| *why == part.why) {
            Some((_, parts)) => parts.push(what),
            None => lines.push((&part.why, vec![what])),
        }
    }
    let line = |(why, parts): (&str, Vec<String>)| {
        let shown = parts.len().min(MAX_NAMED_PARTS);
        let more = match parts.len() - shown {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("{}{more}: {why}", parts[..shown].join(", "))
    };
    lines.into_iter().map(line).collect()
}

/// Verifies the database. It continues if the client is gone; findings are logged too.
fn verify(database: &Database, events: &SyncSender<VerifyEvent>) {
    let mut percent = 0;
    let checked = database.verify(
        &mut |finding| {
            log::error!("verify: {finding}");
            let _ = events.send(VerifyEvent::Finding(finding.to_string()));
        },
        &mut |how_far| {
            let fraction = how_far.fraction();
            let now = fraction.map_or(0, |fraction| (fraction * 100.0) as u32);
            if now > percent {
                percent = now;
                let _ = events.send(VerifyEvent::Progress(fraction));
            }
        },
    );
    let _ = events.send(match checked {
        Ok(all) => verified(&all),
        Err(error) => VerifyEvent::Failed(error.message().to_owned()),
    });
}

/// The events of a verification as lines.
struct Lines(Receiver<VerifyEvent>);

impl Iterator for Lines {
    type Item = Result<Bytes>;

    fn next(&mut self) -> Option<Result<Bytes>> {
        let event = self.0.recv().ok()?;
        let line = serde_json::to_vec(&event).map(|mut line| {
            line.push(b'\n');
            Bytes::from(line)
        });
        let unwritten = "cannot encode a line of the verification";
        Some(line.map_err(|error| Error::new(Code::Storage, unwritten).because(error)))
    }
}
