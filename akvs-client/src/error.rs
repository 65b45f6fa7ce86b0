//! The error of all calls of the client.
//!
//! It owns the translation of errors of reqwest and serde, and the one into the error of akvs-core. It does not decide
//! what is repeated. Invariant: no text of an error shows a URL or a secret; a cause is kept as the source.

use std::error::Error as StdError;
use std::fmt;

use akvs_core::{Code, Error as CoreError, Revision};
use reqwest::StatusCode;

use crate::tls_error::is_tls_refusal;

/// A result with the client's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

pub use crate::problem::Problem;

/// The error of a call.
///
/// ```
/// use akvs_client::{Client, Code, Error};
/// let error = Client::new("http://localhost:8080")?.namespace("two\nlines").unwrap_err();
/// assert!(matches!(error, Error::Invalid(_)));
/// assert_eq!(error.code(), Some(Code::InvalidNamespace));
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The server answered with an error.
    Api(Box<Problem>),
    /// No answer was received, or only a part of one. A write may have been applied.
    #[non_exhaustive]
    Transport {
        /// The error of the HTTP library, without the URL.
        source: Box<reqwest::Error>,
        /// Whether the request was a write that may have been applied, because at least a part of it was sent.
        outcome_unknown: bool,
    },
    /// A repeated write failed, and an earlier try may have been applied. A failed condition may be due to that try.
    #[non_exhaustive]
    UnknownOutcome {
        /// The error of the last try.
        source: Box<Error>,
    },
    /// The value cannot be decoded.
    #[non_exhaustive]
    Decode {
        /// The key of the value.
        key: Box<[u8]>,
        /// The cause.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The value cannot be encoded; nothing was sent.
    #[non_exhaustive]
    Encode {
        /// The key of the value.
        key: Box<[u8]>,
        /// The cause.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// An argument is invalid (a key, a namespace, a URL, a field); nothing was sent.
    Invalid(akvs_core::Error),
}

impl Error {
    pub(crate) fn api(problem: Problem) -> Error {
        Error::Api(Box::new(problem))
    }

    pub(crate) fn decode(key: &[u8], source: impl StdError + Send + Sync + 'static) -> Error {
        Error::Decode {
            key: key.into(),
            source: Box::new(source),
        }
    }

    pub(crate) fn encode(key: &[u8], source: impl StdError + Send + Sync + 'static) -> Error {
        Error::Encode {
            key: key.into(),
            source: Box::new(source),
        }
    }

    /// Marks the error as one of a write that may have been applied.
    pub(crate) fn with_outcome_unknown(self) -> Error {
        match self {
            Error::Transport { source, .. } => Error::Transport {
                source,
                outcome_unknown: true,
            },
            Error::Api(problem) => Error::api(problem.with_outcome_unknown()),
            Error::UnknownOutcome { .. }
            | Error::Decode { .. }
            | Error::Encode { .. }
            | Error::Invalid(_) => self,
        }
    }

    /// Marks the error as one after a try of the same write that may have been applied.
    pub(crate) fn after_unknown_outcome(self) -> Error {
        Error::UnknownOutcome {
            source: Box::new(self),
        }
    }

    /// Returns the code of the error; `None` where the HTTP contract has none, as for a broken connection.
    ///
    /// ```
    /// use akvs_client::{Client, Code};
    /// let namespace = Client::new("http://localhost:8080")?.namespace("foo")?;
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// let error = namespace.get_bytes("").await.unwrap_err();
    /// assert_eq!(error.code(), Some(Code::InvalidKey));
    /// # });
    /// # Ok::<(), akvs_client::Error>(())
    /// ```
    pub fn code(&self) -> Option<Code> {
        match self {
            Error::Api(problem) => problem.code(),
            Error::Invalid(error) => Some(error.code()),
            Error::UnknownOutcome { .. } => Some(Code::OutcomeUnknown),
            Error::Transport { .. } | Error::Decode { .. } | Error::Encode { .. } => None,
        }
    }

    /// Returns whether the resource does not exist. For `get` a missing key is not an error. A wrong base URL, below
    /// which the server has no such path, is another error.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let error = namespace.list().page().await.unwrap_err();
    /// assert!(error.is_not_found());
    /// # Ok(()) }
    /// ```
    pub fn is_not_found(&self) -> bool {
        self.code() == Some(Code::NotFound)
    }

    /// Returns whether a condition of the write failed, so that nothing was done.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let error = namespace.set("bar", &1).if_absent().await.unwrap_err();
    /// assert!(error.is_precondition_failed());
    /// # Ok(()) }
    /// ```
    pub fn is_precondition_failed(&self) -> bool {
        self.code() == Some(Code::PreconditionFailed)
    }

    /// Returns whether the token is missing or unknown.
    ///
    /// ```
    /// use akvs_client::{Client, Error};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// async fn is_open(client: &Client) -> Result<bool, Error> {
    ///     match client.namespace("foo")?.get_bytes("bar").await {
    ///         Err(error) if error.is_unauthorized() => Ok(false),
    ///         answer => answer.map(|_| true),
    ///     }
    /// }
    /// # let _ = is_open;
    /// # }
    /// ```
    pub fn is_unauthorized(&self) -> bool {
        self.code() == Some(Code::Unauthorized)
    }

    /// Returns whether it is unknown if a write was applied: the connection broke after the write was sent, a proxy
    /// lost the server, the server answered [`Code::OutcomeUnknown`], or the write was repeated. Read the key before
    /// you write it again.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let error = namespace.add("visits", 1).await.unwrap_err();
    /// assert!(!error.is_unknown_outcome());
    /// # Ok(()) }
    /// ```
    pub fn is_unknown_outcome(&self) -> bool {
        match self {
            Error::Api(problem) => {
                problem.is_outcome_unknown() || problem.code() == Some(Code::OutcomeUnknown)
            }
            Error::Transport {
                outcome_unknown, ..
            } => *outcome_unknown,
            Error::UnknownOutcome { .. } => true,
            Error::Invalid(error) => error.code() == Code::OutcomeUnknown,
            Error::Decode { .. } | Error::Encode { .. } => false,
        }
    }

    /// Returns whether the same call may succeed later and can be repeated without being applied twice. The client has
    /// already repeated it as often as its [policy](crate::RetryPolicy) allows.
    ///
    /// ```
    /// use akvs_client::{Client, RetryPolicy};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), akvs_client::Error> {
    /// // No server listens there.
    /// let client = Client::builder().base_url("http://127.0.0.1:1").retry(RetryPolicy::disabled());
    /// let error = client.build()?.namespace("foo")?.set("bar", &1).await.unwrap_err();
    /// assert!(error.is_retryable() && !error.is_unknown_outcome());
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_retryable(&self) -> bool {
        !self.is_unknown_outcome() && self.is_transient()
    }

    /// Returns whether the same request may succeed later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Error::Api(problem) => StatusCode::from_u16(problem.status()).is_ok_and(is_transient),
            Error::Transport { source, .. } => {
                !source.is_builder() && !source.is_redirect() && !is_tls_refusal(&**source)
            }
            Error::UnknownOutcome { .. }
            | Error::Decode { .. }
            | Error::Encode { .. }
            | Error::Invalid(_) => false,
        }
    }

    /// Returns the current revision of the key whose condition failed; `None` if there is no such key, and for other
    /// errors.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let error = namespace.set("bar", &1).if_exists().await.unwrap_err();
    /// assert_eq!(error.current_revision(), None);
    /// # Ok(()) }
    /// ```
    pub fn current_revision(&self) -> Option<Revision> {
        match self {
            Error::Api(problem) => problem.current_revision(),
            Error::UnknownOutcome { source } => source.current_revision(),
            Error::Transport { .. }
            | Error::Decode { .. }
            | Error::Encode { .. }
            | Error::Invalid(_) => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Api(problem) => problem.fmt(f),
            Error::UnknownOutcome { source } => {
                write!(
                    f,
                    "an earlier try of the write may have been applied: {source}"
                )
            }
            Error::Transport { source, .. } if source.is_timeout() => {
                f.write_str("the server did not answer in time")
            }
            Error::Transport { source, .. } if source.is_connect() => {
                f.write_str("the server cannot be reached")
            }
            Error::Transport { .. } => f.write_str("the request to the server failed"),
            Error::Decode { key, .. } => {
                let key = key.escape_ascii();
                write!(f, "cannot decode the value of the key \"{key}\"")
            }
            Error::Encode { key, .. } => {
                let key = key.escape_ascii();
                write!(f, "cannot encode the value of the key \"{key}\"")
            }
            Error::Invalid(error) => error.fmt(f),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Error::Api(_) => None,
            Error::Transport { source, .. } => Some(&**source),
            // Its text is part of this error's text.
            Error::UnknownOutcome { source } => source.source(),
            Error::Decode { source, .. } | Error::Encode { source, .. } => Some(&**source),
            // Its text is this error's text, so that only its own source is the cause.
            Error::Invalid(error) => error.source(),
        }
    }
}

