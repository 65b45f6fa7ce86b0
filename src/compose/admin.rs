//! What the owner of the data has a running server do, beyond the contract.
//!
//! It knows the process: its end, its log, its data. It answers no requests itself.

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

/// What a check may be ahead of who reads it.
const MAX_QUEUED_EVENTS: usize = 64;
/// How many parts that were left out for one reason are named.
const MAX_NAMED_PARTS: usize = 3;

/// The operator of a server.
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
            let text = "a check is under way already";
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
            return Err(Error::new(Code::Unavailable, "there is no thread for it").because(error));
        }
        Ok(Box::new(Lines(received)))
    }
}

impl std::fmt::Debug for ServerAdmin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerAdmin").finish_non_exhaustive()
    }
}

/// A backup as of now, by this release.
pub(super) fn backup(database: &Database) -> Result<Backup> {
    let now = Timestamp::from_millis(clock::now_millis());
    database.backup(now, env!("CARGO_PKG_VERSION"))
}

/// What a check tells, a line each.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum VerifyEvent {
    /// How much of it is done.
    Progress(Option<f64>),
    /// What is wrong.
    Finding(String),
    /// The end, and what was checked.
    Verified {
        files: u64,
        bytes: u64,
        rows: u64,
        findings: u64,
        unchecked: Vec<String>,
    },
    /// Why it came to no end.
    Failed(String),
}

/// The end of a check.
pub(super) fn verified(verified: &Verified) -> VerifyEvent {
    VerifyEvent::Verified {
        files: verified.files,
        bytes: verified.bytes,
        rows: verified.rows,
        findings: verified.findings,
        unchecked: unchecked(&verified.unchecked),
    }
}

/// What was left out, a line for each reason: there may be many files for one.
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

/// Checks everything; where nobody listens any more, it goes on, and is heard of in the log.
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

/// What a check tells, as lines.
struct Lines(Receiver<VerifyEvent>);

impl Iterator for Lines {
    type Item = Result<Bytes>;

    fn next(&mut self) -> Option<Result<Bytes>> {
        let event = self.0.recv().ok()?;
        let line = serde_json::to_vec(&event).map(|mut line| {
            line.push(b'\n');
            Bytes::from(line)
        });
        let unwritten = "a line of the check cannot be written";
        Some(line.map_err(|error| Error::new(Code::Storage, unwritten).because(error)))
    }
}
