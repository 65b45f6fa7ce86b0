//! Problem documents (RFC 9457), the bodies of errors.

use akvs_core::{Code, Error};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The member of the context that says what a 404 is about, unless it is a key.
pub const MISSING: &str = "missing";
/// The member of the context with the current revision of the key.
pub const REVISION: &str = "revision";
/// The member of the context with the index of the check of a transaction that failed.
pub const CHECK: &str = "check";
/// The member of the context with the index of the operation of a transaction that failed.
pub const OP: &str = "op";
/// The member of the context with the seconds after which a client may try again.
pub const RETRY_AFTER_S: &str = "retry_after_s";

/// The beginning of the `type` of every problem of an AKVS server.
const TYPE_PREFIX: &str = "urn:akvs:problem:";

/// A problem document.
///
/// Reading it is lenient, as other programs write such documents too: a member of another type than expected counts as
/// missing. All members beyond the named ones are the context.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Map<String, Value>", into = "Map<String, Value>")]
pub struct Problem {
    /// The `type`, a URI.
    pub type_uri: Option<String>,
    /// The title, the same for all problems of a type.
    pub title: Option<String>,
    /// The HTTP status.
    pub status: Option<u16>,
    /// What went wrong, for a person.
    pub detail: Option<String>,
    /// What went wrong, for a program: the text of a [`Code`], or a text that this release does not know.
    pub code: Option<String>,
    /// Limits, names and revisions that belong to the problem.
    pub context: Map<String, Value>,
}

impl Problem {
    /// Returns the problem document of an error.
    pub fn new(error: &Error, status: u16) -> Problem {
        Problem {
            type_uri: Some(type_uri(error.code())),
            title: Some(title(error.code()).to_owned()),
            status: Some(status),
            detail: Some(error.message().to_owned()),
            code: Some(error.code().as_str().to_owned()),
            context: error.context().clone(),
        }
    }

    /// Returns whether the type is one of an AKVS server; none without a type.
    pub fn is_akvs(&self) -> Option<bool> {
        let type_uri = self.type_uri.as_deref()?;
        Some(type_uri.starts_with(TYPE_PREFIX))
    }
}

/// Returns the title of the problems with this code, which is the same for all of them (RFC 9457, section 3.1.3).
pub fn title(code: Code) -> &'static str {
    match code {
        Code::InvalidKey => "Invalid key",
        Code::InvalidNamespace => "Invalid namespace",
        Code::InvalidRequest => "Invalid request",
        Code::ConfirmationRequired => "Confirmation required",
        Code::Unauthorized => "Unauthorized",
        Code::Forbidden => "Forbidden",
        Code::NotFound => "Not Found",
        Code::MethodNotAllowed => "Method Not Allowed",
        Code::Conflict => "Conflict",
        Code::PreconditionFailed => "Precondition failed",
        Code::HistoryGone => "History gone",
        Code::TooLarge => "Too large",
        Code::RangeNotSatisfiable => "Range not satisfiable",
        Code::MisdirectedRequest => "Misdirected request",
        Code::Overloaded => "Overloaded",
        Code::Closing => "Closing",
        Code::Unavailable => "Unavailable",
        Code::OutcomeUnknown => "Outcome unknown",
        Code::QuotaExceeded => "Quota exceeded",
        Code::StorageFull => "Storage full",
        Code::Storage => "Storage failed",
        Code::Corrupted => "Stored data damaged",
    }
}

/// Returns the `type` of the problems with this code.
pub fn type_uri(code: Code) -> String {
    format!("{TYPE_PREFIX}{code}")
}

impl From<Map<String, Value>> for Problem {
    fn from(mut members: Map<String, Value>) -> Problem {
        let mut text = |name| match members.remove(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        let (type_uri, title) = (text("type"), text("title"));
        let (detail, code) = (text("detail"), text("code"));
        let status = members.remove("status").and_then(|status| status.as_u64());
        Problem {
            type_uri,
            title,
            status: status.and_then(|status| u16::try_from(status).ok()),
            detail,
            code,
            context: members,
        }
    }
}

impl From<Problem> for Map<String, Value> {
    /// A member of the context does not replace a named one.
    fn from(problem: Problem) -> Map<String, Value> {
        let mut members = problem.context;
        for (name, text) in [
            ("type", problem.type_uri),
            ("title", problem.title),
            ("detail", problem.detail),
            ("code", problem.code),
        ] {
            if let Some(text) = text {
                members.insert(name.to_owned(), text.into());
            }
        }
        if let Some(status) = problem.status {
            members.insert("status".to_owned(), status.into());
        }
        members
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_round_trips() {
        let error = Error::new(Code::TooLarge, "the value has 9 bytes")
            .with("limit", 8)
            .with("title", "not this one");
        let problem = Problem::new(&error, 413);
        let text = serde_json::to_string(&problem).unwrap();
        assert_eq!(
            text,
            "{\"code\":\"too_large\",\"detail\":\"the value has 9 bytes\",\"limit\":8,\"status\":413,\
             \"title\":\"Too large\",\"type\":\"urn:akvs:problem:too_large\"}"
        );
        let read: Problem = serde_json::from_str(&text).unwrap();
        assert_eq!(read.status, Some(413));
        assert_eq!(read.code.as_deref(), Some("too_large"));
        assert_eq!(read.is_akvs(), Some(true));
        assert_eq!(read.context["limit"], 8);
        assert_eq!(read.context.len(), 1);
    }

    #[test]
    fn a_document_of_another_program_is_read_leniently() {
        let text = r#"{"type":"about:blank","title":1,"status":"x","code":"teapot","more":[]}"#;
        let problem: Problem = serde_json::from_str(text).unwrap();
        assert_eq!((problem.title.as_deref(), problem.status), (None, None));
        assert_eq!(problem.code.as_deref(), Some("teapot"));
        assert_eq!(problem.is_akvs(), Some(false));
        assert_eq!(problem.context.len(), 1);
        let problem: Problem = serde_json::from_str("{}").unwrap();
        assert_eq!(problem.is_akvs(), None);
        assert!(serde_json::from_str::<Problem>("[]").is_err());
    }
}
