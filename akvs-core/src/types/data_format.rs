//! The version of the stored data, and the report of another version.

/// The version of the data, on disk and in backups, that this release writes and reads.
pub const FORMAT: u64 = 3;

/// Returns the text that reports data of another format, and what to do with it.
pub(crate) fn other_format(found: u64) -> String {
    let way_out = match found > FORMAT {
        true => "use a newer release",
        false => "export it with the release that wrote it, then import the export",
    };
    format!("has format {found}: this release reads format {FORMAT}; {way_out}")
}