impl From<akvs_core::Error> for Error {
    fn from(error: akvs_core::Error) -> Error {
        Error::Invalid(error)
    }
}

impl From<reqwest::Error> for Error {
    fn from(error: reqwest::Error) -> Error {
        Error::Transport {
            source: Box::new(error.without_url()),
            outcome_unknown: false,
        }
    }
}

/// Keeps the server's code, message and context. The code is `unavailable` if the server cannot be reached, and
/// `outcome_unknown` if the answer was lost or is invalid.
impl From<Error> for akvs_core::Error {
    fn from(error: Error) -> akvs_core::Error {
        let text = error.to_string();
        let code = match &error {
            Error::Api(problem) => problem.code().unwrap_or(Code::OutcomeUnknown),
            Error::Transport { source, .. } if source.is_connect() => Code::Unavailable,
            Error::Transport { .. } | Error::UnknownOutcome { .. } => Code::OutcomeUnknown,
            Error::Decode { .. } => Code::Conflict,
            Error::Encode { .. } => Code::InvalidRequest,
            Error::Invalid(invalid) => return invalid.clone(),
        };
        let Error::Api(problem) = error else {
            return akvs_core::Error::new(code, text).because(error);
        };
        let (message, context) = problem.into_parts();
        let plain = akvs_core::Error::new(code, message);
        context
            .into_iter()
            .fold(plain, |error, (name, value)| error.with(&name, value))
    }
}

