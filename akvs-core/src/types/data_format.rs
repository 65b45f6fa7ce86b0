//! The versions of the stored data, and the report of another version.

/// The version of data directories that this release writes and reads.
pub const FORMAT: u64 = 4;

/// The version of the rows, in data directories and in backups, that this release writes and reads.
pub const ROWS_FORMAT: u64 = 3;

/// Returns the text that reports rows of another format, and what to do with them.
pub(crate) fn other_rows_format(found: u64) -> String {
    let way_out = match found > ROWS_FORMAT {
        true => "use a newer release",
        false => EXPORT,
    };
    format!("has format {found}: this release reads format {ROWS_FORMAT}; {way_out}")
}

/// What to do with data of a format that no backup brings here.
pub(crate) const EXPORT: &str = "export it with the release that wrote it, then import the export";
