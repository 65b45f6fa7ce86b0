//! What the last line of an export says of those before it.
//!
//! `sha256` is the SHA-256 (FIPS 180-4) of all bytes from the first one of the file up to the first one of the last
//! line, which is each line with the newline that ends it, in lower-case hexadecimal. It is of the text: a
//! `Content-Encoding` is undone before. `count` is how many of the lines are records. A reader takes the sum of the text
//! with other line ends for right too, see [`sums`](super::sums).

use serde::Serialize;
use sha2::{Digest, Sha256};

/// The sum of what was written or read so far.
#[derive(Clone, Default)]
pub(crate) struct Checksum(Sha256);

/// The last line.
#[derive(Serialize)]
struct End {
    end: bool,
    count: u64,
    sha256: String,
}

impl Checksum {
    /// Takes in what comes next.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The sum in hexadecimal.
    pub(super) fn hex(&self) -> String {
        let digest = self.0.clone().finalize();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Writes the last line, after so many records.
    pub(crate) fn write_end(&self, count: u64, text: &mut Vec<u8>) {
        let end = End {
            end: true,
            count,
            sha256: self.hex(),
        };
        super::writer::write(&end, text);
    }
}
