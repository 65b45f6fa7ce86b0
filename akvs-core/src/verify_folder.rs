//! The check of a whole data folder while no process uses it: its files by the engine, then its rows.

use crate::engine::disk::check_folder;
use crate::verify::rows::check_rows;
use crate::{DiskOptions, Finding, OpenError, Progress, Report, Verified};

/// Reads and checks all data in a folder: every file as it is on disk and, where all files are intact, every row.
/// Findings are passed to `sink` at once. The folder is locked meanwhile, and refused if it is in use.
///
/// Nothing is written, and no file of the store that has data of it is removed. If files are damaged the rows are not read.
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
) -> Result<Verified, OpenError> {
    let mut report = Report::new(sink, progress);
    check_folder(options, &mut report, check_rows)?;
    Ok(report.finish())
}
