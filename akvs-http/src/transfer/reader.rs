//! What the lines of an import mean, one after the other: which records there are, of which namespace, and whether the
//! file is whole. It knows no store.
//!
//! Invariant: it gives out no record before the first line was found right, and none whose namespace is in doubt.
//!
//! A text editor or a transfer in text mode may have changed line ends, have added empty lines or a byte order mark, or
//! have removed the last newline: that does no harm.

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

/// So many records go together, as one transaction does.
const STEP_RECORDS: usize = 1_000;
/// No further record goes with those that have so many bytes, or so large a part of the memory.
const STEP_BYTES: usize = 1 << 20;
const STEP_DIVISOR: usize = 16;
/// So much is read at once.
const STEP_READ_BYTES: usize = 4 << 20;
/// How a record begins, whatever follows.
const RECORD: &[u8] = b"{\"key";

/// Reads a file.
pub(crate) struct Reader {
    lines: Lines,
    coding: ContentCoding,
    limits: Limits,
    step_bytes: usize,
    sums: Sums,
    number: u64,
    records: u64,
    /// How many lines were noted as wrong.
    errors: usize,
    place: ParserState,
    /// Whether nothing more comes in.
    is_finished: bool,
}

/// Where in the file it is.
#[derive(Clone, Copy, Debug)]
enum ParserState {
    Start,
    /// Among the records of the one namespace.
    One,
    /// Among those of many: how many there are to be, and how many were met.
    All {
        namespaces: u64,
        met: u64,
    },
    End,
}

/// What was read at once.
#[derive(Debug)]
pub(crate) struct Batch {
    /// Records of the namespace that was met before.
    pub(crate) records: Vec<Record>,
    /// What is wrong with others.
    pub(crate) errors: Errors,
    /// What follows.
    pub(crate) then: Next,
}

/// What follows a step.
#[derive(Debug)]
pub(crate) enum Next {
    /// Nothing before more comes in.
    More,
    /// The next step.
    GoOn,
    /// The first line.
    First(First),
    /// The records of another namespace.
    Section(Section),
    /// Nothing: this is wrong with the file.
    Fail(Error),
}

impl Reader {
    /// One that has read nothing yet, and for which there is so much memory at most.
    pub(crate) fn new(
        coding: ContentCoding,
        limits: Limits,
        body_memory_bytes: usize,
    ) -> Result<Reader> {
        Ok(Reader {
            lines: Lines::new(coding, limits.max_bytes(), body_memory_bytes)?,
            coding,
            limits,
            step_bytes: STEP_BYTES.min(body_memory_bytes / STEP_DIVISOR),
            sums: Sums::default(),
            number: 0,
            records: 0,
            errors: 0,
            place: ParserState::Start,
            is_finished: false,
        })
    }

    /// Takes in what came; all before it has been read.
    pub(crate) fn push(&mut self, input: Bytes) {
        self.lines.push(input);
    }

    /// How many lines were read.
    pub(crate) fn lines(&self) -> u64 {
        self.number
    }

