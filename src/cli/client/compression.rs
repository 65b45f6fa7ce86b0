//! How an export is compressed.

use std::path::Path;

use akvs_client::Encoding;
use clap::ValueEnum;

/// How a file is compressed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    /// What is given, or what the file's name says.
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
