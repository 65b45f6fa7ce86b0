//! The report of an import. It owns the limit of wrong lines.

use akvs_api::{ImportReport, LineError};
use akvs_core::{Code, Error, Result};
use serde_json::{Map, Value};

/// The number of wrong lines after which an import stops. The report counts further ones that were read by then.
pub(super) const MAX_ERRORS: usize = 10_000;

/// The progress of an import.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(super) imported: u64,
    pub(super) skipped: u64,
    /// Only of an import with `mode=replace`.
    pub(super) deleted: Option<u64>,
    pub(crate) errors: Errors,
}

/// The wrong lines, each with its number and the reason.
#[derive(Debug, Default)]
pub(crate) struct Errors {
    reported: Vec<(u64, String)>,
    more: u64,
    /// The memory of `reported`.
    bytes: usize,
}

impl Errors {
    /// Adds the error of the line with this number.
    pub(super) fn add(&mut self, line: u64, error: &Error) {
        if self.reported.len() < MAX_ERRORS {
            self.push(line, error.message().to_owned());
        } else {
            self.more += 1;
        }
    }

    /// Returns the error that ends an import with too many wrong lines.
    pub(crate) fn check(&self, line: u64) -> Result<()> {
        if self.count() < MAX_ERRORS as u64 {
            return Ok(());
        }
        let text = format!(
            "too many wrong lines: {MAX_ERRORS}; the import stopped at line {line}, and what it imported before stays"
        );
        let error = Error::new(Code::InvalidRequest, text).with("limit", MAX_ERRORS);
        Err(error.with("line", line))
    }

    /// Returns the number of wrong lines.
    pub(super) fn count(&self) -> u64 {
        self.reported.len() as u64 + self.more
    }

    /// Adds the errors of another part of the import.
    pub(super) fn extend(&mut self, other: Errors) {
        let room = MAX_ERRORS - self.reported.len();
        self.more += other.more + other.reported.len().saturating_sub(room) as u64;
        for (line, text) in other.reported.into_iter().take(room) {
            self.push(line, text);
        }
    }

    fn push(&mut self, line: u64, text: String) {
        self.bytes += size_of::<(u64, String)>() + text.len();
        self.reported.push((line, text));
    }

    /// Returns the memory of the errors in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Report {
    /// Adds the report of another part of the import.
    pub(super) fn extend(&mut self, other: Report) {
        self.imported += other.imported;
        self.skipped += other.skipped;
        self.errors.extend(other.errors);
    }

    fn report(&self) -> ImportReport {
        let mut errors: Vec<&(u64, String)> = self.errors.reported.iter().collect();
        // The store refuses a record later than the reader does.
        errors.sort_by_key(|(line, _)| *line);
        let errors = errors.into_iter().map(|(line, detail)| LineError {
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

    /// Returns the document of an import that succeeded.
    pub(crate) fn document(&self) -> String {
        // The derived serializer of the report does not fail.
        serde_json::to_string(&self.report()).unwrap_or_default()
    }

    /// Adds the report to the error that ended the import.
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

/// Returns whether an error belongs to a record, so that the others can still be stored.
pub(super) fn is_record_error(code: Code) -> bool {
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
