//! Transactions: several conditional writes in one commit.
//!
//! It owns the checks and operations of a transaction, and its request. `put` has the options of a stored value,
//! `result` the answer. Invariant: an invalid argument is kept as the error of the transaction, and nothing is sent.

mod put;
mod result;

pub use put::Put;
pub use result::{FailedCheck, OpResult, TxnResult};

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use akvs_api::txn::{Check, Op, OpKind, Ttl, TxnRequest};
use akvs_api::{TextOrBase64, media_type};
use akvs_core::{Code, Error as CoreError, Key, Revision};
use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};
use serde::Serialize;

use crate::Namespace;
use crate::error::{Error, Result};
use crate::wire::json;
use crate::wire::query::Query;

/// The maximum number of checks, and of operations.
const MAX_OPS: usize = 1_000;
pub(crate) const JSON: HeaderValue = HeaderValue::from_static(media_type::JSON);

/// A transaction: writes that are applied under one revision, all or none; sent by [`commit`](Self::commit).
///
/// All checks apply to the state before the transaction. A key may be in at most one operation.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let namespace = akvs_client::Client::new(&serve())?.namespace("foo")?;
/// use std::time::Duration;
/// use akvs_client::Put;
///
/// let ann = namespace.set("balance/ann", &30).await?.revision.expect("a revision");
/// let moved = namespace
///     .txn()
///     .check_revision("balance/ann", ann)
///     .add("balance/ann", -10)
///     .add("balance/bob", 10)
///     .put("log/1", Put::json(&("ann", "bob", 10)).ttl(Duration::from_secs(3_600)))
///     .commit()
///     .await?;
/// assert_eq!((moved.results[0].value, moved.results[1].value), (Some(20), Some(10)));
///
/// let again = namespace.txn().check_revision("balance/ann", ann).add("balance/ann", -10);
/// let error = again.commit().await.unwrap_err();
/// assert_eq!(error.failed_check().unwrap().key, "balance/ann");
/// # Ok(()) }
/// ```
#[must_use = "a transaction is sent only when it is committed"]
pub struct Txn {
    namespace: Namespace,
    checks: Vec<Check>,
    ops: Vec<Op>,
    keys: HashSet<Bytes>,
    /// The first invalid argument.
    error: Option<Error>,
}

impl Namespace {
    /// Returns a transaction without checks and operations.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// namespace.txn().set("a", &1).set("b", &2).commit().await?;
    /// assert_eq!(namespace.get_or("b", 0).await?, 2);
    /// # Ok(()) }
    /// ```
    pub fn txn(&self) -> Txn {
        Txn {
            namespace: self.clone(),
            checks: Vec::new(),
            ops: Vec::new(),
            keys: HashSet::new(),
            error: None,
        }
    }
}

impl Txn {
    /// Applies the transaction only if the key has this revision.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let seen = namespace.set("a", &1).await?.revision.expect("a revision");
    /// namespace.txn().check_revision("a", seen).set("b", &2).commit().await?;
    /// # Ok(()) }
    /// ```
    pub fn check_revision(self, key: impl AsRef<[u8]>, revision: Revision) -> Txn {
        self.check(key.as_ref(), |key| Check {
            revision: Some(revision.get()),
            ..key_only(key)
        })
    }

    /// Applies the transaction only if the key does not exist.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let made = namespace.txn().check_absent("lock").set("lock", "mine");
    /// assert!(made.commit().await.is_ok());
    /// let taken = namespace.txn().check_absent("lock").set("lock", "yours");
    /// assert!(taken.commit().await.unwrap_err().is_precondition_failed());
    /// # Ok(()) }
    /// ```
    pub fn check_absent(self, key: impl AsRef<[u8]>) -> Txn {
        self.check(key.as_ref(), |key| Check {
            absent: Some(true),
            ..key_only(key)
        })
    }

