//! Whether a file came whole: its order, how many records there are, and the sum of all bytes.
//!
//! It owns what was seen so far. It does not know where lines come from. Invariant: only a file whose last line is
//! there and right ends without an error.

use std::sync::Arc;

use akvs_api::export::Checksum;

use super::line::{self, Line};
use super::record::ExportItem;
use crate::error::{Error, Result, protocol_error};

/// What was seen of a file.
pub(super) struct ExportVerifier {
    sum: Checksum,
    count: u64,
    /// The namespace whose records come.
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

    /// Takes in the next line, with its newline, and gives what it tells.
    pub(super) fn line(&mut self, text: &[u8]) -> Result<Option<ExportItem>> {
        if self.is_ended {
            return Err(protocol_error("the export goes on behind its last line"));
        }
        let outside = || "".into();
        let namespace = self.namespace.clone().unwrap_or_else(outside);
        let line = line::read(text, &namespace).ok_or_else(unreadable)?;
        let told = match line {
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
            Line::Record(_) if self.namespace.is_none() => return Err(unreadable()),
            Line::Record(record) => {
                self.count += 1;
                Some(ExportItem::Record(record))
            }
        };
        self.sum.update(text);
        Ok(told)
    }

    /// Says that nothing more comes.
    pub(super) fn finish(&self) -> Result<()> {
        match self.is_ended {
            true => Ok(()),
            false => Err(protocol_error(
                "the export ends without its last line: it was cut off",
            )),
        }
    }

    /// The first line is the first one, and no other is.
    fn begin(&mut self, is_first: bool) -> Result<()> {
        match is_first == self.is_begun {
            true => Err(unreadable()),
            false => {
                self.is_begun = true;
                Ok(())
            }
        }
    }

    fn end(&mut self, count: u64, sha256: &str) -> Result<()> {
        if !self.is_begun {
            return Err(unreadable());
        }
        if count != self.count {
            let text = format!("{} of {count} records of the export came", self.count);
            return Err(protocol_error(text));
        }
        if !sha256.eq_ignore_ascii_case(&self.sum.hex()) {
            return Err(protocol_error(
                "the export was changed on the way: its SHA-256 is another",
            ));
        }
        self.is_ended = true;
        Ok(())
    }
}

fn unreadable() -> Error {
    protocol_error("a line of the export cannot be read")
}
