//! The compression of exports.

use std::path::Path;

use akvs_client::Encoding;
use clap::ValueEnum;

/// A compression.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    /// Returns the given compression, or else that of the file's name.
    pub(super) fn encoding(given: Option<Compression>, file: Option<&Path>) -> Encoding {
        let named = file.and_then(|file| match file.extension()?.to_str()? {
            "gz" => Some(Compression::Gzip),
            "zst" => Some(Compression::Zstd),
            _ => None,
        });
        match given.or(named).unwrap_or(Compression::None) {
            Compression::None => Encoding::Identity,
            Compression::Gzip => Encoding::Gzip,
            Compression::Zstd => Encoding::Zstd,
        }
    }
}
