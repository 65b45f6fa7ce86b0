//! Backup, restore and verification without a server.
//!
//! It locks the data directory as a server does, so that none can run at the same time. It reads no settings and prints
//! nothing.

use std::io::{Read, Write};
use std::path::Path;

use akvs_core::{
    BackupSummary, Database, OpenError, Options, Progress, RestoreError, Timestamp, folder_format,
    verify_folder,
};

use super::admin;
use super::admin::VerifyEvent;
use super::{disk_options, open_disk, open_error};
use crate::clock;
use crate::error::CliError;
use crate::plural::plural;
use crate::settings::Settings;
use crate::threads;

/// Describes a backup in one line.
pub(crate) fn summary(backup: &BackupSummary) -> String {
    format!(
        "{} in {}, up to revision {}, created {} by akvs {}",
        plural(backup.keys, "key"),
        plural(backup.namespaces, "namespace"),
        backup.revision,
        humantime::format_rfc3339_seconds(clock::from_millis(backup.created.as_millis())),
        backup.version
    )
}

/// Fails if the engine cannot run on this system: it would panic.
fn check_system() -> Result<(), CliError> {
    clock::check(clock::now())?;
    threads::check_engine()
}

/// Fails if the data directory has no data.
fn expect_data(settings: &Settings) -> Result<(), CliError> {
    if Path::new(&settings.data_dir).join("akvs.format").exists() {
        return Ok(());
    }
    Err(CliError::failed(format!(
        "no data in {}, and no running server",
        settings.data_dir
    )))
}

/// Writes a backup of a data directory.
pub(crate) fn backup(
    settings: &Settings,
    out: &mut dyn Write,
    progress: &mut dyn FnMut(Option<f64>),
) -> Result<(), CliError> {
    expect_data(settings)?;
    check_system()?;
    let options = Options {
        now: Some(Timestamp::from_millis(clock::now_millis())),
        ..Options::default()
    };
    let database = Database::open(open_disk(settings)?, options);
    let database = database.map_err(|error| CliError::failed(error.message()))?;
    let mut backup = admin::backup(&database).map_err(|error| CliError::failed(error.message()))?;
    while let Some(part) = backup.next() {
        let part = part.map_err(|error| CliError::failed(error.message()))?;
        out.write_all(&part)
            .map_err(|error| CliError::failed(format!("cannot write the backup: {error}")))?;
        progress(backup.progress().fraction());
    }
    Ok(())
}

/// Restores a backup into a data directory.
pub(crate) fn restore(
    settings: &Settings,
    backup: impl Read,
    progress: &mut dyn FnMut(Option<f64>),
) -> Result<BackupSummary, CliError> {
    check_system()?;
    let mut report = |how_far: Progress| progress(how_far.fraction());
    let now = Timestamp::from_millis(clock::now_millis());
    akvs_core::restore(backup, &disk_options(settings), now, &mut report).map_err(|error| {
        if matches!(error, RestoreError::Folder(OpenError::Locked(..))) {
            return CliError::in_use(error);
        }
        CliError::failed(error)
    })
}

/// Reads and checks a whole backup.
pub(crate) fn verify_backup(
    backup: impl Read,
    progress: &mut dyn FnMut(Option<f64>),
) -> Result<BackupSummary, CliError> {
    let mut report = |how_far: Progress| progress(how_far.fraction());
    akvs_core::verify_backup(backup, &mut report).map_err(CliError::failed)
}

/// Checks that the data directory is empty, or holds data of this format.
pub(crate) fn check_format(settings: &Settings) -> Result<(), CliError> {
    let format = folder_format(&disk_options(settings));
    let checked = format.map(drop);
    checked.map_err(|error| open_error(&error, settings))
}

/// Verifies a data directory.
pub(crate) fn verify(
    settings: &Settings,
    report: &mut dyn FnMut(VerifyEvent),
) -> Result<(), CliError> {
    expect_data(settings)?;
    check_system()?;
    let report = std::cell::RefCell::new(report);
    let verified = verify_folder(
        &disk_options(settings),
        &mut |finding| (report.borrow_mut())(VerifyEvent::Finding(finding.to_string())),
        &mut |how_far| (report.borrow_mut())(VerifyEvent::Progress(how_far.fraction())),
    );
    let verified = verified.map_err(|error| open_error(&error, settings))?;
    (report.borrow_mut())(admin::verified(&verified));
    Ok(())
}
