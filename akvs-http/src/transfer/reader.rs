//! The reader of an import: it checks the order of the lines and that the file is complete, and returns the records in
//! batches. It knows no store.
//!
//! Invariant: it returns no record before the first line was checked, and no record whose namespace is in doubt.
//!
//! A text editor or a transfer in text mode may change line ends, add empty lines or a byte order mark, or remove the last
//! newline. Such files are accepted.

use akvs_core::{Code, Error, Result};
use bytes::Bytes;

use super::ContentCoding;
use super::format::{First, Line, Record, Section};
use super::lines::{Lines, Piece};
use super::mistaken::{self, MARK};
use super::report::{Errors, MAX_ERRORS};
use super::sums::Sums;
use crate::request::body::Limits;
use crate::request::json;

/// The maximum number of records of a batch, which is one transaction.
const BATCH_RECORDS: usize = 1_000;
/// The bytes of records after which a batch ends, unless that is more than this part of the memory.
const BATCH_BYTES: usize = 1 << 20;
const BATCH_DIVISOR: usize = 16;
/// The bytes of lines after which a batch ends.
const BATCH_READ_BYTES: usize = 4 << 20;
/// The first bytes of any record.
const RECORD: &[u8] = b"{\"key";

/// A reader of an exported file.
pub(crate) struct Reader {
    lines: Lines,
    coding: ContentCoding,
    limits: Limits,
    batch_bytes: usize,
    sums: Sums,
    number: u64,
    records: u64,
    /// The number of lines that were reported as wrong.
    errors: usize,
    parser: ParserState,
    /// Whether the input has ended.
    is_finished: bool,
}

/// The position of the reader in the structure of the file.
#[derive(Clone, Copy, Debug)]
enum ParserState {
    Start,
    /// Within the records of an export of one namespace.
    One,
    /// Within the records of an export of several namespaces: the announced number of them, and the number found.
    All {
        namespaces: u64,
        found: u64,
    },
    End,
}

/// The records of one step.
#[derive(Debug)]
pub(crate) struct Batch {
    /// Records of the current namespace.
    pub(crate) records: Vec<Record>,
    /// The errors of other records.
    pub(crate) errors: Errors,
    /// What follows the records.
    pub(crate) next: Next,
}

/// What follows a batch.
#[derive(Debug)]
pub(crate) enum Next {
    /// More input is needed.
    More,
    /// Another batch follows.
    Continue,
    /// The first line.
    First(First),
    /// The line of a namespace, whose records follow.
    Section(Section),
    /// The error that ends the import.
    Fail(Error),
}

impl Reader {
    /// Returns a reader at the beginning of a body with this coding, for a memory of at most these bytes.
    pub(crate) fn new(
        coding: ContentCoding,
        limits: Limits,
        body_memory_bytes: usize,
    ) -> Result<Reader> {
        Ok(Reader {
            lines: Lines::new(coding, limits.max_bytes(), body_memory_bytes)?,
            coding,
            limits,
            batch_bytes: BATCH_BYTES.min(body_memory_bytes / BATCH_DIVISOR),
            sums: Sums::default(),
            number: 0,
            records: 0,
            errors: 0,
            parser: ParserState::Start,
            is_finished: false,
        })
    }

    /// Adds input, after all input before it was read.
    pub(crate) fn push(&mut self, input: Bytes) {
        self.lines.push(input);
    }

    /// Returns the number of lines that were read.
    pub(crate) fn lines(&self) -> u64 {
        self.number
    }