    /// Applies the transaction only if the key exists.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let txn = namespace.txn().check_exists("user/7").set("mail/7", "hello");
    /// assert!(txn.commit().await.unwrap_err().is_precondition_failed());
    /// # Ok(()) }
    /// ```
    pub fn check_exists(self, key: impl AsRef<[u8]>) -> Txn {
        self.check(key.as_ref(), |key| Check {
            exists: Some(true),
            ..key_only(key)
        })
    }

    /// Stores a value as JSON, without expiry: [`put`](Self::put) of [`Put::json`].
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// namespace.txn().set("primes", &[2, 3, 5]).commit().await?;
    /// assert_eq!(namespace.get::<Vec<u8>>("primes").await?.unwrap().value, [2, 3, 5]);
    /// # Ok(()) }
    /// ```
    pub fn set<T: Serialize + ?Sized>(self, key: impl AsRef<[u8]>, value: &T) -> Txn {
        self.put(key, Put::json(value))
    }

    /// Stores bytes, without expiry: [`put`](Self::put) of [`Put::bytes`].
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// namespace.txn().set_bytes(b"\xff", vec![0, 255]).commit().await?;
    /// assert_eq!(namespace.get_bytes(b"\xff").await?.unwrap().value, [0, 255][..]);
    /// # Ok(()) }
    /// ```
    pub fn set_bytes(self, key: impl AsRef<[u8]>, value: impl Into<Bytes>) -> Txn {
        self.put(key, Put::bytes(value))
    }

    /// Stores a value with options: a time to live, a content type.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use akvs_client::Put;
    /// let txn = namespace
    ///     .txn()
    ///     .put("session", Put::json("data").ttl(Duration::from_secs(60)))
    ///     .put("page", Put::bytes("<h1>Hi</h1>").content_type("text/html"));
    /// txn.commit().await?;
    /// assert!(namespace.get_bytes("session").await?.unwrap().expires.is_some());
    /// assert_eq!(namespace.get_bytes("page").await?.unwrap().content_type, "text/html");
    /// # Ok(()) }
    /// ```
    pub fn put(self, key: impl AsRef<[u8]>, put: Put) -> Txn {
        let key = key.as_ref();
        let op = put.op(key);
        self.op(key, op)
    }

    /// Deletes a key if it exists.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// namespace.set("old", &1).await?;
    /// let done = namespace.txn().delete("old").delete("older").commit().await?;
    /// assert_eq!(done.results.iter().map(|one| one.existed).collect::<Vec<_>>(), [true, false]);
    /// # Ok(()) }
    /// ```
    pub fn delete(self, key: impl AsRef<[u8]>) -> Txn {
        self.op(key.as_ref(), Ok(op(OpKind::Delete)))
    }

    /// Adds to a decimal number; a missing key counts as 0. The sum is the result's [`value`](OpResult::value). If the
    /// value is not a number or the sum exceeds an `i64`, nothing is written and the error is
    /// [`Code::Conflict`](crate::Code::Conflict).
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let done = namespace.txn().add("visits", 5).commit().await?;
    /// assert_eq!(done.results[0].value, Some(5));
    /// # Ok(()) }
    /// ```
    pub fn add(self, key: impl AsRef<[u8]>, by: i64) -> Txn {
        self.op(
            key.as_ref(),
            Ok(Op {
                by: Some(by),
                ..op(OpKind::Add)
            }),
        )
    }

    /// Sets the time to live of a key, or removes it with `None`. If there is no such key, nothing is written and the
    /// error [`is_not_found`](Error::is_not_found).
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// namespace.set("a", &1).await?;
    /// namespace.set("b", &2).ttl(Duration::from_secs(60)).await?;
    /// namespace.txn().touch("a", Duration::from_secs(60)).touch("b", None).commit().await?;
    /// assert!(namespace.get_bytes("a").await?.unwrap().expires.is_some());
    /// assert!(namespace.get_bytes("b").await?.unwrap().expires.is_none());
    /// # Ok(()) }
    /// ```
    pub fn touch(self, key: impl AsRef<[u8]>, ttl: impl Into<Option<Duration>>) -> Txn {
        let ttl = ttl.into().map(akvs_api::ttl::format).transpose();
        self.op(
            key.as_ref(),
            ttl.map_err(Error::from).map(|ttl| Op {
                ttl: ttl.map(Ttl),
                ..op(OpKind::Touch)
            }),
        )
    }

