//! Error answers: a problem document (RFC 9457), or a substitute where an answer has none.
//!
//! It owns the parts of an error answer. It does not parse answers. Invariant: an unknown code is kept as text.

use std::fmt;

use akvs_core::{Code, Revision};
use serde_json::{Map, Value};

/// An error answer of the server.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let url = &serve();
/// use akvs_client::{Client, Code, Error};
/// let namespace = Client::new(url)?.namespace("big")?;
/// let Err(Error::Api(problem)) = namespace.set_bytes("key", vec![0; 17 << 20]).await else {
///     panic!("stored")
/// };
/// assert_eq!((problem.status(), problem.code()), (413, Some(Code::TooLarge)));
/// assert_eq!(problem.context()["limit"], 16 << 20);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    status: u16,
    code: Option<String>,
    message: String,
    context: Map<String, Value>,
    revision: Option<Revision>,
    outcome_unknown: bool,
}

impl Problem {
    pub(crate) fn new(status: u16, message: impl Into<String>) -> Problem {
        Problem {
            status,
            code: None,
            message: message.into(),
            context: Map::new(),
            revision: None,
            outcome_unknown: false,
        }
    }

    /// Marks the answer as one to a write that may have been applied.
    pub(crate) fn with_outcome_unknown(mut self) -> Problem {
        self.outcome_unknown = true;
        self
    }

    pub(crate) fn with_code(mut self, code: Option<String>) -> Problem {
        self.code = code;
        self
    }

    pub(crate) fn with_context(mut self, context: Map<String, Value>) -> Problem {
        self.context = context;
        self
    }

    /// Sets the revision: that of the answer's `ETag`, or else the one in the document.
    pub(crate) fn with_revision(mut self, tag: Option<Revision>) -> Problem {
        let member = self.context.get("revision").and_then(Value::as_u64);
        self.revision = tag.or(member.map(Revision::new));
        self
    }

    pub(crate) fn is_outcome_unknown(&self) -> bool {
        self.outcome_unknown
    }

    /// Returns the message and the context.
    pub(crate) fn into_parts(self) -> (String, Map<String, Value>) {
        (self.message, self.context)
    }

    /// Returns the HTTP status.
    ///
    /// ```no_run
    /// # fn example(problem: &akvs_client::Problem) -> Result<(), Box<dyn std::error::Error>> {
    /// assert_eq!(problem.status(), 412);
    /// # Ok(()) }
    /// ```
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns the code; `None` if the answer has no code, or a code that this release does not know.
    ///
    /// ```no_run
    /// # fn example(problem: &akvs_client::Problem) -> Result<(), Box<dyn std::error::Error>> {
    /// assert_eq!(problem.code(), Some(akvs_client::Code::PreconditionFailed));
    /// # Ok(()) }
    /// ```
    pub fn code(&self) -> Option<Code> {
        Code::parse(self.code.as_deref()?)
    }

    /// Returns the code as the server sent it, known or not.
    ///
    /// ```no_run
    /// # fn example(problem: &akvs_client::Problem) -> Result<(), Box<dyn std::error::Error>> {
    /// assert_eq!(problem.code_text(), Some("precondition_failed"));
    /// # Ok(()) }
    /// ```
    pub fn code_text(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// Returns the message, for people.
    ///
    /// ```no_run
    /// # fn example(problem: &akvs_client::Problem) -> Result<(), Box<dyn std::error::Error>> {
    /// println!("{}", problem.message());
    /// # Ok(()) }
    /// ```
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the other members of the document: limits, names, revisions.
    ///
    /// ```no_run
    /// # fn example(problem: &akvs_client::Problem) -> Result<(), Box<dyn std::error::Error>> {
    /// println!("{:?}", problem.context().get("limit"));
    /// # Ok(()) }
    /// ```
    pub fn context(&self) -> &Map<String, Value> {
        &self.context
    }

    /// Returns the current revision of the key; `None` if there is no such key.
    ///
    /// ```no_run
    /// # fn example(problem: &akvs_client::Problem) -> Result<(), Box<dyn std::error::Error>> {
    /// println!("{:?}", problem.current_revision());
    /// # Ok(()) }
    /// ```
    pub fn current_revision(&self) -> Option<Revision> {
        self.revision
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.code {
            Some(code) => write!(f, "{code}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}
