//! Checking a data folder that nobody has, and the files of an engine that goes on writing.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use super::files::Files;
use super::journal::Live;
use super::{DiskEngine, DiskOptions, Engine, OpenError, translate_io};
use crate::data_dir::{Checked, STORE_FOLDER};
use crate::verify::rows::check_rows;
use crate::{Finding, Progress, Report, Result, Verified};

/// Reads everything in a data folder back: every file as it is on disk and, where all of them are whole, every row. What is
/// wrong is told to `sink` at once. The folder is locked meanwhile, and refused where it is in use.
///
/// The files are only read. To read the rows, the store is opened as a start would open it, which cuts off interrupted
/// writes; where files are damaged it is not, and nothing is changed.
///
/// ```
/// use akvs_core::{DiskEngine, DiskOptions, verify_folder};
/// # let temporary = tempfile::tempdir()?;
/// # let path = temporary.path();
/// let options = DiskOptions::new(path);
/// drop(DiskEngine::open(&options)?);
/// let verified = verify_folder(&options, &mut |finding| println!("{finding}"), &mut |_| ())?;
/// assert_eq!(verified.findings, 0);
/// for left_out in verified.unchecked {
///     println!("not checked: {left_out}");
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn verify_folder(
    options: &DiskOptions,
    sink: &mut dyn FnMut(Finding),
    progress: &mut dyn FnMut(Progress),
) -> std::result::Result<Verified, OpenError> {
    let mut report = Report::new(sink, progress);
    let folder = Checked::read(&options.folder, &mut report)?;
    let files = Files {
        folder: &options.folder,
        store: options.folder.join(STORE_FOLDER),
        live: None,
        synced: folder.synced_commit(),
    };
    let unusable = |error| OpenError::Unusable(options.folder.clone(), error);
    files.check(&mut report).map_err(unusable)?;
    if report.findings() > 0 {
        let why = "its rows were not read, because files are damaged";
        report.leave(STORE_FOLDER, 0, None, why);
        return Ok(report.end());
    }
    let watermark = folder.watermark();
    // The engine takes the folder by itself.
    drop(folder);
    let strict = DiskOptions {
        accept_lost_commits: false,
        ..options.clone()
    };
    match DiskEngine::open(&strict) {
        Ok(engine) => match engine.snapshot() {
            Ok(moment) => {
                let revision = check_rows(&*moment, &mut report);
                if revision < watermark {
                    let (revision, watermark) = (revision.get(), watermark.get());
                    report.rows(format!(
                        "the data ends at revision {revision}, but revision {watermark} had been synced"
                    ));
                }
            }
            Err(error) => report.rows(error.message()),
        },
        Err(OpenError::Damaged(_, how)) => report.rows(how),
        Err(error) => return Err(error),
    }
    Ok(report.end())
}

impl DiskEngine {
    /// Checks the engine's files while it goes on.
    pub(super) fn check_live_files(&self, report: &mut Report<'_>) -> Result<()> {
        let settle = || drop(self.writer.lock().unwrap_or_else(PoisonError::into_inner));
        let commit = self
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .marks
            .commit;
        let files = Files {
            folder: self.folder.path(),
            store: self.folder.store(),
            live: Some(Live {
                settle: &settle,
                commit,
            }),
            synced: self.synced.load(Ordering::Acquire),
        };
        let checked = self.folder.check(report);
        checked
            .and_then(|()| files.check(report))
            .map_err(translate_io)
    }
}