    /// Applies all operations or none. The answer comes when the transaction is as durable as the server is configured.
    ///
    /// If a check fails, the error [`is_precondition_failed`](Error::is_precondition_failed) and has the
    /// [`failed_check`](Error::failed_check).
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let done = namespace.txn().set("a", &1).set("b", &2).commit().await?;
    /// assert_eq!(namespace.get_bytes("a").await?.unwrap().revision, done.revision);
    /// assert_eq!(namespace.get_bytes("b").await?.unwrap().revision, done.revision);
    ///
    /// // The same key twice is not sent at all.
    /// assert!(namespace.txn().set("a", &1).delete("a").commit().await.is_err());
    /// # Ok(()) }
    /// ```
    pub async fn commit(self) -> Result<TxnResult> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let count = self.ops.len();
        let document = TxnRequest {
            checks: Some(self.checks.into()),
            ops: Some(self.ops.into()),
        };
        let body = serde_json::to_vec(&document).map_err(|error| Error::encode(b"", error))?;
        let client = self.namespace.client();
        let request = self
            .namespace
            .request(Method::POST, "/txn", &Query::default())?
            .headers(HeaderMap::from_iter([(CONTENT_TYPE, JSON)]))
            .body(body);
        let answer = client.send(request, &[StatusCode::OK]).await?;
        let response = answer.map_err(Error::api)?;
        let read = |document| result::read(document, count);
        client
            .parse_json(response, "the result of the transaction", read)
            .await
    }

    fn check(mut self, key: &[u8], check: impl FnOnce(&[u8]) -> Check) -> Txn {
        let valid = Key::check(key).and_then(|()| check_count("checks", self.checks.len()));
        match valid {
            Ok(()) => self.checks.push(check(key)),
            Err(error) => self.fail(error.into()),
        }
        self
    }

    fn op(mut self, key: &[u8], op: Result<Op>) -> Txn {
        let valid = Key::check(key).and_then(|()| check_count("operations", self.ops.len()));
        let mut insert_key = || match self.keys.insert(Bytes::copy_from_slice(key)) {
            true => Ok(()),
            false => Err(invalid(
                "duplicate key: expected one operation for each key",
            )),
        };
        match valid
            .and_then(|()| insert_key())
            .map_err(Error::from)
            .and(op)
        {
            Ok(op) => {
                let (key, key64) = json::into_owned_pair(TextOrBase64::new(key));
                self.ops.push(Op { key, key64, ..op });
            }
            Err(error) => self.fail(error),
        }
        self
    }

    /// Keeps the first error.
    fn fail(&mut self, error: Error) {
        self.error.get_or_insert(error);
    }
}

/// Returns a check of this key without a condition.
fn key_only(key: &[u8]) -> Check {
    let (key, key64) = json::into_owned_pair(TextOrBase64::new(key));
    Check {
        key,
        key64,
        ..Check::default()
    }
}

/// Returns an operation of this kind, without its key.
fn op(kind: OpKind) -> Op {
    Op {
        op: Some(kind.as_str().into()),
        ..Op::default()
    }
}

/// Returns an error if a transaction with this number of checks or operations is full.
fn check_count(name: &str, count: usize) -> Result<(), CoreError> {
    if count < MAX_OPS {
        return Ok(());
    }
    let text = format!("too many {name}: expected at most {MAX_OPS}");
    Err(CoreError::new(Code::TooLarge, text).with("limit", MAX_OPS))
}

fn invalid(text: &str) -> CoreError {
    CoreError::new(Code::InvalidRequest, text)
}

impl fmt::Debug for Txn {
    /// Omits keys and values, which must not be logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Txn")
            .field("namespace", &self.namespace)
            .field("checks", &self.checks.len())
            .field("ops", &self.ops.len())
            .finish_non_exhaustive()
    }
}