    /// The memory that it holds, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.lines.bytes()
    }

    /// Reads on.
    pub(crate) fn step(&mut self) -> Batch {
        let mut step = Batch {
            records: Vec::new(),
            errors: Errors::default(),
            then: Next::GoOn,
        };
        let (mut records, mut bytes, mut read_bytes) = (0, 0, 0);
        while step.records.len() < STEP_RECORDS
            && self.errors < MAX_ERRORS
            && (bytes == 0 || bytes < self.step_bytes)
            && read_bytes < STEP_READ_BYTES
        {
            let then = match self.lines.next() {
                Ok(Some(piece)) => {
                    read_bytes += piece.bytes().len();
                    self.take(&piece, &mut step)
                }
                Ok(None) => self.part(),
                Err(error) => Some(Next::Fail(error)),
            };
            if let Some(then) = then {
                step.then = then;
                break;
            }
            if step.records.len() > records {
                records = step.records.len();
                bytes += step.records.last().map_or(0, Record::bytes);
            }
        }
        step
    }

    /// Reads what is left, once nothing more comes in.
    pub(crate) fn finish(&mut self) -> Batch {
        if let Err(error) = self.lines.finish() {
            let then = Next::Fail(error);
            let (records, errors) = (Vec::new(), Errors::default());
            return Batch {
                records,
                errors,
                then,
            };
        }
        self.is_finished = true;
        self.step()
    }

    /// Checks that all that was read is a whole file.
    pub(crate) fn check(&self) -> Result<()> {
        match self.place {
            ParserState::End if !self.lines.is_within_a_line() => Ok(()),
            ParserState::End => Err(self.behind()),
            ParserState::Start => Err(mistaken::no_first_line(&[])),
            ParserState::One | ParserState::All { .. } => Err(self.cut_off()),
        }
    }

    /// Takes in a part of the text; what follows, if that is not the next part.
    fn take(&mut self, piece: &Piece, step: &mut Batch) -> Option<Next> {
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
        if matches!(self.place, ParserState::End) {
            return Some(Next::Fail(self.behind()));
        }
        let read = match piece {
            Piece::Rest(text) | Piece::RestEnd(text) => {
                self.sums.update(text);
                return None;
            }
            Piece::Line(_) => {
                self.number += 1;
                Line::read(text.trim_ascii_end(), self.number, &self.limits)
            }
            Piece::TooLong(_) => {
                self.number += 1;
                Err(self.too_long())
            }
        };
        match read {
            Ok(Line::End { count, sha256 }) => {
                return self.end(count, &sha256).err().map(Next::Fail);
            }
            Ok(line) => {
                self.sums.update(text);
                self.meet(line, step)
            }
            Err(error) => {
                self.sums.update(text);
                self.note(text, &error, step)
            }
        }
        .unwrap_or_else(|error| Some(Next::Fail(error)))
    }

    /// Looks at a line that has not ended; what follows, if that is no line.
    fn part(&mut self) -> Option<Next> {
        if let Some(mistake) = self.mistake(self.lines.part()) {
            return Some(Next::Fail(mistake));
        }
        match self.is_finished && !self.lines.part().is_empty() {
            true => {
                let text = self.lines.take_part();
                self.take_last(&text).err().map(Next::Fail)
            }
            false => Some(Next::More),
        }
    }

    /// Takes in a line that ends without a newline: only the last one may, as any other may be cut off.
    fn take_last(&mut self, text: &[u8]) -> Result<()> {
        if is_blank(text) {
            return Ok(());
        }
        match self.place {
            ParserState::Start => Err(mistaken::no_first_line(text)),
            ParserState::End => Err(self.behind()),
            ParserState::One | ParserState::All { .. } => {
                match Line::read(text.trim_ascii_end(), self.number + 1, &self.limits) {
                    Ok(Line::End { count, sha256 }) => {
                        self.number += 1;
                        self.end(count, &sha256)
                    }
                    Ok(_) | Err(_) => Err(self.cut_off()),
                }
            }
        }
    }

    /// What the file is instead of an export, as far as its first line says so.
    fn mistake(&self, text: &[u8]) -> Option<Error> {
        match self.place {
            ParserState::Start => mistaken::recognize(text, self.coding),
            ParserState::One | ParserState::All { .. } | ParserState::End => None,
        }
    }

    /// The text of the first line without its byte order mark.
    fn without_mark<'t>(&mut self, text: &'t [u8]) -> &'t [u8] {
        match text.strip_prefix(MARK) {
            Some(rest) => {
                self.sums.leave_out(MARK);
                rest
            }
            None => text,
        }
    }

    fn meet(&mut self, line: Line, step: &mut Batch) -> Result<Option<Next>> {
        match (line, &mut self.place) {
            (Line::First(first), ParserState::Start) => {
                self.place = match first {
                    First::One(_) => ParserState::One,
                    First::All(namespaces) => ParserState::All { namespaces, met: 0 },
                };
                Ok(Some(Next::First(first)))
            }
            (Line::Section(section), ParserState::All { met, .. }) => {
                *met += 1;
                Ok(Some(Next::Section(section)))
            }
            (Line::Record(record), ParserState::One | ParserState::All { met: 1.., .. }) => {
                self.records += 1;
                step.records.push(record);
                Ok(None)
            }
            (Line::First(_), ParserState::One | ParserState::All { .. } | ParserState::End) => {
                Err(self.at_line("another export begins before the end of this one"))
            }
            (_, ParserState::Start) => {
                Err(self.at_line("the body does not begin as an export does"))
            }
            (Line::Section(_), ParserState::One | ParserState::End) => {
                Err(self.at_line("the export of one namespace has another one"))
            }
            (Line::Record(_), ParserState::All { .. } | ParserState::End) => {
                Err(self.at_line("a record of no namespace"))
            }
            // It was met before.
            (Line::End { .. }, _) => Ok(None),
        }
    }

    /// Notes a line that cannot be read, if it is clear what it stands for.
    fn note(&mut self, text: &[u8], error: &Error, step: &mut Batch) -> Result<Option<Next>> {
        let is_record = match self.place {
            ParserState::One => true,
            // It may name the namespace of all that follows.
            ParserState::All { .. } => text.starts_with(RECORD),
            ParserState::Start | ParserState::End => false,
        };
        if !is_record {
            return Err(json::of_field(error, &format!("line {}", self.number)));
        }
        self.records += 1;
        self.errors += 1;
        step.errors.add(self.number, error);
        Ok(None)
    }

    fn end(&mut self, count: u64, sha256: &str) -> Result<()> {
        let damaged = |why: String| {
            let text = format!("the export was cut off or damaged: {why}");
            Err(invalid(&text))
        };
        match self.place {
            ParserState::Start => {
                return Err(self.at_line("the body does not begin as an export does"));
            }
            ParserState::All { namespaces, met } if namespaces != met => {
                return damaged(format!("it has {met} namespaces of {namespaces}"));
            }
            ParserState::All { .. } | ParserState::One | ParserState::End => {}
        }
        if count != self.records {
            return damaged(format!("it has {} records of {count}", self.records));
        }
        if !self.sums.are(sha256) {
            return damaged("its sha256 is another one".to_owned());
        }
        self.place = ParserState::End;
        Ok(())
    }

    fn cut_off(&self) -> Error {
        let text = format!(
            "the export was cut off: there is no last line; {} lines came",
            self.number
        );
        invalid(&text)
    }

    fn too_long(&self) -> Error {
        let text = format!(
            "the line is longer than any with a value of {} bytes (limits.max_value_bytes)",
            self.limits.max_bytes()
        );
        Error::new(Code::TooLarge, text)
            .with("limit", self.limits.max_bytes())
            .with("setting", "limits.max_value_bytes")
    }

    fn behind(&self) -> Error {
        let text = format!(
            "there is something behind the last line, which is {}",
            self.number
        );
        invalid(&text)
    }

    fn at_line(&self, why: &str) -> Error {
        invalid(&format!("line {}: {why}", self.number)).with("line", self.number)
    }
}

/// Whether a line holds nothing.
fn is_blank(text: &[u8]) -> bool {
    text.trim_ascii().is_empty()
}

fn invalid(text: &str) -> Error {
    Error::new(Code::InvalidRequest, text)
}