/// Returns the error of an invalid argument or option.
pub(crate) fn invalid(text: impl Into<String>) -> Error {
    CoreError::new(Code::InvalidRequest, text.into()).into()
}

/// Returns the error of an answer that has a status of success and violates the HTTP contract.
pub(crate) fn protocol_error(text: impl Into<String>) -> Error {
    Error::api(Problem::new(StatusCode::OK.as_u16(), text))
}

/// Returns whether a request with this status may succeed later.
pub(crate) fn is_transient(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::REQUEST_TIMEOUT
            | StatusCode::TOO_EARLY
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value};

    use super::*;

    #[test]
    fn a_problem_keeps_its_parts_as_an_error_of_the_store() {
        let context = Map::from_iter([("limit".to_owned(), Value::from(8))]);
        let problem = Problem::new(413, "too much")
            .with_code(Some("too_large".into()))
            .with_context(context);
        let error = akvs_core::Error::from(Error::api(problem));
        assert_eq!(
            (error.code(), error.message()),
            (Code::TooLarge, "too much")
        );
        assert_eq!(error.context()["limit"], 8);
    }

    #[test]
    fn invalid_input_is_unchanged_as_an_error_of_the_store() {
        let invalid = akvs_core::Error::new(Code::InvalidKey, "the key is empty");
        let error = akvs_core::Error::from(Error::from(invalid));
        assert_eq!(
            (error.code(), error.message()),
            (Code::InvalidKey, "the key is empty")
        );
    }

    #[test]
    fn no_error_text_shows_a_value() {
        let source = serde_json::from_str::<u8>("\"hidden\"").unwrap_err();
        let error = Error::decode(b"k\xff", source);
        assert_eq!(
            error.to_string(),
            "cannot decode the value of the key \"k\\xff\""
        );
        assert!(error.source().is_some());
        assert!(!akvs_core::Error::from(error).to_string().contains("hidden"));
    }
}
