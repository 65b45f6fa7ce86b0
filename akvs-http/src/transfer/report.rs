//! What became of an import, as the client is told. It owns the bound on how many lines may be wrong.

use akvs_api::{ImportReport, LineError};
use akvs_core::{Code, Error, Result};
use serde_json::{Map, Value};

/// So many lines may be wrong: then an import is stopped. Of those that were read by then and are not told it is said how
/// many they are.
pub(super) const MAX_ERRORS: usize = 10_000;

/// What became of an import so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(super) imported: u64,
    pub(super) skipped: u64,
    /// Only where what is not in the file is deleted.
    pub(super) deleted: Option<u64>,
    pub(crate) errors: Errors,
}

/// Which lines were wrong, and why.
#[derive(Debug, Default)]
pub(crate) struct Errors {
    told: Vec<(u64, String)>,
    more: u64,
    /// The memory of those that are told.
    bytes: usize,
}

impl Errors {
    /// Notes what is wrong with the line of this number.
    pub(super) fn add(&mut self, line: u64, error: &Error) {
        match self.told.len() < MAX_ERRORS {
            true => self.push(line, error.message().to_owned()),
            false => self.more += 1,
        }
    }

    /// The error that ends an import, where there are as many as may be.
    pub(crate) fn check(&self, line: u64) -> Result<()> {
        if self.count() < MAX_ERRORS as u64 {
            return Ok(());
        }
        let text = format!(
            "{MAX_ERRORS} lines are wrong, which is the most: the import was stopped at line {line}; what was imported before stays"
        );
        let error = Error::new(Code::InvalidRequest, text).with("limit", MAX_ERRORS);
        Err(error.with("line", line))
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.told.len() as u64 + self.more
    }

    /// Takes over those of another part of the import.
    pub(super) fn extend(&mut self, other: Errors) {
        let room = MAX_ERRORS - self.told.len();
        self.more += other.more + other.told.len().saturating_sub(room) as u64;
        for (line, text) in other.told.into_iter().take(room) {
            self.push(line, text);
        }
    }

    fn push(&mut self, line: u64, text: String) {
        self.bytes += size_of::<(u64, String)>() + text.len();
        self.told.push((line, text));
    }

    /// The memory that they hold, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Report {
    /// Takes over what became of another part of the import.
    pub(super) fn extend(&mut self, other: Report) {
        self.imported += other.imported;
        self.skipped += other.skipped;
        self.errors.extend(other.errors);
    }

    fn report(&self) -> ImportReport {
        let mut told: Vec<&(u64, String)> = self.errors.told.iter().collect();
        // What the store refuses is known later than what cannot be read.
        told.sort_by_key(|(line, _)| *line);
        let errors = told.into_iter().map(|(line, detail)| LineError {
            detail: detail.clone(),
            line: *line,
        });
        ImportReport {
            deleted: self.deleted,
            errors: errors.collect(),
            imported: self.imported,
            more_errors: self.errors.more,
            skipped: self.skipped,
        }
    }

    /// The document, of an import that came to its end.
    pub(crate) fn document(&self) -> String {
        // The documents of the API can always be written.
        serde_json::to_string(&self.report()).unwrap_or_default()
    }

    /// An error that ended the import, with what had been done until then.
    pub(crate) fn explain<T>(&self, error: Error) -> Result<T> {
        let members = match serde_json::to_value(self.report()) {
            Ok(Value::Object(members)) => members,
            // A report is an object.
            Ok(_) | Err(_) => Map::new(),
        };
        let members = members.into_iter();
        Err(members.fold(error, |error, (name, value)| error.with(&name, value)))
    }
}

/// Whether an error is one of a record, and the others may still be stored.
pub(super) fn is_of_a_record(code: Code) -> bool {
    match code {
        Code::InvalidKey
        | Code::InvalidNamespace
        | Code::InvalidRequest
        | Code::Conflict
        | Code::PreconditionFailed
        | Code::TooLarge
        | Code::QuotaExceeded => true,
        Code::ConfirmationRequired
        | Code::Unauthorized
        | Code::Forbidden
        | Code::NotFound
        | Code::MethodNotAllowed
        | Code::HistoryGone
        | Code::RangeNotSatisfiable
        | Code::MisdirectedRequest
        | Code::Overloaded
        | Code::Closing
        | Code::Unavailable
        | Code::OutcomeUnknown
        | Code::StorageFull
        | Code::Storage
        | Code::Corrupted => false,
    }
}
