//! The versions of the stored data, and the report of another version.

/// The version of data directories that this release writes and reads.
pub const FORMAT: u64 = 4;

/// The version of the rows, in data directories and in backups, that this release writes and reads.
pub const ROWS_FORMAT: u64 = 3;

/// The oldest version of data directories whose backups have these rows.
const OLDEST_WITH_THESE_ROWS: u64 = 3;

/// Returns the text that reports a data directory of another format, and what to do with it.
pub(crate) fn other_format(found: u64) -> String {
    let way_out = match found {
        newer if newer > FORMAT => "use a newer release",
        OLDEST_WITH_THESE_ROWS.. => {
            "back it up with the release that wrote it, then restore the backup"
        }
        _ => EXPORT,
    };
    format!("has format {found}: this release reads format {FORMAT}; {way_out}")
}

/// Returns the text that reports rows of another format, and what to do with them.
pub(crate) fn other_rows_format(found: u64) -> String {
    let way_out = match found > ROWS_FORMAT {
        true => "use a newer release",
        false => EXPORT,
    };
    format!("has format {found}: this release reads format {ROWS_FORMAT}; {way_out}")
}

const EXPORT: &str = "export it with the release that wrote it, then import the export";
