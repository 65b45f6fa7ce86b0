//! The error of all layers: a code for programs, a message for people, a context, and a source for the log.
//!
//! Clients see the message and the context, so these must not contain secrets, paths of the server or stored values.
//! Such details belong in the source, which only the log shows. The HTTP layer maps codes to statuses.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

/// The kind of an error, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// The key is empty, too long, or badly encoded.
    InvalidKey,
    /// The namespace is empty, too long, or not printable UTF-8.
    InvalidNamespace,
    /// Another part of the request is malformed.
    InvalidRequest,
    /// Dropping a namespace requires its name as confirmation.
    ConfirmationRequired,
    /// The token is missing or unknown.
    Unauthorized,
    /// The token lacks the right.
    Forbidden,
    /// The key, the namespace or the path does not exist.
    NotFound,
    /// The path does not support the method.
    MethodNotAllowed,
    /// The operation does not fit the current value.
    Conflict,
    /// A condition of the request does not hold.
    PreconditionFailed,
    /// The history does not reach back that far.
    HistoryGone,
    /// A limit is exceeded.
    TooLarge,
    /// The range is outside the value.
    RangeNotSatisfiable,
    /// The request names a host that is not this server.
    MisdirectedRequest,
    /// Too many requests are queued; a retry may succeed.
    Overloaded,
    /// The server is stopping.
    Closing,
    /// The request was not applied, for a reason that may be temporary.
    Unavailable,
    /// The request may or may not have been applied.
    OutcomeUnknown,
    /// The namespace's quota would be exceeded.
    QuotaExceeded,
    /// The disk has too little space.
    StorageFull,
    /// The storage failed.
    Storage,
    /// The stored data is damaged.
    Corrupted,
}

impl Code {
    /// Every code, in the order of the contract.
    pub const ALL: [Code; 22] = [
        Code::InvalidKey,
        Code::InvalidNamespace,
        Code::InvalidRequest,
        Code::ConfirmationRequired,
        Code::Unauthorized,
        Code::Forbidden,
        Code::NotFound,
        Code::MethodNotAllowed,
        Code::Conflict,
        Code::PreconditionFailed,
        Code::HistoryGone,
        Code::TooLarge,
        Code::RangeNotSatisfiable,
        Code::MisdirectedRequest,
        Code::Overloaded,
        Code::Closing,
        Code::Unavailable,
        Code::OutcomeUnknown,
        Code::QuotaExceeded,
        Code::StorageFull,
        Code::Storage,
        Code::Corrupted,
    ];

    /// Returns the code as it is written on the wire and in logs, for example `not_found`.
    ///
    /// ```
    /// assert_eq!(akvs_core::Code::NotFound.as_str(), "not_found");
    /// ```
    pub fn as_str(self) -> &'static str {
        match self {
            Code::InvalidKey => "invalid_key",
            Code::InvalidNamespace => "invalid_namespace",
            Code::InvalidRequest => "invalid_request",
            Code::ConfirmationRequired => "confirmation_required",
            Code::Unauthorized => "unauthorized",
            Code::Forbidden => "forbidden",
            Code::NotFound => "not_found",
            Code::MethodNotAllowed => "method_not_allowed",
            Code::Conflict => "conflict",
            Code::PreconditionFailed => "precondition_failed",
            Code::HistoryGone => "history_gone",
            Code::TooLarge => "too_large",
            Code::RangeNotSatisfiable => "range_not_satisfiable",
            Code::MisdirectedRequest => "misdirected_request",
            Code::Overloaded => "overloaded",
            Code::Closing => "closing",
            Code::Unavailable => "unavailable",
            Code::OutcomeUnknown => "outcome_unknown",
            Code::QuotaExceeded => "quota_exceeded",
            Code::StorageFull => "storage_full",
            Code::Storage => "storage",
            Code::Corrupted => "corrupted",
        }
    }

    /// Returns the code of a text that [`as_str`](Self::as_str) returns, if there is one.
    ///
    /// ```
    /// use akvs_core::Code;
    /// assert_eq!(Code::parse("too_large"), Some(Code::TooLarge));
    /// assert_eq!(Code::parse("too large"), None);
    /// ```
    pub fn parse(text: &str) -> Option<Code> {
        Code::ALL.into_iter().find(|code| code.as_str() == text)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The error of every layer and of the wire. Cheap to clone, because one failed commit answers many callers.
///
/// ```
/// use akvs_core::{Code, Error};
/// let error = Error::new(Code::TooLarge, "the value is too long: 9 bytes; the limit is 8").with("limit", 8);
/// assert_eq!(error.to_string(), "too_large: the value is too long: 9 bytes; the limit is 8");
/// assert_eq!(error.context()["limit"], 8);
/// ```
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    code: Code,
    message: String,
    context: Map<String, Value>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// A result with this error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Creates an error with a code and a message that states what is wrong.
    pub fn new(code: Code, message: impl Into<String>) -> Error {
        Error(Box::new(Inner {
            code,
            message: message.into(),
            context: Map::new(),
            source: None,
        }))
    }

    /// Creates the error of a missing key, with the text of the contract.
    pub fn not_found() -> Error {
        Error::new(Code::NotFound, "no such key")
    }

    /// Adds a member to the context, which clients see.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Error {
        self.0.context.insert(name.to_owned(), value.into());
        self
    }

    /// Adds the cause, which only the log shows.
    #[must_use]
    pub fn because(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Error {
        self.0.source = Some(Arc::new(source));
        self
    }

    /// Returns the code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// Returns the message.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Returns the context: limits, names, revisions.
    pub fn context(&self) -> &Map<String, Value> {
        &self.0.context
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code, self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("code", &self.0.code)
            .field("message", &self.0.message)
            .field("context", &self.0.context)
            .field("source", &self.0.source)
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_parsed_from_its_text() {
        for code in Code::ALL {
            assert_eq!(Code::parse(code.as_str()), Some(code));
        }
    }

    #[test]
    fn a_source_is_kept_but_not_shown() {
        let error = Error::new(Code::Storage, "the storage failed")
            .because(std::io::Error::other("/secret/path"));
        assert!(!error.to_string().contains("secret"));
        assert!(
            std::error::Error::source(&error)
                .is_some_and(|source| source.to_string().contains("secret"))
        );
    }
}
