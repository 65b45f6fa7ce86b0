//! An answer that is no success: a problem document (RFC 9457), or what takes its place where there is none.
//!
//! It owns what such an answer says. It does not read it off the wire. Invariant: a code that this release does not
//! know is kept as it was written.

use std::fmt;

use akvs_core::{Code, Revision};
use serde_json::{Map, Value};

/// An answer of the server that is not a success.
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

    /// It was a write, and whoever answered cannot know that it was not applied.
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

    /// Keeps the revision of the answer's `ETag`, or else the one in the document.
    pub(crate) fn with_revision(mut self, tag: Option<Revision>) -> Problem {
        let member = self.context.get("revision").and_then(Value::as_u64);
        self.revision = tag.or(member.map(Revision::new));
        self
    }

    pub(crate) fn is_outcome_unknown(&self) -> bool {
        self.outcome_unknown
    }

    /// What it says, and what it says besides.
    pub(crate) fn into_parts(self) -> (String, Map<String, Value>) {
        (self.message, self.context)
    }

    /// The HTTP status.
    ///
    /// ```no_run
    /// # fn example(problem: &akvs_client::Problem) -> Result<(), Box<dyn std::error::Error>> {
    /// assert_eq!(problem.status(), 412);
    /// # Ok(()) }
    /// ```
    pub fn status(&self) -> u16 {
        self.status
    }

    /// What went wrong, as a program sees it. None if the answer has no code, or one that this release does not know.
    ///
    /// ```no_run
    /// # fn example(problem: &akvs_client::Problem) -> Result<(), Box<dyn std::error::Error>> {
    /// assert_eq!(problem.code(), Some(akvs_client::Code::PreconditionFailed));
    /// # Ok(()) }
    /// ```
    pub fn code(&self) -> Option<Code> {
        Code::parse(self.code.as_deref()?)
    }

    /// The code as the server wrote it, known or not.
    ///
    /// ```no_run
    /// # fn example(problem: &akvs_client::Problem) -> Result<(), Box<dyn std::error::Error>> {
    /// assert_eq!(problem.code_text(), Some("precondition_failed"));
    /// # Ok(()) }
    /// ```
    pub fn code_text(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// What went wrong, as a person reads it.
    ///
    /// ```no_run
    /// # fn example(problem: &akvs_client::Problem) -> Result<(), Box<dyn std::error::Error>> {
    /// println!("{}", problem.message());
    /// # Ok(()) }
    /// ```
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What the server says besides: limits, names, revisions.
    ///
    /// ```no_run
    /// # fn example(problem: &akvs_client::Problem) -> Result<(), Box<dyn std::error::Error>> {
    /// println!("{:?}", problem.context().get("limit"));
    /// # Ok(()) }
    /// ```
    pub fn context(&self) -> &Map<String, Value> {
        &self.context
    }

    /// The current revision of the key that the answer is about; none if there is no such key.
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