    /// Returns the memory of the reader in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.lines.bytes()
    }

    /// Reads the next batch.
    pub(crate) fn next_batch(&mut self) -> Batch {
        let mut batch = Batch {
            records: Vec::new(),
            errors: Errors::default(),
            next: Next::Continue,
        };
        let (mut records, mut bytes, mut read_bytes) = (0, 0, 0);
        while batch.records.len() < BATCH_RECORDS
            && self.errors < MAX_ERRORS
            && (bytes == 0 || bytes < self.batch_bytes)
            && read_bytes < BATCH_READ_BYTES
        {
            let next = match self.lines.next() {
                Ok(Some(piece)) => {
                    read_bytes += piece.bytes().len();
                    self.read(&piece, &mut batch)
                }
                Ok(None) => self.read_partial_line(),
                Err(error) => Some(Next::Fail(error)),
            };
            if let Some(next) = next {
                batch.next = next;
                break;
            }
            if batch.records.len() > records {
                records = batch.records.len();
                bytes += batch.records.last().map_or(0, Record::bytes);
            }
        }
        batch
    }

    /// Ends the input, and reads the rest.
    pub(crate) fn finish(&mut self) -> Batch {
        if let Err(error) = self.lines.finish() {
            return Batch {
                records: Vec::new(),
                errors: Errors::default(),
                next: Next::Fail(error),
            };
        }
        self.is_finished = true;
        self.next_batch()
    }

    /// Checks that the file is complete.
    pub(crate) fn check(&self) -> Result<()> {
        match self.parser {
            ParserState::End if !self.lines.is_within_a_line() => Ok(()),
            ParserState::End => Err(self.trailing_data()),
            ParserState::Start => Err(mistaken::no_first_line(&[])),
            ParserState::One | ParserState::All { .. } => Err(self.cut_off()),
        }
    }

    /// Reads a piece. Returns what ends the batch, if anything does.
    fn read(&mut self, piece: &Piece, batch: &mut Batch) -> Option<Next> {
        let mut text = piece.bytes();
        if let Some(mistake) = self.mistake(text) {
            return Some(Next::Fail(mistake));
        }
        if self.number == 0 {
            text = self.without_mark(text);
        }
        if matches!(piece, Piece::Line(_)) && is_blank(text) {
            self.number += 1;
            self.sums.leave_out(text);
            return None;
        }
        if matches!(self.parser, ParserState::End) {
            return Some(Next::Fail(self.trailing_data()));
        }
        let parsed = match piece {
            Piece::Rest(text) | Piece::RestEnd(text) => {
                self.sums.update(text);
                return None;
            }
            Piece::Line(_) => {
                self.number += 1;
                Line::parse(text.trim_ascii_end(), self.number, &self.limits)
            }
            Piece::TooLong(_) => {
                self.number += 1;
                Err(self.too_long())
            }
        };
        match parsed {
            Ok(Line::End { count, sha256 }) => {
                return self.end(count, &sha256).err().map(Next::Fail);
            }
            Ok(line) => {
                self.sums.update(text);
                self.on_line(line, batch)
            }
            Err(error) => {
                self.sums.update(text);
                self.report(text, &error, batch)
            }
        }
        .unwrap_or_else(|error| Some(Next::Fail(error)))
    }

    /// Examines the incomplete line. Returns what ends the batch, if anything does.
    fn read_partial_line(&mut self) -> Option<Next> {
        if let Some(mistake) = self.mistake(self.lines.partial_line()) {
            return Some(Next::Fail(mistake));
        }
        if self.is_finished && !self.lines.partial_line().is_empty() {
            let text = self.lines.take_partial_line();
            self.read_last_line(&text).err().map(Next::Fail)
        } else {
            Some(Next::More)
        }
    }

    /// Reads a line without a newline: only the last line may lack it, because any other may be cut off.
    fn read_last_line(&mut self, text: &[u8]) -> Result<()> {
        if is_blank(text) {
            return Ok(());
        }
        match self.parser {
            ParserState::Start => Err(mistaken::no_first_line(text)),
            ParserState::End => Err(self.trailing_data()),
            ParserState::One | ParserState::All { .. } => {
                match Line::parse(text.trim_ascii_end(), self.number + 1, &self.limits) {
                    Ok(Line::End { count, sha256 }) => {
                        self.number += 1;
                        self.end(count, &sha256)
                    }
                    Ok(_) | Err(_) => Err(self.cut_off()),
                }
            }
        }
    }

    /// Returns the error of a file that is not an export, if its first line shows that.
    fn mistake(&self, text: &[u8]) -> Option<Error> {
        match self.parser {
            ParserState::Start => mistaken::recognize(text, self.coding),
            ParserState::One | ParserState::All { .. } | ParserState::End => None,
        }
    }

    /// Returns the text of the first line without its byte order mark.
    fn without_mark<'t>(&mut self, text: &'t [u8]) -> &'t [u8] {
        match text.strip_prefix(MARK) {
            Some(rest) => {
                self.sums.leave_out(MARK);
                rest
            }
            None => text,
        }
    }

    fn on_line(&mut self, line: Line, batch: &mut Batch) -> Result<Option<Next>> {
        match (line, &mut self.parser) {
            (Line::First(first), ParserState::Start) => {
                self.parser = match first {
                    First::One(_) => ParserState::One,
                    First::All(namespaces) => ParserState::All {
                        namespaces,
                        found: 0,
                    },
                };
                Ok(Some(Next::First(first)))
            }
            (Line::Section(section), ParserState::All { found, .. }) => {
                *found += 1;
                Ok(Some(Next::Section(section)))
            }
            (Line::Record(record), ParserState::One | ParserState::All { found: 1.., .. }) => {
                self.records += 1;
                batch.records.push(record);
                Ok(None)
            }
            (Line::First(_), ParserState::One | ParserState::All { .. } | ParserState::End) => {
                Err(self.at_line("another export begins before the end of this one"))
            }
            (_, ParserState::Start) => {
                Err(self.at_line("the body does not begin as an export does"))
            }
            (Line::Section(_), ParserState::One | ParserState::End) => {
                Err(self.at_line("unexpected namespace: the export is of one namespace"))
            }
            (Line::Record(_), ParserState::All { .. } | ParserState::End) => {
                Err(self.at_line("unexpected record: expected the line of a namespace before it"))
            }
            // `read` handles the last line.
            (Line::End { .. }, _) => Ok(None),
        }
    }

    /// Reports a malformed record. Any other malformed line ends the import with the error.
    fn report(&mut self, text: &[u8], error: &Error, batch: &mut Batch) -> Result<Option<Next>> {
        let is_record = match self.parser {
            ParserState::One => true,
            // Another line may be that of a namespace, whose records follow.
            ParserState::All { .. } => text.starts_with(RECORD),
            ParserState::Start | ParserState::End => false,
        };
        if !is_record {
            return Err(json::in_field(error, &format!("line {}", self.number)));
        }
        self.records += 1;
        self.errors += 1;
        batch.errors.add(self.number, error);
        Ok(None)
    }

    fn end(&mut self, count: u64, sha256: &str) -> Result<()> {
        let damaged = |why: String| {
            let text = format!("the export was cut off or damaged: {why}");
            Err(invalid(&text))
        };
        match self.parser {
            ParserState::Start => {
                return Err(self.at_line("the body does not begin as an export does"));
            }
            ParserState::All { namespaces, found } if namespaces != found => {
                return damaged(format!("it has {found} namespaces of {namespaces}"));
            }
            ParserState::All { .. } | ParserState::One | ParserState::End => {}
        }
        if count != self.records {
            return damaged(format!("it has {} records of {count}", self.records));
        }
        if !self.sums.matches(sha256) {
            return damaged("its sha256 differs".to_owned());
        }
        self.parser = ParserState::End;
        Ok(())
    }

    fn cut_off(&self) -> Error {
        let text = format!(
            "the export was cut off: it has no last line after {} lines",
            self.number
        );
        invalid(&text)
    }

    fn too_long(&self) -> Error {
        let text = format!(
            "the line is too long: expected a value of at most {} bytes (limits.max_value_bytes)",
            self.limits.max_bytes()
        );
        Error::new(Code::TooLarge, text)
            .with("limit", self.limits.max_bytes())
            .with("setting", "limits.max_value_bytes")
    }

    fn trailing_data(&self) -> Error {
        let text = format!("trailing data after the last line, line {}", self.number);
        invalid(&text)
    }

    fn at_line(&self, why: &str) -> Error {
        invalid(&format!("line {}: {why}", self.number)).with("line", self.number)
    }
}

/// Returns whether a line is empty or has only white space.
fn is_blank(text: &[u8]) -> bool {
    text.trim_ascii().is_empty()
}

fn invalid(text: &str) -> Error {
    Error::new(Code::InvalidRequest, text)
}
