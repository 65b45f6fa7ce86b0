//! The check of the files of a data folder, while no process uses it or while its engine is writing.

use super::files::{Files, Live};
use super::start::Start;
use super::{DiskEngine, DiskOptions, OpenError, Snapshot, translate_io};
use crate::data_dir::{Checked, STORE_FOLDER};
use crate::{Report, Result, Revision};

/// Checks the files of a data folder that no process uses and, where all of them are intact, passes the rows to
/// `check_rows`, which returns the highest revision in them.
pub(crate) fn check_folder(
    options: &DiskOptions,
    report: &mut Report<'_>,
    check_rows: impl FnOnce(&dyn Snapshot, &mut Report<'_>) -> Revision,
) -> std::result::Result<(), OpenError> {
    let folder = Checked::read(&options.folder, report)?;
    let files = Files {
        folder: &options.folder,
        store: options.folder.join(STORE_FOLDER),
        live: None,
        synced: folder.synced_commit(),
    };
    let unusable = |error| OpenError::Unusable(options.folder.clone(), error);
    files.check(report).map_err(unusable)?;
    if report.findings() > 0 {
        let why = "the rows were not read because files are damaged";
        report.skip(STORE_FOLDER, 0, None, why);
        return Ok(());
    }
    let strict = DiskOptions {
        accept_lost_commits: false,
        ..options.clone()
    };
    let found = Start::read(&files.store, folder.synced_commit(), &strict);
    match found.and_then(|found| found.read_rows(&strict)) {
        Ok(snapshot) => {
            let revision = check_rows(&snapshot, report);
            let watermark = folder.watermark();
            if revision < watermark {
                let (revision, watermark) = (revision.get(), watermark.get());
                report.rows(format!(
                    "the data ends at revision {revision}, but revision {watermark} was synced"
                ));
            }
        }
        Err(OpenError::Damaged(_, how)) => report.rows(how),
        Err(error) => return Err(error),
    }
    Ok(())
}

impl DiskEngine {
    /// Checks the engine's files while it is in use.
    pub(super) fn check_live_files(&self, report: &mut Report<'_>) -> Result<()> {
        // Everything up to it is in the log, also where commits continue.
        let commit = self.core.writer().commit;
        let files = Files {
            folder: self.folder.path(),
            store: self.folder.store(),
            live: Some(Live {
                commit,
                oldest: &|| self.core.files.oldest(),
            }),
            synced: self.core.synced(),
        };
        let checked = self.folder.check(report);
        checked
            .and_then(|()| files.check(report))
            .map_err(translate_io)
    }
}
