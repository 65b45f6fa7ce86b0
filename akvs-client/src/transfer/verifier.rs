//! The verification of an exported file: the order of its lines, the number of records, and the checksum.
//!
//! It owns the state of the verification. It does not own the source of the lines. Invariant: only a file with a
//! correct end line ends without an error.

use std::sync::Arc;

use akvs_api::export::Checksum;

use super::line::{self, Line};
use super::record::ExportItem;
use crate::error::{Error, Result, protocol_error};

/// The state of a file that is being verified.
pub(super) struct ExportVerifier {
    sum: Checksum,
    count: u64,
    /// The namespace whose records follow.
    namespace: Option<Arc<str>>,
    is_begun: bool,
    is_ended: bool,
}

impl ExportVerifier {
    pub(super) fn new() -> ExportVerifier {
        ExportVerifier {
            sum: Checksum::default(),
            count: 0,
            namespace: None,
            is_begun: false,
            is_ended: false,
        }
    }

    /// Verifies the next line, with its newline; returns its item, if it has one.
    pub(super) fn line(&mut self, text: &[u8]) -> Result<Option<ExportItem>> {
        if self.is_ended {
            return Err(protocol_error(
                "corrupted export: trailing data after the end line",
            ));
        }
        let namespace = self.namespace.clone().unwrap_or_else(|| "".into());
        let line = line::read(text, &namespace).ok_or_else(invalid_line)?;
        let item = match line {
            Line::End { count, sha256 } => {
                self.end(count, &sha256)?;
                return Ok(None);
            }
            Line::All => {
                self.begin(true)?;
                None
            }
            Line::Section { section, is_first } => {
                self.begin(is_first)?;
                self.namespace = Some(section.namespace.clone());
                Some(ExportItem::Section(section))
            }
            Line::Record(_) if self.namespace.is_none() => return Err(invalid_line()),
            Line::Record(record) => {
                self.count += 1;
                Some(ExportItem::Record(record))
            }
        };
        self.sum.update(text);
        Ok(item)
    }

    /// Returns an error if the file has no end line.
    pub(super) fn finish(&self) -> Result<()> {
        if self.is_ended {
            return Ok(());
        }
        Err(protocol_error("truncated export: it has no end line"))
    }

    /// Checks that a line of the kind that begins a file is the first, and no other is.
    fn begin(&mut self, is_first: bool) -> Result<()> {
        if is_first == self.is_begun {
            return Err(invalid_line());
        }
        self.is_begun = true;
        Ok(())
    }

    fn end(&mut self, count: u64, sha256: &str) -> Result<()> {
        if !self.is_begun {
            return Err(invalid_line());
        }
        if count != self.count {
            return Err(protocol_error(format!(
                "corrupted export: it has {} records, its end line says {count}",
                self.count
            )));
        }
        if !sha256.eq_ignore_ascii_case(&self.sum.hex()) {
            return Err(protocol_error(
                "corrupted export: its SHA-256 differs from the end line",
            ));
        }
        self.is_ended = true;
        Ok(())
    }
}

fn invalid_line() -> Error {
    protocol_error("corrupted export: invalid line")
}
