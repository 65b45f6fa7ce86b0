//! Updates: read, compute, write if the value is unchanged, else repeat.
//!
//! It owns that loop. It does not own reads and writes. Invariant: each write is conditional on the revision that was
//! read, and a write with an unknown outcome is an error.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use akvs_core::Revision;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::sleep;

use crate::codec::JSON;
use crate::error::{Error, Problem, Result};
use crate::retry::{Backoff, RetryPolicy};
use crate::{Entry, Namespace};

const MAX_TRIES: u32 = 100;
const INITIAL_BACKOFF: Duration = Duration::from_millis(1);
const MAX_BACKOFF: Duration = Duration::from_millis(50);

/// An update, made when it is awaited. It returns the new entry; `None` if the key was deleted, or was missing and was
/// not created.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let namespace = akvs_client::Client::new(&serve())?.namespace("foo")?;
/// use std::time::Duration;
/// let push = |list: Option<Vec<u32>>| {
///     let mut list = list.unwrap_or_default();
///     list.push(7);
///     Some(list)
/// };
/// let entry = namespace.update("list", push).ttl(Duration::from_secs(60)).await?.unwrap();
/// assert_eq!(entry.value, [7]);
/// assert!(entry.expires.is_some());
/// # Ok(()) }
/// ```
#[must_use = "an update is made only when it is awaited"]
pub struct Update<T, F> {
    namespace: Namespace,
    key: Box<[u8]>,
    change: F,
    deadline: Deadline,
    max_tries: u32,
    value: PhantomData<fn() -> T>,
}

/// The new expiry time of the key.
#[derive(Clone, Copy, Debug)]
enum Deadline {
    Keep,
    Remove,
    In(Duration),
}

impl Namespace {
    /// Changes a value by a function of its current value, decoded from JSON; `None` if there is no such key. The
    /// result is written if the key is unchanged, else the update is tried again, so that no concurrent change is lost.
    /// `None` deletes the key. The function is called once a try, at most a hundred times.
    ///
    /// If it is unknown whether the write was applied, the update fails and is not tried again: see
    /// [`is_unknown_outcome`](crate::Error::is_unknown_outcome).
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let updated = namespace.update("bar", |value: Option<u32>| Some(value.unwrap_or(0) + 1)).await?;
    /// assert_eq!(updated.map(|entry| entry.value), Some(1));
    /// # Ok(()) }
    /// ```
    pub fn update<T, F>(&self, key: impl AsRef<[u8]>, change: F) -> Update<T, F>
    where
        F: FnMut(Option<T>) -> Option<T>,
    {
        Update {
            namespace: self.clone(),
            key: key.as_ref().into(),
            change,
            deadline: Deadline::Keep,
            max_tries: MAX_TRIES,
            value: PhantomData,
        }
    }
}

impl<T, F> Update<T, F> {
    /// Sets the time to live of the key, from the write on. Without it and without [`no_ttl`](Self::no_ttl) the expiry
    /// time is kept.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let hour = std::time::Duration::from_secs(3_600);
    /// namespace.update("bar", |value: Option<u32>| value).ttl(hour).await?;
    /// # Ok(()) }
    /// ```
    pub fn ttl(mut self, ttl: Duration) -> Update<T, F> {
        self.deadline = Deadline::In(ttl);
        self
    }

    /// Removes the expiry time of the key.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// namespace.set("bar", &1).ttl(std::time::Duration::from_secs(9)).await?;
    /// let entry = namespace.update("bar", |_| Some(2)).no_ttl().await?;
    /// assert_eq!(entry.unwrap().expires, None);
    /// # Ok(()) }
    /// ```
    pub fn no_ttl(mut self) -> Update<T, F> {
        self.deadline = Deadline::Remove;
        self
    }

    /// Sets the maximum number of tries; 100 by default, and at least one. If the key changed during each try, the
    /// error [`is_precondition_failed`](crate::Error::is_precondition_failed).
    ///
    /// ```
    /// # let namespace = akvs_client::Client::new("http://localhost:8080")?.namespace("foo")?;
    /// let update = namespace.update("bar", |_| Some(2)).max_tries(3);
    /// # Ok::<(), akvs_client::Error>(())
    /// ```
    pub fn max_tries(mut self, tries: u32) -> Update<T, F> {
        self.max_tries = tries;
        self
    }
}

impl<T, F> Update<T, F>
where
    T: Serialize + DeserializeOwned,
    F: FnMut(Option<T>) -> Option<T>,
{
    async fn run(mut self) -> Result<Option<Entry<T>>> {
        let policy = RetryPolicy::default()
            .initial_backoff(INITIAL_BACKOFF)
            .max_backoff(MAX_BACKOFF)
            .jitter(1.0);
        let mut backoff = Backoff::new(&policy);
        let mut tries = 1;
        loop {
            let (current, revision) = match self.namespace.get::<T>(&self.key).await? {
                Some(entry) => (Some(entry.value), Some(require_revision(entry.revision)?)),
                None => (None, None),
            };
            let new_value = (self.change)(current);
            match self.write(new_value, revision).await {
                Err(error) if error.is_precondition_failed() && tries < self.max_tries => {}
                result => return result,
            }
            tries += 1;
            sleep(backoff.wait(fastrand::f64(), None)).await;
        }
    }

    /// Writes if the key still has this revision, or is still missing.
    async fn write(
        &self,
        new_value: Option<T>,
        revision: Option<Revision>,
    ) -> Result<Option<Entry<T>>> {
        let Some(value) = new_value else {
            if let Some(revision) = revision {
                self.namespace.del(&self.key).if_revision(revision).await?;
            }
            return Ok(None);
        };
        let set = self.namespace.set(&self.key, &value);
        let set = match self.deadline {
            Deadline::Keep => set.keep_ttl(),
            Deadline::Remove => set,
            Deadline::In(ttl) => set.ttl(ttl),
        };
        let set = match revision {
            Some(revision) => set.if_revision(revision),
            None => set.if_absent(),
        };
        let written = set.await?;
        Ok(Some(Entry {
            value,
            revision: written.revision,
            content_type: JSON.into(),
            content_encoding: None,
            modified: None,
            expires: written.expires,
        }))
    }
}

/// Returns the revision. Without one there is no condition, and a concurrent change could be lost.
fn require_revision(revision: Option<Revision>) -> Result<Revision> {
    let text = "invalid answer: no ETag; an update needs the revision of the value";
    revision.ok_or_else(|| Error::api(Problem::new(200, text)))
}

impl<T, F> IntoFuture for Update<T, F>
where
    T: Serialize + DeserializeOwned + Send + Sync + 'static,
    F: FnMut(Option<T>) -> Option<T> + Send + Sync + 'static,
{
    type Output = Result<Option<Entry<T>>>;
    type IntoFuture = std::pin::Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<T, F> fmt::Debug for Update<T, F> {
    /// Omits the key, which must not be logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Update")
            .field("namespace", &self.namespace)
            .field("deadline", &self.deadline)
            .field("max_tries", &self.max_tries)
            .finish_non_exhaustive()
    }
}
