//! The result of a transaction, or the check that failed.
//!
//! It owns the parsing of the answer. Invariant: there is a result for each operation, in the same order, or an error.

use akvs_api::problem;
use akvs_api::txn::TxnResponse;
use akvs_core::Revision;
use bytes::Bytes;
use serde_json::Value;

use crate::error::Error;
use crate::wire::json;

/// The result of a transaction.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let namespace = akvs_client::Client::new(&serve())?.namespace("foo")?;
/// let done = namespace.txn().set("a", &1).delete("missing").commit().await?;
/// assert_eq!(done.results[0].revision, done.revision);
/// assert_eq!(done.results[1].revision, None);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TxnResult {
    /// The revision of all changes; `None` if nothing changed.
    pub revision: Option<Revision>,
    /// The results of the operations, in their order.
    pub results: Vec<OpResult>,
}

/// The result of one operation of a transaction.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let namespace = akvs_client::Client::new(&serve())?.namespace("foo")?;
/// let done = namespace.txn().add("visits", 3).commit().await?;
/// let visits = done.results[0];
/// assert_eq!((visits.existed, visits.value), (false, Some(3)));
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpResult {
    /// The revision; `None` if the operation changed nothing.
    pub revision: Option<Revision>,
    /// Whether the key existed before; false also where the token may not read it, see
    /// [`write_only`](Self::write_only).
    pub existed: bool,
    /// Whether the token may write but not read, so that the server does not disclose whether the key existed.
    pub write_only: bool,
    /// The sum of an addition.
    pub value: Option<i64>,
}

/// The failed check of a transaction, from [`Error::failed_check`].
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let namespace = akvs_client::Client::new(&serve())?.namespace("foo")?;
/// let b = namespace.set("b", &1).await?;
/// let txn = namespace.txn().check_absent("a").check_absent("b").set("c", &1);
/// let failed = txn.commit().await.unwrap_err().failed_check().unwrap();
/// assert_eq!((failed.index, &failed.key[..]), (1, &b"b"[..]));
/// assert_eq!(failed.current_revision, b.revision);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FailedCheck {
    /// The index of the check, from 0 on.
    pub index: usize,
    /// The key of the check.
    pub key: Bytes,
    /// The current revision of the key; `None` if there is no such key.
    pub current_revision: Option<Revision>,
}

impl Error {
    /// Returns the failed check of a transaction; `None` for other errors.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let error = namespace.txn().check_exists(b"\xff").commit().await.unwrap_err();
    /// assert_eq!(error.failed_check().unwrap().key, &b"\xff"[..]);
    /// let error = namespace.set("a", &1).if_exists().await.unwrap_err();
    /// assert!(error.failed_check().is_none());
    /// # Ok(()) }
    /// ```
    pub fn failed_check(&self) -> Option<FailedCheck> {
        let Error::Api(answer) = self else {
            return None;
        };
        let context = answer.context();
        let text = |name| context.get(name).and_then(Value::as_str);
        let index = context.get(problem::CHECK).and_then(Value::as_u64)?;
        Some(FailedCheck {
            index: usize::try_from(index).ok()?,
            key: json::read_pair(text("key"), text("key64"))??,
            current_revision: answer.current_revision(),
        })
        .filter(|_| self.is_precondition_failed())
    }
}

/// Returns the result of a transaction with this number of operations, if the document has one for each.
pub(super) fn read(document: TxnResponse<'_>, count: usize) -> Option<TxnResult> {
    let results = document.results.into_iter().map(|done| {
        Some(OpResult {
            revision: done.revision.map(Revision::new),
            existed: done.existed.unwrap_or(false),
            write_only: done.existed.is_none(),
            value: done
                .value
                .map(|text| text.parse().ok())
                .map_or(Some(None), |sum| sum.map(Some))?,
        })
    });
    let results: Vec<OpResult> = results.collect::<Option<_>>()?;
    (results.len() == count).then(|| TxnResult {
        revision: document.revision.map(Revision::new),
        results,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_without_a_result_for_each_operation_is_none() {
        let result = |text: &str, count| read(serde_json::from_str(text).unwrap(), count);
        let one = r#"{"revision":7,"results":[{"revision":7,"existed":true,"value":"-3"}]}"#;
        let parsed = result(one, 1).unwrap();
        assert_eq!(parsed.results[0].value, Some(-3));
        assert_eq!(parsed.revision, Some(Revision::new(7)));
        assert_eq!(result(one, 2), None);
        assert_eq!(result(r#"{"revision":null,"results":[]}"#, 1), None);
        let invalid = r#"{"revision":7,"results":[{"revision":7,"existed":true,"value":"x"}]}"#;
        assert_eq!(result(invalid, 1), None);
    }
}
